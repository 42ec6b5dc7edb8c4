"""Stacked frames: the last few images of an episode as one observation."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation


class FrameStack(spaces.Box):
    """A Box of ``frame_stack`` images (H, W) or (H, W, C), one behind the other along its last axis, the newest last.

    Whoever is shown such a space knows that a step adds one image and drops the oldest; a wrapper that changes what is
    seen has another space.
    """

    def __init__(self, image: spaces.Box, frame_stack: int) -> None:
        """Raises ValueError where the space is none of an image, or none is stacked."""
        if len(image.shape) not in (2, 3) or frame_stack < 1:
            raise ValueError(f"{frame_stack} frames of {image} are no stack of images (H, W) or (H, W, C)")
        self.frame_stack = frame_stack
        low, high = (np.concatenate([as_channels(x)] * frame_stack, axis=-1) for x in (image.low, image.high))
        super().__init__(low, high, dtype=image.dtype)


class StackFrames(gym.ObservationWrapper[Any, Any, Any]):
    """Shows the last ``frame_stack`` images of an episode, (H, W, frame_stack * C); its first image fills the stack."""

    def __init__(self, env: gym.Env[Any, Any], frame_stack: int) -> None:
        """Raises ValueError where the environment shows no images."""
        assert isinstance(env.observation_space, spaces.Box)
        super().__init__(FrameStackObservation(env, frame_stack))
        self.observation_space = FrameStack(env.observation_space, frame_stack)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """(frame_stack, H, W) or (frame_stack, H, W, C) -> (H, W, frame_stack * C)."""
        return np.concatenate([as_channels(image) for image in observation], axis=-1)


def as_channels(image: np.ndarray) -> np.ndarray:
    """(H, W, C), of an image that may have no axis of channels."""
    return image if image.ndim == 3 else image[..., None]
