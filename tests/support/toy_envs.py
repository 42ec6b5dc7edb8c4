"""Small environments with known answers, registered as toy/...: what the tests of the frame run on."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Counter(gym.Env[np.ndarray, Any]):
    """Counts from a random start; over at 10 or beyond, and cut by the time limit: now one, now the other, now both.

    obs: (count, step). reward: the count. Each step adds the action plus one.
    """

    action_space = spaces.Discrete(3)
    observation_space = spaces.Box(0, 100, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.count, self.steps = int(self.np_random.integers(6)), 0
        return self._obs(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.count, self.steps = self.count + self._increment(action), self.steps + 1
        return self._obs(), float(self.count), self.count >= 10, False, {}

    def _increment(self, action: Any) -> int:
        return int(action) + 1

    def _obs(self) -> np.ndarray:
        return np.array([self.count, self.steps], np.float32)


class InPlaceCounter(Counter):
    """Hands out one array, and writes into it."""

    def __init__(self) -> None:
        self.array = np.zeros(2, np.float32)

    def _obs(self) -> np.ndarray:
        self.array[:] = self.count, self.steps
        return self.array


class BoxCounter(Counter):
    """Adds the rounded sum of a (2, 2) action of float64, and asserts that it is one."""

    action_space: Any = spaces.Box(0.1, np.array([[0.3, 0.7], [1.1, 1.3]]), (2, 2), np.float64)

    def _increment(self, action: Any) -> int:
        assert self.action_space.contains(action), action
        return round(float(action.sum()))


class StartAtMinusOne(Counter):
    """The actions are -1, 0 and 1."""

    action_space = spaces.Discrete(3, start=-1)

    def _increment(self, action: Any) -> int:
        assert self.action_space.contains(action), action
        return int(action) + 2


class Mixed(Counter):
    """The same count, as a Dict of everything that Gymnasium flattens."""

    observation_space: Any = spaces.Dict(
        count=spaces.Box(0, 100, (1,), np.float64),
        parity=spaces.Discrete(2),
        rest=spaces.Tuple((spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3]))),
    )

    def _obs(self) -> Any:
        bits = np.array([self.count > 3, self.count > 6], np.int8)
        digits = np.array([self.steps % 2, self.count % 3])
        return {"count": np.array([self.count], np.float64), "parity": np.int64(self.count % 2), "rest": (bits, digits)}


class Poisoned(Counter):
    """From the third step on, a reward or an observation is ``value``."""

    def __init__(self, where: str, value: float) -> None:
        self.where, self.value = where, value

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        obs, reward, terminated, truncated, info = super().step(action)
        if self.steps >= 3:
            obs, reward = (
                (obs, self.value) if self.where == "reward" else (np.array([0, self.value], np.float32), reward)
            )
        return obs, reward, terminated, truncated, info


class Hidden(Counter):
    """Random in a way that Gymnasium does not know of: in its observations or in its rewards."""

    def __init__(self, where: str = "observation") -> None:
        self.where, self.rng = where, np.random.default_rng()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward + self.rng.random() * (self.where == "reward"), terminated, truncated, info

    def _obs(self) -> np.ndarray:
        return super()._obs() + np.array([self.rng.random() * (self.where == "observation"), 0], np.float32)


class MersenneCounter(Counter):
    """Has put a generator of another kind in the place of Gymnasium's."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        if seed is not None:
            self.np_random = np.random.Generator(np.random.MT19937(seed))
        return super().reset()


class Paying(gym.Env[np.ndarray, Any]):
    """Four steps, which pay 1, 2, 3 and 4 whatever is done. obs: (count, a random number of the episode)."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it
    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(0, 4, (2,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.count, self.luck = 0, self.np_random.random()
        return np.array([0, self.luck], np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.count += 1
        return np.array([self.count, self.luck], np.float32), float(self.count), self.count == 4, False, {}

    def render(self) -> np.ndarray:
        return np.full((32, 32, 3), 60 * self.count, np.uint8)


class Picky(Counter):
    """Accepts sizes of 1 to 5."""

    def __init__(self, size: int = 1) -> None:
        assert 1 <= size <= 5, f"size is {size}, and has to be\n  1 to 5"


for name in ("Counter", "BoxCounter", "StartAtMinusOne", "Mixed", "Hidden", "MersenneCounter"):
    gym.register(f"toy/{name}-v0", f"toy_envs:{name}", max_episode_steps=5)
gym.register("toy/InPlaceCounter-v0", "toy_envs:InPlaceCounter", max_episode_steps=5, disable_env_checker=True)
gym.register("toy/Poisoned-v0", "toy_envs:Poisoned", disable_env_checker=True)
gym.register("toy/Picky-v0", "toy_envs:Picky")
gym.register("toy/NeedsOther-v0", "not_there:Env")
