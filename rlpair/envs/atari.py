"""Atari's games as the literature plays them (Mnih et al. 2015, Machado et al. 2018), by Gymnasium's own wrappers.

A step is four frames of the game, of which the last two are put together; 84 x 84 grey, the last four steps stacked.
Sticky actions are the id's: 0.25 in ALE/NAME-v5, none in NAMENoFrameskip-v4.
"""

from typing import Any

import gymnasium as gym
from gymnasium.wrappers import AtariPreprocessing, ClipReward

from rlpair.envs.frames import StackFrames

EVERY_FRAME = {"frameskip": 1}  # of the environment beneath: AtariPreprocessing skips


class SeededEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Seeds every episode, by the environment's generator where no seed is given.

    The emulator's own generator, of the sticky actions, goes on from game to game, as do parts of its memory: without
    this an episode could not be played again. To seed is to load the game anew, a tenth of a second an episode.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env."""
        own = int(self.unwrapped.np_random.integers(2**31)) if seed is None else seed
        return self.env.reset(seed=own, options=options)


def wrap(env: gym.Env[Any, Any], *, training: bool, terminal_on_life_loss: bool = False) -> gym.Env[Any, Any]:
    """(84, 84, 4) uint8. Training sees rewards clipped to [-1, 1]; evaluation the game's own score, of whole games.

    ``terminal_on_life_loss`` is of training alone: a lost life ends the episode there, and a new game begins.
    """
    lives = training and terminal_on_life_loss
    seen = StackFrames(AtariPreprocessing(SeededEpisodes(env), terminal_on_life_loss=lives), 4)
    return ClipReward(seen, -1, 1) if training else seen
