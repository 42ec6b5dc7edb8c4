"""Twins of Gymnasium's classic control tasks as pure functions, equal to them step by step.

All are for one environment and implement functional_jax.FunctionalEnv. A state is a vector of the environment's dtype:
in float64 it equals Gymnasium's to 1e-12, in float32 to rounding. Observations and rewards are float32 in either.
The order of terms is Gymnasium's, and so is what it computes in float32: products of an action with a constant.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rlpair.errors import ConfigError
from rlpair.types import EnvSpec


class Classic:
    """What the tasks share: settings by ``gymnasium.make``'s keyword arguments, and the plainest observation."""

    env_id: ClassVar[str]
    steps: ClassVar[int]  # of an episode, where no max_episode_steps is given
    spec: ClassVar[EnvSpec]
    settings: ClassVar[dict[str, Any]] = {}  # and their defaults

    def __init__(self, dtype: str, env_kwargs: Mapping[str, Any]) -> None:
        """Keep settings and the state's ``dtype``. Raises ConfigError for a key of ``env_kwargs`` that there is not."""
        for key, value in env_kwargs.items():
            if key not in (known := ("max_episode_steps", *self.settings)):
                raise ConfigError(f"env_kwargs.{key}", value, f"the compiled {self.env_id} takes {', '.join(known)}")
        self.dtype = dtype
        self.settings = {**self.settings, **env_kwargs}  # type: ignore[misc] # an instance has values of its own
        self.time_limit: int | None = _time_limit(self.settings.pop("max_episode_steps", None), self.steps)

    def observation(self, state: jax.Array) -> jax.Array:
        """Return the observation, (*obs_shape,) float32."""
        return state.astype(jnp.float32)


def _time_limit(given: Any, default: int) -> int | None:
    """Read max_episode_steps as ``gymnasium.make`` does: None is the task's own, -1 is none."""
    if given is None or given == -1:
        return default if given is None else None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ConfigError("env_kwargs.max_episode_steps", given, "a whole number from 1, or -1 for no limit")
    return given


class CartPole(Classic):
    """CartPole-v1. State: x, x_dot, theta, theta_dot."""

    env_id, steps = "CartPole-v1", 500
    spec = EnvSpec((4,), "float32", True, 2)
    settings: ClassVar[dict[str, Any]] = {"sutton_barto_reward": False}

    def initial(self, key: jax.Array) -> jax.Array:
        """Draw the first state, (4,)."""
        return jax.random.uniform(key, (4,), self.dtype, -0.05, 0.05)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Make a step of Euler's method, 0.02 s: (4,)."""
        _, x_dot, theta, theta_dot = state
        mass, pole_mass, length = 1.0 + 0.1, 0.1, 0.5  # of cart and pole, of the pole; half the pole's length
        pole_moment = pole_mass * length
        force = jnp.where(action == 1, 10.0, -10.0)
        cos, sin = jnp.cos(theta), jnp.sin(theta)
        push = (force + pole_moment * theta_dot**2 * sin) / mass
        theta_acc = (9.8 * sin - cos * push) / (length * (4 / 3 - pole_mass * cos**2 / mass))
        x_acc = push - pole_moment * theta_acc * cos / mass
        return state + 0.02 * jnp.stack([x_dot, x_acc, theta_dot, theta_acc])

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Return the reward, ()."""
        if self.settings["sutton_barto_reward"]:
            return jnp.where(self.terminal(next_state), jnp.float32(-1), jnp.float32(0))
        return jnp.ones((), jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Return whether the episode has ended, ()."""
        return (jnp.abs(state[0]) > 2.4) | (jnp.abs(state[2]) > 12 * 2 * math.pi / 360)


