"""Brax's environments as functional environments: ``brax/NAME``."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from brax import envs

from rlpair.errors import ConfigError
from rlpair.types import EnvSpec

State = Any  # brax.envs.State, which keeps what the step into it told


class BraxEnv:
    """An environment of Brax, without Brax's wrappers. Each takes actions in [-1, 1]; none ends by itself for time."""

    def __init__(self, env: envs.Env, time_limit: int) -> None:
        """Wrap an environment of Brax; ``time_limit`` in steps."""
        self.env, self.time_limit = env, time_limit
        size = env.action_size
        self.spec = EnvSpec((env.observation_size,), "float32", False, size, (-1.0,) * size, (1.0,) * size)

    def initial(self, key: jax.Array) -> State:
        """Return a state in which an episode begins."""
        return self.env.reset(key)

    def transition(self, state: State, action: jax.Array, key: jax.Array) -> State:
        """Return the state that follows: Brax draws nothing for it."""
        return self.env.step(state, action)

    def observation(self, state: State) -> jax.Array:
        """Return the observation, (O,) float32."""
        return jnp.asarray(state.obs, jnp.float32)

    def reward(self, state: State, action: jax.Array, next_state: State) -> jax.Array:
        """Return the reward, () float32."""
        return jnp.asarray(next_state.reward, jnp.float32)  # a plain number in some

    def terminal(self, state: State) -> jax.Array:
        """Return whether the episode has ended, () bool."""
        return jnp.asarray(state.done, bool)


def make(env_id: str, dtype: str, env_kwargs: Mapping[str, Any]) -> BraxEnv:
    """Make the environment ``brax/NAME``.

    Args:
        env_id: with a name of Brax's registry.
        dtype: float32.
        env_kwargs: ``episode_length`` (Brax's own: 1000 steps), and arguments of the environment: ``backend`` ...

    Raises:
        ConfigError: there is none of that name, or it does not take these arguments.
    """
    name = env_id.removeprefix("brax/")
    if name not in envs._envs:
        raise ConfigError("env", f"brax/{name}", f"Brax has {', '.join(envs._envs)}")
    kwargs = dict(env_kwargs)
    time_limit = kwargs.pop("episode_length", 1000)
    if not isinstance(time_limit, int) or time_limit < 1:
        raise ConfigError("env_kwargs.episode_length", time_limit, "a whole number of steps, from 1")
    try:
        return BraxEnv(envs.get_environment(name, **kwargs), time_limit)
    except (TypeError, ValueError) as error:
        raise ConfigError("env_kwargs", kwargs, f"brax/{name} says: {' '.join(str(error).split())}") from error
