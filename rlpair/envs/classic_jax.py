"""Functional twins of Gymnasium's classic control: the same states, observations, rewards and ends.

A state is a vector of ``dtype``. What Gymnasium rounds to float32 on its way is rounded here as well. The equations are
those of gymnasium.envs.classic_control, whose docstrings name their papers.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rlpair.types import EnvSpec


@dataclass(frozen=True)
class Classic:
    """What they share."""

    dtype: str = "float32"
    spec: ClassVar[EnvSpec]
    time_limit: ClassVar[int | None]

    def observation(self, state: jax.Array) -> jax.Array:
        """The state."""
        return state.astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Never."""
        return jnp.zeros((), bool)

    def uniform(self, key: jax.Array, low: list[float], high: list[float]) -> jax.Array:
        """Independent numbers between these bounds."""
        bounds = jnp.asarray(low, self.dtype), jnp.asarray(high, self.dtype)
        return jax.random.uniform(key, (len(low),), self.dtype, *bounds)


@dataclass(frozen=True)
class CartPole(Classic):
    """CartPole-v1. State: position, its speed, the pole's angle, its speed."""

    sutton_barto_reward: bool = False
    spec = EnvSpec((4,), "float32", True, 2)
    time_limit = 500

    def initial(self, key: jax.Array) -> jax.Array:
        """All within 0.05."""
        return self.uniform(key, [-0.05] * 4, [0.05] * 4)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Euler's method, 0.02 seconds. Cart 1 kg, pole 0.1 kg and 1 m, force 10 N."""
        _, x_dot, theta, theta_dot = state
        cos, sin = jnp.cos(theta), jnp.sin(theta)
        push = (jnp.where(action == 1, 10.0, -10.0) + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        x_acc = push - 0.05 * theta_acc * cos / 1.1
        return state + 0.02 * jnp.stack([x_dot, x_acc, theta_dot, theta_acc])

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """1 for every step; with ``sutton_barto_reward`` 0, and -1 where the pole falls."""
        if self.sutton_barto_reward:
            return -self.terminal(next_state).astype(jnp.float32)
        return jnp.asarray(1.0)

    def terminal(self, state: jax.Array) -> jax.Array:
        """Off the track, or more than 12 degrees off."""
        return (jnp.abs(state[0]) > 2.4) | (jnp.abs(state[2]) > 12 * 2 * math.pi / 360)


@dataclass(frozen=True)
class Pendulum(Classic):
    """Pendulum-v1. State: angle, its speed."""

    g: float = 10.0
    spec = EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))
    time_limit = 200

    def initial(self, key: jax.Array) -> jax.Array:
        """Any angle, speed within 1."""
        return self.uniform(key, [-math.pi, -1.0], [math.pi, 1.0])

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """Semi-implicit Euler, 0.05 seconds; 1 kg, 1 m."""
        theta, theta_dot = state
        torque = (3.0 * self.torque(action)).astype(self.dtype)
        theta_dot = jnp.clip(theta_dot + (3 * self.g / 2 * jnp.sin(theta) + torque) * 0.05, -8, 8)
        return jnp.stack([theta + theta_dot * 0.05, theta_dot])

    def torque(self, action: jax.Array) -> jax.Array:
        """() float32, within 2."""
        return jnp.clip(action[0], -2, 2)

    def observation(self, state: jax.Array) -> jax.Array:
        """Cosine and sine of the angle, its speed."""
        return jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]]).astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """Minus the cost of the angle from upright, in [-pi, pi), of the speed before the step, and of the torque."""
        angle = (state[0] + math.pi) % (2 * math.pi) - math.pi
        return -(angle**2 + 0.1 * state[1] ** 2 + (0.001 * self.torque(action) ** 2).astype(self.dtype))