class Pendulum(Classic):
    """Pendulum-v1. State: theta, theta_dot."""

    env_id, steps = "Pendulum-v1", 200
    spec = EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))
    settings: ClassVar[dict[str, Any]] = {"g": 10.0}

    def initial(self, key: jax.Array) -> jax.Array:
        """Draw the first state, (2,)."""
        high = jnp.array([math.pi, 1.0], self.dtype)
        return jax.random.uniform(key, (2,), self.dtype, -high, high)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Make a step of 0.05 s: (2,)."""
        theta, theta_dot = state
        torque = (3.0 * jnp.clip(action[0], -2.0, 2.0)).astype(self.dtype)
        theta_dot = theta_dot + (3 * self.settings["g"] / 2 * jnp.sin(theta) + torque) * 0.05
        theta_dot = jnp.clip(theta_dot, -8.0, 8.0)
        return jnp.stack([theta + theta_dot * 0.05, theta_dot])

    def observation(self, state: jax.Array) -> jax.Array:
        """Return the observation, (3,)."""
        theta, theta_dot = state
        return jnp.stack([jnp.cos(theta), jnp.sin(theta), theta_dot]).astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Return the reward, ()."""
        angle = (state[0] + math.pi) % (2 * math.pi) - math.pi
        cost = angle**2 + 0.1 * state[1] ** 2 + 0.001 * jnp.clip(action[0], -2.0, 2.0) ** 2
        return -cost.astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Return whether the episode has ended, ()."""
        return jnp.zeros((), bool)


class Acrobot(Classic):
    """Acrobot-v1, by the book's equations. State: theta1, theta2, theta1_dot, theta2_dot."""

    env_id, steps = "Acrobot-v1", 500
    spec = EnvSpec((6,), "float32", True, 3)

    def initial(self, key: jax.Array) -> jax.Array:
        """Draw a state, (4,), of float32's values."""
        return to_float32(jax.random.uniform(key, (4,), self.dtype, -0.1, 0.1))

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Make a step of the classical Runge-Kutta method, 0.2 s: (4,)."""
        torque = (action - 1).astype(self.dtype)
        k1 = self._velocity(state, torque)
        k2 = self._velocity(state + 0.1 * k1, torque)
        k3 = self._velocity(state + 0.1 * k2, torque)
        k4 = self._velocity(state + 0.2 * k3, torque)
        theta1, theta2, dot1, dot2 = state + 0.2 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        dot1 = jnp.clip(dot1, -4 * math.pi, 4 * math.pi)
        dot2 = jnp.clip(dot2, -9 * math.pi, 9 * math.pi)
        return jnp.stack([_wrap(theta1), _wrap(theta2), dot1, dot2])

    def observation(self, state: jax.Array) -> jax.Array:
        """Return the observation, (6,)."""
        theta1, theta2, dot1, dot2 = state
        waves = [jnp.cos(theta1), jnp.sin(theta1), jnp.cos(theta2), jnp.sin(theta2)]
        return jnp.stack([*waves, dot1, dot2]).astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Return the reward, ()."""
        return jnp.where(self.terminal(next_state), jnp.float32(0), jnp.float32(-1))

    def terminal(self, state: jax.Array) -> jax.Array:
        """Return whether the episode has ended, ()."""
        return -jnp.cos(state[0]) - jnp.cos(state[1] + state[0]) > 1.0

    def _velocity(self, state: jax.Array, torque: jax.Array) -> jax.Array:
        """Return the state's change, (4,): links of mass, length, moment of inertia 1, their mass at the middle."""
        theta1, theta2, dot1, dot2 = state
        cos2, sin2 = jnp.cos(theta2), jnp.sin(theta2)
        d1 = 0.25 + (1.25 + cos2) + 2.0
        d2 = 0.25 + 0.5 * cos2 + 1.0
        phi2 = 0.5 * 9.8 * jnp.cos(theta1 + theta2 - math.pi / 2)
        phi1 = -0.5 * dot2**2 * sin2 - 1.0 * dot2 * dot1 * sin2 + 1.5 * 9.8 * jnp.cos(theta1 - math.pi / 2) + phi2
        acc2 = (torque + d2 / d1 * phi1 - 0.5 * dot1**2 * sin2 - phi2) / (1.25 - d2**2 / d1)
        acc1 = -(d2 * acc2 + phi1) / d1
        return jnp.stack([dot1, dot2, acc1, acc2])


