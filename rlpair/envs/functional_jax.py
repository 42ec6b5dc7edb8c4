"""Environments as pure functions: their protocol, time limits and resets.

The functions are those of Gymnasium's FuncEnv. All are for one environment: ``jax.vmap`` makes them for many.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from rlpair.envs.spec import spec_of_spaces
from rlpair.errors import ConfigError
from rlpair.types import EnvSpec

Tree = Any  # a pytree of arrays


class FunctionalEnv(Protocol):
    """An environment without a state of its own. Actions come in its units: int32 from action_start on, or float32."""

    @property
    def spec(self) -> EnvSpec:
        """What a learner may know of it."""
        ...

    @property
    def time_limit(self) -> int | None:
        """Steps after which an episode is truncated; None: never."""
        ...

    def initial(self, key: jax.Array) -> Tree:
        """A state in which an episode begins."""
        ...

    def transition(self, state: Tree, action: jax.Array, key: jax.Array) -> Tree:
        """The next state."""
        ...

    def observation(self, state: Tree) -> jax.Array:
        """(*obs_shape,) of the spec's dtype."""
        ...

    def reward(self, state: Tree, action: jax.Array, next_state: Tree) -> jax.Array:
        """()."""
        ...

    def terminal(self, state: Tree) -> jax.Array:
        """() bool: whether nothing comes after it."""
        ...


class EnvState(NamedTuple):
    """Where an episode stands."""

    state: Tree
    steps: jax.Array  # () int32 since it began


class Step(NamedTuple):
    """What a step gave."""

    next_obs: jax.Array  # the true successor's, also where the episode ended
    reward: jax.Array  # () float32
    terminated: jax.Array  # () bool
    truncated: jax.Array  # () bool, also where it terminated at the time limit, as Gymnasium's TimeLimit says
    obs: jax.Array  # what to act on next: where the episode ended, a new one's


def reset(env: FunctionalEnv, key: jax.Array) -> tuple[EnvState, jax.Array]:
    """Begin an episode. Returns where it stands and the observation."""
    state = env.initial(key)
    return EnvState(state, jnp.zeros((), jnp.int32)), env.observation(state)


def step(
    env: FunctionalEnv, at: EnvState, action: jax.Array, key: jax.Array, initial: Tree = None
) -> tuple[EnvState, Step]:
    """One step; an episode that ends makes room for a new one at once, which begins in ``initial`` if that is given."""
    key, reset_key = jax.random.split(key)
    state = env.transition(at.state, action, key)
    steps, terminated = at.steps + 1, env.terminal(state)
    truncated = jnp.zeros((), bool) if env.time_limit is None else steps >= env.time_limit
    ended = terminated | truncated
    new = env.initial(reset_key) if initial is None else initial
    going_on = jax.tree.map(lambda fresh, old: jnp.where(ended, fresh, old), new, state)
    reward = env.reward(at.state, action, state).astype(jnp.float32)
    out = Step(env.observation(state), reward, terminated, truncated, env.observation(going_on))
    return EnvState(going_on, jnp.where(ended, 0, steps)), out


class FromFuncEnv:
    """A gymnasium.experimental.functional.FuncEnv, whose functions JAX can trace, with its default parameters."""

    def __init__(self, func_env: Any, time_limit: int | None = None) -> None:
        """Raises EnvError where its spaces are none that can be learned from."""
        self._env, self._params = func_env, func_env.get_default_params()
        self.time_limit = time_limit
        self.spec = spec_of_spaces(func_env.observation_space, func_env.action_space)

    def initial(self, key: jax.Array) -> Tree:
        """See FunctionalEnv."""
        return self._env.initial(key, self._params)

    def transition(self, state: Tree, action: jax.Array, key: jax.Array) -> Tree:
        """See FunctionalEnv."""
        return self._env.transition(state, action, key, self._params)

    def observation(self, state: Tree) -> jax.Array:
        """See FunctionalEnv. Of functions that draw, this and what follows draw the same each time."""
        obs = self._env.observation(state, jax.random.key(0), self._params)
        return jnp.asarray(obs).astype(self.spec.obs_dtype)

    def reward(self, state: Tree, action: jax.Array, next_state: Tree) -> jax.Array:
        """See FunctionalEnv."""
        return jnp.asarray(self._env.reward(state, action, next_state, jax.random.key(0), self._params))

    def terminal(self, state: Tree) -> jax.Array:
        """See FunctionalEnv."""
        return jnp.asarray(self._env.terminal(state, jax.random.key(0), self._params))


def functional_env(
    env_id: str, *, dtype: str = "float32", env_kwargs: Mapping[str, Any] | None = None
) -> FunctionalEnv:
    """The functional twin of an environment of Gymnasium's, by its id.

    Args:
        env_id: of classic control.
        dtype: of the state, "float32" or "float64" (Gymnasium's own).
        env_kwargs: those that Gymnasium's environment takes too, and that change how it behaves.

    Raises:
        ConfigError: it has none, or takes no such argument.
    """
    from rlpair.envs.classic_jax import CLASSIC  # which is made of what stands above

    if "phys2d" in env_id:
        why = "Gymnasium's phys2d environments are others than those of classic control: CartPole's pole weighs more"
        raise ConfigError("env", env_id, f"one of {', '.join(CLASSIC)}; {why}")
    if env_id not in CLASSIC:
        raise ConfigError("env", env_id, f"in mode=fused one of {', '.join(CLASSIC)}; mode=host trains on any")
    try:
        return CLASSIC[env_id](dtype, **(env_kwargs or {}))
    except TypeError:
        known = ", ".join(field.name for field in fields(CLASSIC[env_id])[1:]) or "none"
        raise ConfigError("env_kwargs", dict(env_kwargs or {}), f"{known}: what {env_id} takes in mode=fused") from None