@dataclass(frozen=True)
class Acrobot(Classic):
    """Acrobot-v1, with the equations of Sutton and Barto's book. State: both angles, both speeds."""

    spec = EnvSpec((6,), "float32", True, 3)
    time_limit = 500

    def initial(self, key: jax.Array) -> jax.Array:
        """All within 0.1."""
        return self.uniform(key, [-0.1] * 4, [0.1] * 4).astype(jnp.float32).astype(self.dtype)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """One step of the classical Runge-Kutta method, 0.2 seconds, at a torque of -1, 0 or 1."""
        torque = (action - 1).astype(self.dtype)
        k1 = self.derivative(state, torque)
        k2 = self.derivative(state + 0.1 * k1, torque)
        k3 = self.derivative(state + 0.1 * k2, torque)
        k4 = self.derivative(state + 0.2 * k3, torque)
        theta1, theta2, speed1, speed2 = state + 0.2 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        speed1 = jnp.clip(speed1, -4 * math.pi, 4 * math.pi)
        speed2 = jnp.clip(speed2, -9 * math.pi, 9 * math.pi)
        return jnp.stack([wrap(theta1), wrap(theta2), speed1, speed2])

    def derivative(self, state: jax.Array, torque: jax.Array) -> jax.Array:
        """Of the state, (4,). Links of 1 kg and 1 m, their centres in the middle, their moments of inertia 1."""
        theta1, theta2, speed1, speed2 = state
        cos2, sin2 = jnp.cos(theta2), jnp.sin(theta2)
        d1 = 0.25 + (1 + 0.25 + cos2) + 2
        d2 = 0.25 + 0.5 * cos2 + 1
        phi2 = 0.5 * 9.8 * jnp.cos(theta1 + theta2 - math.pi / 2)
        phi1 = -0.5 * speed2**2 * sin2 - speed2 * speed1 * sin2 + 1.5 * 9.8 * jnp.cos(theta1 - math.pi / 2) + phi2
        acc2 = (torque + d2 / d1 * phi1 - 0.5 * speed1**2 * sin2 - phi2) / (1.25 - d2**2 / d1)
        acc1 = -(d2 * acc2 + phi1) / d1
        return jnp.stack([speed1, speed2, acc1, acc2])

    def observation(self, state: jax.Array) -> jax.Array:
        """Cosines and sines of the angles, both speeds."""
        angles = [jnp.cos(state[0]), jnp.sin(state[0]), jnp.cos(state[1]), jnp.sin(state[1])]
        return jnp.stack([*angles, state[2], state[3]]).astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """-1, and 0 at the end."""
        return jnp.where(self.terminal(next_state), 0.0, -1.0)

    def terminal(self, state: jax.Array) -> jax.Array:
        """The tip is above the line, one link over the base."""
        return -jnp.cos(state[0]) - jnp.cos(state[1] + state[0]) > 1


def wrap(angle: jax.Array) -> jax.Array:
    """By turns into [-pi, pi]; both ends stay."""
    turns = jnp.ceil((jnp.abs(angle) - math.pi) / (2 * math.pi))
    return angle - jnp.where(turns > 0, jnp.sign(angle) * turns * 2 * math.pi, 0)


@dataclass(frozen=True)
class MountainCar(Classic):
    """MountainCar-v0. State: position, speed."""

    goal_velocity: float = 0.0
    spec = EnvSpec((2,), "float32", True, 3)
    time_limit = 200

    def initial(self, key: jax.Array) -> jax.Array:
        """In the valley, at rest."""
        return self.uniform(key, [-0.6, 0.0], [-0.4, 0.0])

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """One step, at a force of -1, 0 or 1 thousandth."""
        position, velocity = state
        return roll(position, velocity + (action - 1) * 0.001 - jnp.cos(3 * position) * 0.0025)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """-1 for every step."""
        return jnp.asarray(-1.0)

    def terminal(self, state: jax.Array) -> jax.Array:
        """At the flag, and fast enough."""
        return (state[0] >= 0.5) & (state[1] >= self.goal_velocity)


@dataclass(frozen=True)
class MountainCarContinuous(Classic):
    """MountainCarContinuous-v0, whose state is of float32 in Gymnasium too."""

    goal_velocity: float = 0.0
    spec = EnvSpec((2,), "float32", False, 1, (-1.0,), (1.0,))
    time_limit = 999

    def initial(self, key: jax.Array) -> jax.Array:
        """In the valley, at rest."""
        return self.uniform(key, [-0.6, 0.0], [-0.4, 0.0])

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """One step, at a force of 1.5 thousandths of the action."""
        position, velocity = state
        force = jnp.clip(action[0], -1, 1) * 0.0015
        state = roll(position, velocity + force - 0.0025 * jnp.cos(3 * position))
        return state.astype(jnp.float32).astype(self.dtype)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """100 at the end, less a tenth of the action's square."""
        return jnp.where(self.terminal(next_state), 100.0, 0.0) - 0.1 * action[0] ** 2

    def terminal(self, state: jax.Array) -> jax.Array:
        """At the flag, and fast enough."""
        return (state[0] >= 0.45) & (state[1] >= self.goal_velocity)


def roll(position: jax.Array, velocity: jax.Array) -> jax.Array:
    """The mountain car's next state: speed within 0.07, position within [-1.2, 0.6], a wall at its left."""
    velocity = jnp.clip(velocity, -0.07, 0.07)
    position = jnp.clip(position + velocity, -1.2, 0.6)
    return jnp.stack([position, jnp.where((position == -1.2) & (velocity < 0), 0, velocity)])


CLASSIC: dict[str, Any] = {
    "CartPole-v1": CartPole,
    "Pendulum-v1": Pendulum,
    "Acrobot-v1": Acrobot,
    "MountainCar-v0": MountainCar,
    "MountainCarContinuous-v0": MountainCarContinuous,
}
