"""gymnax's environments as functional environments: ``gymnax/NAME``."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnax.environments.spaces import gymnax_space_to_gym_space

from rlpair.envs.functional_jax import FunctionalEnv, Outcome, OutcomeEnv, Tree
from rlpair.envs.spec import spec_of_spaces
from rlpair.envs.sticky_jax import StickyActions
from rlpair.errors import ConfigError, EnvError

LIMIT, STICKY, PLANES = "max_steps_in_episode", "sticky_action_prob", "-MinAtar"
TIMED = {"DiscountingChain-bsuite": "its observation is the part of the time limit that has passed"}


class GymnaxEnv(OutcomeEnv):
    """An environment of gymnax, by its ``step_env``, whose params let it run on: the time limit is held here.

    Observations of MinAtar are planes of bools, (H, W, C); those of others are flattened, (size,) float32.
    """

    def __init__(self, env: Any, params: Any) -> None:
        """Wrap an environment of gymnax. Raises EnvError where its spaces are none that can be learned from."""
        obs_space, action_space = env.observation_space(params), env.action_space(params)
        if not (shape := getattr(obs_space, "shape", ())):
            raise EnvError(f"env=gymnax/{env.name}: its observations are no array: give one whose space is a Box")
        self.time_limit = int(getattr(params, LIMIT))
        self.env, self.params = env, params.replace(**{LIMIT: np.iinfo(np.int32).max})
        self.action_shape = action_space.shape
        flat = spaces.Box(-np.inf, np.inf, (int(np.prod(shape)),), np.float32)
        self.spec = spec_of_spaces(flat, gymnax_space_to_gym_space(action_space))
        if env.name.endswith(PLANES):
            self.spec = self.spec._replace(obs_shape=tuple(shape), obs_dtype="bool")
        # One shape and dtype for a state, be it of a reset, which has plain numbers in it, or of a step
        key, action = jax.random.key(0), jnp.zeros(self.action_shape, "int32" if self.spec.discrete else "float32")
        with no_scatter_warning():
            _, begun = jax.eval_shape(env.reset_env, key, self.params)
            stepped = jax.eval_shape(env.step_env, key, begun, action, self.params)[1]
        self._like = jax.tree.map(lambda a, b: (a.shape, jnp.promote_types(a.dtype, b.dtype)), begun, stepped)

    def initial(self, key: jax.Array) -> Outcome:
        """Return a state in which an episode begins."""
        with no_scatter_warning():
            obs, state = self.env.reset_env(key, self.params)
        return self._outcome(state, obs, 0.0, False)

    def transition(self, state: Outcome, action: jax.Array, key: jax.Array) -> Outcome:
        """Return the state that follows."""
        action = action.reshape(self.action_shape)
        with no_scatter_warning():
            obs, successor, reward, terminal, _ = self.env.step_env(key, state.inner, action, self.params)
        return self._outcome(successor, obs, reward, terminal)

    def _outcome(self, state: Tree, obs: Any, reward: Any, terminal: Any) -> Outcome:
        state = jax.tree.map(lambda x, like: jnp.asarray(x, like[1]).reshape(like[0]), state, self._like)
        obs = jnp.asarray(obs, self.spec.obs_dtype).reshape(self.spec.obs_shape)
        return Outcome(
            state, obs, jnp.asarray(reward, jnp.float32).reshape(()), jnp.asarray(terminal, bool).reshape(())
        )


@contextmanager
def no_scatter_warning() -> Iterator[None]:
    """Keep silent about numbers that MinAtar's games write into planes of bools, which a later JAX will refuse."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "scatter inputs have incompatible types", FutureWarning)
        yield


def make(env_id: str, dtype: str, env_kwargs: Mapping[str, Any]) -> FunctionalEnv:
    """Make the environment ``gymnax/NAME``.

    Args:
        env_id: with a name of gymnax's registry.
        dtype: float32.
        env_kwargs: fields of its params, ``max_steps_in_episode`` among them; of MinAtar's games too
            ``sticky_action_prob``: 0 if it is not given, as in gymnax; published is 0.1.

    Raises:
        ConfigError, EnvError: there is none of that name, it has no such field, or cannot be learned here.
    """
    name = env_id.removeprefix("gymnax/")
    known = [key for key in gymnax.registered_envs if key not in TIMED]
    if name not in known:
        why = f"; {name}: {TIMED[name]}" if name in TIMED else ""
        raise ConfigError("env", f"gymnax/{name}", f"gymnax has {', '.join(known)}{why}")
    env, params = gymnax.make(name)
    fields = [field.name for field in dataclasses.fields(params)] + [STICKY] * name.endswith(PLANES)
    for key, value in env_kwargs.items():
        if key not in fields:
            raise ConfigError(f"env_kwargs.{key}", value, f"gymnax/{name} takes {', '.join(fields)}")
    own = dict(env_kwargs)
    sticky = own.pop(STICKY, 0.0)
    if not isinstance(sticky, float | int) or not 0 <= sticky < 1:
        raise ConfigError(f"env_kwargs.{STICKY}", sticky, "a probability from 0 to below 1")
    params = params.replace(**own)
    if getattr(params, LIMIT) < 1:
        raise ConfigError(f"env_kwargs.{LIMIT}", getattr(params, LIMIT), "a whole number of steps, from 1")
    compiled = GymnaxEnv(env, params)
    return StickyActions(compiled, sticky) if sticky else compiled
