"""Environments as pure JAX functions: their protocol, resets and steps of one of them, and environments by id.

The functions are those of Gymnasium's experimental FuncEnv. Here is added what training needs: the time limit, and a
reset in the very step that ends an episode. All is written for one environment: callers vmap it.
"""

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from gymnasium.experimental.functional import FuncEnv

from rlpair.envs.families import find, functional_ids
from rlpair.envs.spec import is_flattened, one_line, spec_of_spaces
from rlpair.errors import ConfigError, EnvError, MissingExtraError, check_one_of
from rlpair.types import DTYPES, EnvSpec

Tree = Any  # a pytree of arrays


class FunctionalEnv(Protocol):
    """An environment without memory: its state is a value that goes in and comes out.

    An action is () int32, numbered from ``spec.action_start``, or (action_dim,) float32 within the box.
    """

    @property
    def spec(self) -> EnvSpec:
        """What a learner may know of it."""
        ...

    @property
    def time_limit(self) -> int | None:
        """Steps after which an episode is truncated; None: never."""
        ...

    def initial(self, key: jax.Array) -> Tree:
        """Return a state in which an episode begins."""
        ...

    def transition(self, state: Tree, action: jax.Array, key: jax.Array) -> Tree:
        """Return the state that follows."""
        ...

    def observation(self, state: Tree) -> jax.Array:
        """Return the observation, (*obs_shape,) of the dtype ``spec.obs_dtype``."""
        ...

    def reward(self, state: Tree, action: jax.Array, next_state: Tree) -> jax.Array:
        """Return the reward, () float32, of the transition from ``state`` to ``next_state``."""
        ...

    def terminal(self, state: Tree) -> jax.Array:
        """Return whether the episode has ended, () bool."""
        ...


class EnvState(NamedTuple):
    """Where an episode stands."""

    state: Tree
    steps: jax.Array  # () int32, since the episode began


class FunctionalStep(NamedTuple):
    """What a step did."""

    next_obs: jax.Array  # (*obs_shape,) the true successor, never the observation of a reset
    reward: jax.Array  # () float32
    terminated: jax.Array  # () bool
    truncated: jax.Array  # () bool: the time limit is reached, as in Gymnasium also where the episode terminated
    obs: jax.Array  # (*obs_shape,) where the next action is taken: that of the reset where the episode ended


def reset(env: FunctionalEnv, key: jax.Array, initial: Tree | None = None) -> tuple[EnvState, jax.Array]:
    """Begin an episode, in ``initial`` if that is given: returns its state and observation."""
    state = env.initial(key) if initial is None else initial
    return EnvState(state, jnp.zeros((), jnp.int32)), env.observation(state)


def step(
    env: FunctionalEnv, state: EnvState, action: jax.Array, key: jax.Array, initial: Tree | None = None
) -> tuple[EnvState, FunctionalStep]:
    """Make one transition, and where it ends the episode the reset too, in ``initial`` if that is given."""
    transition_key, reset_key = jax.random.split(key)
    successor = env.transition(state.state, action, transition_key)
    steps = state.steps + 1
    terminated = env.terminal(successor)
    truncated = jnp.zeros((), bool) if env.time_limit is None else steps >= env.time_limit
    ended = terminated | truncated

    next_obs = env.observation(successor)
    start, start_obs = reset(env, reset_key, initial)
    reached = jax.tree.map(partial(jnp.where, ended), start, EnvState(successor, steps))
    reward = env.reward(state.state, action, successor).astype(jnp.float32)
    return reached, FunctionalStep(next_obs, reward, terminated, truncated, jnp.where(ended, start_obs, next_obs))


def functional_env(
    env_id: str, *, dtype: str = "float32", env_kwargs: Mapping[str, Any] | None = None
) -> FunctionalEnv:
    """Make the environment of an id functional, as its family does: a classic control task, ``gymnax/NAME`` ...

    Args:
        env_id: names it; "module:id" imports the module first.
        dtype: of the state and its arithmetic; "float64" wants ``jax.enable_x64``, and the classic control tasks.
        env_kwargs: as ``gymnasium.make`` takes them; of gymnax its params, of brax its environment's arguments.

    Raises:
        ConfigError, MissingExtraError: one line says what cannot be used and what can.
    """
    check_one_of("dtype", dtype, DTYPES)
    family, name = find(env_id), env_id.rpartition(":")[2]
    if family.functional is None:
        raise ConfigError("env", env_id, _allowed(env_id))
    if dtype not in family.dtypes:
        raise ConfigError("dtype", dtype, f"{name} computes in {' and '.join(family.dtypes)}")
    env: FunctionalEnv = _import(family.functional, env_id).make(name, dtype, dict(env_kwargs or {}))
    return env


