"""Games of pixels so small that the value of everything is known, or that a few thousand steps suffice."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

SIDE = 8


def actions(discrete: bool) -> spaces.Space[Any]:
    """Return two actions, 0 and 1, or a Box whose ends they are."""
    return spaces.Discrete(2) if discrete else spaces.Box(0.0, 1.0, (1,), np.float32)


class MovingDot(gym.Env[np.ndarray, Any]):
    """A bright pixel goes left or right, and is where it began in the first of two steps: only a stack of frames tells
    where it goes. Paid in the second step alone: 1 for the action that names the direction, 1/2 for the other.
    """

    observation_space = spaces.Box(0, 255, (SIDE, SIDE), np.uint8)

    def __init__(self, discrete: bool) -> None:
        self.action_space = actions(discrete)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.row, self.column = int(self.np_random.integers(SIDE)), int(self.np_random.integers(2, SIDE - 2))
        self.direction, self.step_count = int(self.np_random.integers(2)), 0
        return dot(self.row, self.column), {}

    def step(self, action: Any) -> Any:
        wrong = abs(float(np.asarray(action).item()) - self.direction)
        reward = 1 - wrong**2 / 2 if self.step_count else 0.0
        self.step_count += 1
        self.column += 2 * self.direction - 1
        return dot(self.row, self.column), reward, self.step_count == 2, False, {}


def dot(row: int, column: int) -> np.ndarray:
    """Return an image (SIDE, SIDE) with a bright pixel."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[row, column] = 255
    return image


class Catch(gym.Env[np.ndarray, Any]):
    """A ball falls straight down, a row a step; 1 if the paddle in the last row is below it then, else -1.

    Discrete: left, stay, right. A Box [-1, 1]: where the paddle is put, from the left end to the right.
    """

    observation_space = spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)

    def __init__(self, discrete: bool = True) -> None:
        self.action_space = spaces.Discrete(3) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.row, self.column, self.paddle = 0, int(self.np_random.integers(SIDE)), SIDE // 2
        return self.image(), {}

    def step(self, action: Any) -> Any:
        if isinstance(self.action_space, spaces.Discrete):
            self.paddle = min(max(self.paddle + int(action) - 1, 0), SIDE - 1)
        else:
            self.paddle = round((float(action[0]) + 1) / 2 * (SIDE - 1))
        self.row += 1
        is_over = self.row == SIDE - 1
        reward = (1.0 if self.paddle == self.column else -1.0) if is_over else 0.0
        return self.image(), reward, is_over, False, {}

    def image(self) -> np.ndarray:
        image = np.zeros((SIDE, SIDE, 1), np.uint8)
        image[self.row, self.column] = image[SIDE - 1, self.paddle] = 255
        return image
