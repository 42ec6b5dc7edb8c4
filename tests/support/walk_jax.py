"""For tests of the fused loop: a walk of whole numbers, and a learner that does nothing but write its batches down."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from own_replays import td_error_of

from rlpair.algos.learner_jax import Learner, LearnerState
from rlpair.types import EnvSpec, Transition, UpdateInfo

QUICK = {"xla_backend_optimization_level": 0}  # to compile is what takes long here


class Walk:
    """x -> (5 x + action + 1) mod 23, which pays x; terminal at or below ``end``, cut after ``limit`` steps.

    It begins at ``start``, or anywhere from 4 on. The observation is x and the number of the step.
    """

    def __init__(self, spec: EnvSpec, end: int, limit: int, start: int | None = None) -> None:
        self.spec, self.end, self.time_limit, self.start = spec, end, limit, start

    def initial(self, key: jax.Array) -> jax.Array:
        x = jax.random.randint(key, (), 4, 23) if self.start is None else jnp.int32(self.start)
        return jnp.stack([x, jnp.int32(0)])

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.stack([(5 * state[0] + action + 1) % 23, state[1] + 1])

    def observation(self, state: jax.Array) -> jax.Array:
        return state.astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return next_state[0].astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return state[0] <= self.end


def logging_learner(policy: Callable[[Any, Any], Any], batch_size: int, num_updates: int) -> Learner:
    """Acts by ``policy(obs, env_steps)``; its TD errors are td_error_of's. Its log is (num_updates, B, 9):
    obs (2), action, reward, terminated, next_obs (2), discount, weight.
    """

    def init(params: Any, hyper: Any) -> LearnerState:
        return LearnerState({"log": jnp.zeros((num_updates, batch_size, 9))}, {}, {}, {}, (), jnp.zeros((), jnp.int32))

    def act(state: LearnerState, obs: jax.Array, noise: Any, env_steps: jax.Array) -> jax.Array:
        action: jax.Array = policy(obs.astype(jnp.int32), env_steps)
        return action

    def update(state: LearnerState, batch: Transition, noise: Any) -> tuple[LearnerState, UpdateInfo]:
        ones = jnp.ones(batch.reward.shape)
        given = (batch.action, batch.reward, batch.terminated), (batch.discount, batch.weight)
        before, after = ([(ones if x is None else x)[:, None].astype(ones.dtype) for x in part] for part in given)
        row = jnp.concatenate([batch.obs, *before, batch.next_obs, *after], -1)
        log = state.params["log"].at[state.num_updates].set(row)
        td_error = td_error_of(batch.reward, 1 if batch.discount is None else batch.discount)
        info = UpdateInfo({"loss/q": batch.reward.mean()}, td_error)
        return state._replace(params={"log": log}, num_updates=state.num_updates + 1), info

    def nothing(*_: Any) -> Any:
        return ()

    return Learner(init, act, nothing, nothing, nothing, update)
