"""Environments of images with known pixels, registered as pixels/...: what tests of stacked frames run on."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Clock(gym.Env[np.ndarray, Any]):
    """Every pixel is the number of steps so far in an episode that starts at 10; over at 15."""

    action_space = spaces.Discrete(2)

    def __init__(self, shape: tuple[int, ...] = (4, 5)) -> None:
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.count = 10
        return self._obs(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.count += 1
        return self._obs(), 0.0, self.count == 15, False, {}

    def _obs(self) -> np.ndarray:
        shape = self.observation_space.shape
        assert shape is not None
        return np.full(shape, self.count, np.uint8)
