"""Environments so small that the value of everything is known: each asks of an agent one thing more than the last.

All take the actions 1 and 2: Discrete, for DQN, or as points of a Box that is not symmetric, for SAC.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Probe(gym.Env[np.ndarray, Any]):
    """Episodes of ``length`` steps; a probe says what is observed and what is paid."""

    length = 1

    def __init__(self, discrete: bool) -> None:
        self.observation_space = spaces.Box(-1.0, 2.0, (1,), np.float32)
        self.action_space = spaces.Discrete(2, start=1) if discrete else spaces.Box(0.0, 3.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.step_count = 0
        return self.next_obs(), {}

    def step(self, action: Any) -> Any:
        reward = self.reward(float(np.asarray(action).item()))
        self.step_count += 1
        return self.next_obs(), reward, self.step_count == self.length, False, {}

    def next_obs(self) -> np.ndarray:
        self.state = self.observe()
        return np.array([self.state], np.float32)

    def observe(self) -> float:
        return 0.0

    def reward(self, action: float) -> float:
        return 1.0


class ConstantValue(Probe):
    """One step, always the same: can a value be fitted at all?"""


class ObservationValue(Probe):
    """The reward is what is observed, a random sign: does the value depend on it?"""

    def observe(self) -> float:
        return float(self.np_random.choice([-1.0, 1.0]))

    def reward(self, action: float) -> float:
        return self.state


class Discounting(Probe):
    """Two steps, paid after the second: does the value flow back, discounted, and stop where the episode terminates?"""

    length = 2

    def observe(self) -> float:
        return float(self.step_count)

    def reward(self, action: float) -> float:
        return self.state


class ActionChoice(Probe):
    """2 is the best action: are the actions told apart, and the better one chosen?"""

    def reward(self, action: float) -> float:
        return 1 - (action - 2) ** 2 / 2


class ActionGivenObservation(ObservationValue):
    """1 is the best action where -1 is observed, and 2 where 1 is: does the choice depend on the observation?"""

    def reward(self, action: float) -> float:
        return 1 - (action - 1.5 - self.state / 2) ** 2 / 2


class TimeLimit(Probe):
    """Paid in every step, truncated after the first: does the value go on beyond a time limit?"""

    def step(self, action: Any) -> Any:
        obs, reward, ended, _, info = super().step(action)
        return obs, reward, False, ended, info
