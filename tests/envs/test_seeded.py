"""Episodes that are seeded one by one, by the generator that Gymnasium knows."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlpair.envs.seeded import SeededEpisodes


class Legacy(gym.Env[np.ndarray, Any]):
    """Has numpy's old generator, which only a seed resets, and does not tell Gymnasium of the seed."""

    observation_space, action_space = spaces.Box(0, 1, (1,)), spaces.Discrete(1)

    def __init__(self) -> None:
        self.random, self.seeds = np.random.RandomState(0), []  # type: ignore[var-annotated]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.seeds.append(seed)
        self.random.seed(seed)
        return self.random.rand(1).astype(np.float32), {}


class Emulator(Legacy):
    """Like that, and gives itself a generator of the seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        gym.Env.reset(self, seed=seed)
        return super().reset(seed=seed)


def seeds_of(kind: type[Legacy], first: int, episodes: int) -> list[int]:
    env = SeededEpisodes(kind())
    for episode in range(episodes):
        env.reset(seed=first if episode == 0 else None)
    return env.unwrapped.seeds  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [Legacy, Emulator])
def test_every_episode_has_a_seed_of_its_own(kind: type[Legacy]) -> None:
    assert seeds_of(kind, 3, 5) == np.random.Generator(np.random.PCG64(3)).integers(2**31, size=5).tolist()
    assert len(set(seeds_of(kind, 4, 1_000))) == 1_000


def test_the_generator_tells_the_episodes_that_follow() -> None:
    """What an EpisodeTape relies on: its state before an episode, put back, begins the same one."""
    env: Any = SeededEpisodes(Legacy())
    env.reset(seed=0)
    state = env.unwrapped.np_random.bit_generator.state
    first = env.reset()[0]
    env.reset()
    env.unwrapped.np_random.bit_generator.state = state
    np.testing.assert_array_equal(env.reset()[0], first)
