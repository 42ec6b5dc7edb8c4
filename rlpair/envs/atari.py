"""Atari's games as the literature plays them (Mnih et al. 2015, Machado et al. 2018), by Gymnasium's own wrappers.

A step is four frames of the game, of which the last two are put together; 84 x 84 grey, the last four steps stacked.
Sticky actions are the id's: 0.25 in ALE/NAME-v5, none in NAMENoFrameskip-v4. The emulator draws them, and parts of its
memory outlive a game: each begins with a seed, for which it loads the game anew, a tenth of a second an episode.
"""

from typing import Any

import gymnasium as gym
from gymnasium.wrappers import AtariPreprocessing, ClipReward

from rlpair.envs.frames import StackFrames
from rlpair.envs.seeded import SeededEpisodes

EVERY_FRAME = {"frameskip": 1}  # of the environment beneath: AtariPreprocessing skips


def wrap(env: gym.Env[Any, Any], *, training: bool, terminal_on_life_loss: bool = False) -> gym.Env[Any, Any]:
    """Wrap to (84, 84, 4) uint8. Training sees rewards clipped to [-1, 1]; evaluation the score of whole games.

    ``terminal_on_life_loss`` is of training alone: a lost life ends the episode there, and a new game begins.
    """
    lives = training and terminal_on_life_loss
    seen = StackFrames(AtariPreprocessing(SeededEpisodes(env), terminal_on_life_loss=lives), 4)
    return ClipReward(seen, -1, 1) if training else seen