def _allowed(env_id: str) -> str:
    *others, last = functional_ids()
    allowed = f"compiled environments are {', '.join(others)} and {last}"
    phys2d = "phys2d's CartPole is another MDP (its pole mass-length is 0.6 instead of 0.05), no twin of CartPole-v1"
    return f"{allowed}; {phys2d}" if "phys2d" in env_id else allowed


def _import(functional: str, env_id: str) -> Any:
    module = f"{functional}_jax"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "rlpair":
            raise
        if f"{module}.".startswith(f"{error.name}."):
            raise EnvError(f"env={env_id} is said to be compiled by {module}, and there is no such module") from error
        family = find(env_id)
        install = family.install if family.extra or family.package else f"pip install {error.name}"
        raise MissingExtraError(f"env={env_id} needs {error.name}, which is not installed: {install}") from error


# Environments whose step tells all at once, or that draw more than a transition


class Outcome(NamedTuple):
    """A state together with what the step into it told."""

    inner: Tree
    obs: jax.Array  # (*obs_shape,)
    reward: jax.Array  # () float32
    terminal: jax.Array  # () bool


class OutcomeEnv:
    """The part of the protocol that reads off an Outcome, for environments whose state is one."""

    def observation(self, state: Outcome) -> jax.Array:
        """Return the observation, (*obs_shape,)."""
        return state.obs

    def reward(self, state: Outcome, action: jax.Array, next_state: Outcome) -> jax.Array:
        """Return the reward, ()."""
        return next_state.reward

    def terminal(self, state: Outcome) -> jax.Array:
        """Return whether the episode has ended, ()."""
        return state.terminal


class FuncEnvAdapter(OutcomeEnv):
    """A FuncEnv as a FunctionalEnv. Its observation, reward and terminal may draw, so they are asked once a step."""

    def __init__(self, func_env: FuncEnv[Any, Any, Any, Any, Any, Any, Any], time_limit: int | None) -> None:
        """Wrap ``func_env``: an instance, not transformed."""
        obs_space = func_env.observation_space
        if is_flattened(obs_space):
            name = type(func_env).__name__
            raise EnvError(f"env={name}: observations {one_line(obs_space)} are not compiled: give a Box with a shape")
        self.func_env, self.time_limit = func_env, time_limit
        self.params = func_env.get_default_params()
        self.spec = spec_of_spaces(obs_space, func_env.action_space)

    def initial(self, key: jax.Array) -> Outcome:
        """Return a state in which an episode begins."""
        state_key, obs_key, terminal_key = jax.random.split(key, 3)
        state = self.func_env.initial(state_key, self.params)
        return self._outcome(state, jnp.zeros(()), obs_key, terminal_key)

    def transition(self, state: Outcome, action: jax.Array, key: jax.Array) -> Outcome:
        """Return the state that follows."""
        state_key, reward_key, obs_key, terminal_key = jax.random.split(key, 4)
        if not self.spec.discrete:
            action = action.reshape(self.func_env.action_space.shape)
        successor = self.func_env.transition(state.inner, action, state_key, self.params)
        reward = self.func_env.reward(state.inner, action, successor, reward_key, self.params)
        return self._outcome(successor, reward, obs_key, terminal_key)

    def _outcome(self, state: Tree, reward: jax.Array, obs_key: jax.Array, terminal_key: jax.Array) -> Outcome:
        obs = self.func_env.observation(state, obs_key, self.params)
        terminal = self.func_env.terminal(state, terminal_key, self.params)
        return Outcome(
            state,
            jnp.asarray(obs, self.spec.obs_dtype),
            jnp.asarray(reward, jnp.float32),
            jnp.asarray(terminal, bool),
        )


def from_func_env(func_env: FuncEnv[Any, Any, Any, Any, Any, Any, Any], time_limit: int | None = None) -> FunctionalEnv:
    """Make an environment of your own ``gymnasium.experimental.functional.FuncEnv``, with its default params.

    Args:
        func_env: an instance; ``transform`` is never called.
        time_limit: steps after which an episode is truncated; None: never.

    Raises:
        EnvError: no algorithm here can learn it: its spaces are of another kind, empty, or without bounds.
    """
    return FuncEnvAdapter(func_env, time_limit)
