"""A functional environment stepped from the host, as Gymnasium's are: to evaluate agents of either backend."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from rlpair.envs.functional_jax import FunctionalEnv, functional_env, reset, step
from rlpair.envs.host import Step


class SteppedEnvs:
    """N environments of one kind, with what of HostEnvs an evaluation needs."""

    def __init__(self, env: FunctionalEnv, num_envs: int, name: str) -> None:
        self.name, self.num_envs, self.spec = name, num_envs, env.spec
        self._key = jax.random.key(0)
        self._reset = jax.jit(jax.vmap(partial(reset, env)))
        self._step = jax.jit(jax.vmap(partial(step, env)))
        self._envs: Any = None

    def _keys(self) -> jax.Array:  # (N,)
        self._key, *keys = jax.random.split(self._key, self.num_envs + 1)
        return jax.numpy.stack(keys)

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode in each: (N, *obs_shape). The seed is of all that follows."""
        self._key = jax.random.key(seed)
        self._envs, obs = self._reset(self._keys())
        return np.array(obs)

    def step(self, action: np.ndarray) -> Step:
        """Step every environment: (N,) or (N, action_dim), in the environment's own units."""
        self._envs, out = self._step(self._envs, action, self._keys())
        arrays = (out.obs, out.reward, out.next_obs, out.terminated, out.truncated)
        return Step(*(np.array(x) for x in arrays))

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def make(env_id: str, env_kwargs: Mapping[str, Any]) -> SteppedEnvs:
    """Make one environment of ``functional_env``."""
    return SteppedEnvs(functional_env(env_id, env_kwargs=env_kwargs), 1, env_id)
