"""MinAtar's games on the host (Young & Tian 2019): ``MinAtar/NAME-v1``, planes of bools, (10, 10, C).

Sticky actions are MinAtar's own, ``sticky_action_prob`` 0.1 as published; env_kwargs may say otherwise.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from rlpair.envs.seeded import SeededEpisodes

SIDE, FPS = 16, 10  # of a film: pixels of a cell, steps a second
UNCHECKED = {"disable_env_checker": True}  # which warns of what Picture mends


class Picture(gym.Wrapper[Any, Any, Any, Any]):
    """Renders pixels, (H, W, 3) uint8, where MinAtar has a number in [0, 1] for each cell."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.metadata = {**env.metadata, "render_fps": FPS}

    def render(self) -> Any:
        """See gymnasium.Env."""
        cells = np.asarray(self.env.render()) * 255  # (10, 10, 3)
        return cells.round().astype(np.uint8).repeat(SIDE, axis=0).repeat(SIDE, axis=1)


def wrap(env: gym.Env[Any, Any], *, training: bool) -> gym.Env[Any, Any]:
    """Return the same in training and evaluation: each episode can be played again, and filmed."""
    return Picture(SeededEpisodes(env))