class MountainCar(Classic):
    """MountainCar-v0. State: position, velocity."""

    env_id, steps = "MountainCar-v0", 200
    spec = EnvSpec((2,), "float32", True, 3)
    settings: ClassVar[dict[str, Any]] = {"goal_velocity": 0}

    def initial(self, key: jax.Array) -> jax.Array:
        """Draw the first state, (2,)."""
        return _valley(key, self.dtype)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Make a step: (2,)."""
        position, velocity = state
        velocity = velocity + ((action - 1).astype(self.dtype) * 0.001 + jnp.cos(3 * position) * -0.0025)
        velocity = jnp.clip(velocity, -0.07, 0.07)
        position = jnp.clip(position + velocity, -1.2, 0.6)
        velocity = jnp.where((position == -1.2) & (velocity < 0), 0.0, velocity)
        return jnp.stack([position, velocity])

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Return the reward, ()."""
        return -jnp.ones((), jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Return whether the episode has ended, ()."""
        return (state[0] >= 0.5) & (state[1] >= self.settings["goal_velocity"])


class MountainCarContinuous(Classic):
    """MountainCarContinuous-v0. State: position, velocity.

    Gymnasium keeps the state of a reset in float64 and each later one in float32, and computes with what it has.
    """

    env_id, steps = "MountainCarContinuous-v0", 999
    spec = EnvSpec((2,), "float32", False, 1, (-1.0,), (1.0,))
    settings: ClassVar[dict[str, Any]] = {"goal_velocity": 0}

    def initial(self, key: jax.Array) -> jax.Array:
        """Draw the first state, (2,)."""
        return _valley(key, self.dtype)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Make a step: (2,), of float32's values. A position that float32 does not have is one of a reset."""
        position, velocity = state
        of_step = position == to_float32(position)

        def kept(x: jax.Array | float) -> jax.Array:
            x = jnp.asarray(x, self.dtype)
            return jnp.where(of_step, to_float32(x), x)

        force = (jnp.clip(action[0], -1.0, 1.0) * 0.0015).astype(self.dtype)
        slope = to_float32(0.0025 * jnp.cos(kept(3 * position)))
        velocity = kept(velocity + to_float32(force - slope))
        velocity = jnp.clip(velocity, kept(-0.07), kept(0.07))
        position = jnp.clip(kept(position + velocity), kept(-1.2), kept(0.6))
        velocity = jnp.where((position == kept(-1.2)) & (velocity < 0), 0.0, velocity)
        return to_float32(jnp.stack([position, velocity]))

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Return the reward, ()."""
        bonus = jnp.where(self.terminal(next_state), 100.0, 0.0)
        return (bonus - action[0].astype(self.dtype) ** 2 * 0.1).astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Return whether the episode has ended, ()."""
        position, velocity = state.astype(jnp.float32)
        return (position >= 0.45) & (velocity >= self.settings["goal_velocity"])


def to_float32(x: jax.Array) -> jax.Array:
    """Round to the nearest of float32's values, in the dtype of ``x``. (XLA may leave out a cast and back.)"""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=23)


def _valley(key: jax.Array, dtype: str) -> jax.Array:
    """Draw a position at the bottom of the valley, at rest: (2,)."""
    position = jax.random.uniform(key, (), dtype, -0.6, -0.4)
    return jnp.stack([position, jnp.zeros((), dtype)])


def _wrap(angle: jax.Array) -> jax.Array:
    """Turn an angle into [-pi, pi], by whole turns; both bounds stay as they are."""
    turns = jnp.ceil((jnp.abs(angle) - math.pi) / (2 * math.pi))
    return angle - jnp.sign(angle) * jnp.maximum(turns, 0.0) * (2 * math.pi)


CLASSIC: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {
    task.env_id: task for task in (CartPole, Pendulum, Acrobot, MountainCar, MountainCarContinuous)
}


def make(env_id: str, dtype: str, env_kwargs: Mapping[str, Any]) -> Any:
    """Return the task of an id. Raises ConfigError for an argument that it does not take."""
    return CLASSIC[env_id](dtype, env_kwargs)
