"""Stacked frames: the last few images of an episode as one observation."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import FrameStackObservation


class FrameStack(spaces.Box):
    """A Box of ``frame_stack`` images (H, W) or (H, W, C), one behind the other along its last axis, the newest last.

    Whoever is shown such a space knows that a step adds one image and drops the oldest; a wrapper that changes what is
    seen has another space.
    """

    def __init__(self, image: spaces.Box, frame_stack: int) -> None:
        """Raise ValueError where the space is none of an image, or none is stacked."""
        if len(image.shape) not in (2, 3) or frame_stack < 1:
            raise ValueError(f"{frame_stack} frames of {image} are no stack of images (H, W) or (H, W, C)")
        self.frame_stack = frame_stack
        low, high = (np.concatenate([as_channels(x)] * frame_stack, axis=-1) for x in (image.low, image.high))
        super().__init__(low, high, dtype=image.dtype)


class StackFrames(gym.ObservationWrapper[Any, Any, Any]):
    """Shows the last ``frame_stack`` images of an episode, (H, W, frame_stack * C); its first image fills the stack."""

    def __init__(self, env: gym.Env[Any, Any], frame_stack: int) -> None:
        """Raise ValueError where the environment shows no images."""
        assert isinstance(env.observation_space, spaces.Box)
        super().__init__(FrameStackObservation(env, frame_stack))
        self.observation_space = FrameStack(env.observation_space, frame_stack)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """Stack (frame_stack, H, W) or (frame_stack, H, W, C) as (H, W, frame_stack * C)."""
        return np.concatenate([as_channels(image) for image in observation], axis=-1)


def as_channels(image: np.ndarray) -> np.ndarray:
    """Return (H, W, C) of an image that may have no axis of channels."""
    return image if image.ndim == 3 else image[..., None]


class FramesLast(VectorWrapper[Any, Any, Any, Any, Any]):
    """A vector environment of games that stacks grey frames along its first axis, (N, k, H, W), as (N, H, W, k)."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        stack: Any = env.single_observation_space
        image = spaces.Box(stack.low[0], stack.high[0], dtype=stack.dtype.type)
        self.single_observation_space = FrameStack(image, len(stack.low))
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.vector.VectorEnv."""
        obs, infos = self.env.reset(seed=seed, options=options)
        return np.moveaxis(obs, 1, -1), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See gymnasium.vector.VectorEnv."""
        obs, reward, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            finals = [None if final is None else np.moveaxis(final, 0, -1) for final in infos["final_obs"]]
            infos = {**infos, "final_obs": finals}
        return np.moveaxis(obs, 1, -1), reward, terminated, truncated, infos


def with_frames_last(envs: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
    """Return the vector environment, its frames last where it is known to stack them first: ALE's and envpool's."""
    bare, space = envs.unwrapped, envs.single_observation_space
    is_stack = type(bare).__module__ == "ale_py.vector_env" or "stack_num" in (getattr(bare, "config", None) or ())
    is_grey = isinstance(space, spaces.Box) and len(space.shape) == 3 and not isinstance(space, FrameStack)
    return FramesLast(envs) if is_stack and is_grey else envs
