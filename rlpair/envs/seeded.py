"""Environments whose chance Gymnasium does not see: seeded episode by episode, by the generator that it does see."""

from typing import Any

import gymnasium as gym


class SeededEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Begins every episode of the environment with a seed of its own, which its ``np_random`` draws.

    For one that has chance of its own, which goes on from episode to episode: so each can be played again.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env."""
        bare = self.unwrapped
        if seed is not None:
            gym.Env.reset(bare, seed=seed)  # which not every environment does by itself
        generator = bare.np_random
        result = self.env.reset(seed=int(generator.integers(2**31)), options=options)
        bare.np_random = generator  # it goes on; the seed is of one episode
        return result
