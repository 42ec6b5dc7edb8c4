"""DQN on observations less their running mean, in JAX. The twin of own_learner_torch.py."""

from typing import Any

import jax
import jax.numpy as jnp

from rlpair.algos import dqn_jax
from rlpair.algos.learner_jax import Learner, LearnerState
from rlpair.types import EnvSpec, Transition


def make_learner(config: Any, spec: EnvSpec, networks: Any, *, dtype: str, precision: str) -> Learner:
    """DQN's learner, whose functions see other observations."""
    dqn = dqn_jax.make_learner(config, spec, networks, dtype=dtype, precision=precision)

    def init(params: Any, hyper: Any) -> LearnerState:
        mean, count = jnp.zeros(spec.obs_shape, dtype), jnp.zeros((), dtype)
        return dqn.init(params, hyper)._replace(model_state={"obs": {"mean": mean, "count": count}})

    def centred(state: LearnerState, obs: jax.Array) -> jax.Array:
        return obs - state.model_state["obs"]["mean"][None]

    def act(state: LearnerState, obs: jax.Array, noise: Any, env_steps: jax.Array) -> jax.Array:
        return dqn.act(state, centred(state, obs), noise, env_steps)

    def greedy(state: LearnerState, obs: jax.Array) -> jax.Array:
        return dqn.greedy(state, centred(state, obs))

    def update(state: LearnerState, batch: Transition, noise: Any) -> Any:
        obs, next_obs = centred(state, batch.obs), centred(state, batch.next_obs)
        mean, count = state.model_state["obs"]["mean"], state.model_state["obs"]["count"] + len(obs)
        mean = mean + obs.sum(0) / count
        state, info = dqn.update(state, batch._replace(obs=obs, next_obs=next_obs), noise)
        return state._replace(model_state={"obs": {"mean": mean, "count": count}}), info

    return dqn._replace(init=init, act=act, greedy=greedy, update=update)
