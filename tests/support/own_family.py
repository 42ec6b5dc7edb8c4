"""A family of environments of one's own: what is seen is in quarters, and rewards are clipped in training."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces, wrappers

import rlpair


def wrap(env: gym.Env, *, training: bool, parts: float = 4) -> gym.Env:
    seen = wrappers.TransformObservation(env, lambda obs: obs / np.float32(parts), spaces.Box(0, 4 / parts, (2,)))
    return wrappers.ClipReward(seen, 0, 1) if training else seen


gym.register("own/Paying-v0", "toy_envs:Paying")
rlpair.register_family(rlpair.Family("own/.+", wrap=wrap, functional="own_family"))
