"""From Gymnasium's spaces to an EnvSpec, and the refusal, in one line, of what no algorithm here can learn."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv, VectorEnv

from rlpair.envs.frames import FrameStack, with_frames_last
from rlpair.errors import EnvError
from rlpair.types import EnvSpec

FLATTENED = (spaces.Dict, spaces.Tuple, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


def env_spec(env: Any) -> EnvSpec:
    """Return what a learner may know of a gymnasium.Env, a VectorEnv, or anything that has an EnvSpec as ``spec``.

    Observations that are not a Box are described as Gymnasium flattens them: ``flat_space``.

    Raises:
        EnvError: no algorithm here can learn it: its spaces are of another kind, empty, or without bounds.
    """
    if isinstance(env, EnvSpec):
        return env
    if isinstance(known := getattr(env, "spec", None), EnvSpec):
        return known
    if isinstance(env, VectorEnv):
        obs_space, action_space = with_frames_last(env).single_observation_space, env.single_action_space
    elif isinstance(env, gym.Env):
        obs_space, action_space = env.observation_space, env.action_space
    else:
        accepted = "a gymnasium.Env, a VectorEnv or an EnvSpec"
        raise EnvError(f"env={one_line(env)} is a {type(env).__name__}: give {accepted}")
    try:
        return spec_of_spaces(obs_space, action_space)
    except EnvError as error:
        raise EnvError(f"env={env_name(env)}: {error}") from error


def spec_of_spaces(obs_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> EnvSpec:
    """Return the EnvSpec of an environment with these spaces. Raises EnvError."""
    box = flat_space(obs_space)
    obs_dtype = "uint8" if _pixels(obs_space).all() else "bool" if _is_planes(obs_space) else "float32"
    frame_stack = obs_space.frame_stack if isinstance(obs_space, FrameStack) else 1
    return EnvSpec(
        box.shape, obs_dtype, **_action_fields(action_space), frame_stack=frame_stack, parts=parts_of(obs_space)
    )


def parts_of(space: spaces.Space[Any]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of what lies in a flattened observation, images and vectors between them; () without images."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return ()
    parts: list[tuple[int, ...]] = []
    for leaf in _leaves(space):
        if _is_image(leaf):
            parts.append(leaf.shape or ())
        elif parts and len(parts[-1]) == 1:
            parts[-1] = (parts[-1][0] + spaces.flatdim(leaf),)
        else:
            parts.append((spaces.flatdim(leaf),))
    return tuple(parts) if any(len(part) > 1 for part in parts) else ()


def _leaves(space: spaces.Space[Any]) -> list[spaces.Space[Any]]:
    """Return the spaces in a space that has no others in it, in the order in which they are flattened."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return [space]
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
    return [leaf for part in parts for leaf in _leaves(part)]


def unlike(trained: EnvSpec, here: EnvSpec) -> str | None:
    """Return the first field in which an agent's environment is another than this one; None if they are alike.

    Agents from before there were ``parts`` have none, and take whatever is flattened alike.
    """
    fields = [field for field in EnvSpec._fields if field != "parts" or trained.parts]
    return next((field for field in fields if getattr(trained, field) != getattr(here, field)), None)


def flat_space(space: spaces.Space[Any]) -> spaces.Box:
    """Return the Box that observations of a space are learned from: itself, or as ``spaces.flatten`` makes them.

    Raises:
        EnvError: there is none, or it has no numbers in it.
    """
    if not _can_be_flat(space):
        advice = "learned from are Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"
        if isinstance(space, spaces.Dict) and (kept := [key for key, part in space.items() if _can_be_flat(part)]):
            others = ", ".join(key for key in space if key not in kept)
            advice = f"gymnasium.wrappers.FilterObservation(env, {kept}) leaves out {others}"
        raise EnvError(f"observations {one_line(space)} cannot be flattened into a Box: {advice}")
    box = spaces.flatten_space(space) if is_flattened(space) else space
    if not isinstance(box, spaces.Box) or 0 in box.shape:
        raise EnvError(f"observations {one_line(space)} are empty: there is nothing to learn from")
    return box


def is_flattened(space: spaces.Space[Any]) -> bool:
    """Return whether an observation of the space passes through ``spaces.flatten`` before it is learned from."""
    return isinstance(space, FLATTENED) or space.shape == ()


def pixel_scale(space: spaces.Space[Any]) -> np.ndarray | None:
    """Return the factors of a flattened observation, (size,) float32: 1/255 where it holds a pixel of an image, else 1.

    None where it is left as it is: without images, and of images alone, which learners scale.
    """
    pixels = _pixels(space)
    return np.where(pixels, np.float32(1 / 255), np.float32(1)) if pixels.any() and not pixels.all() else None


def image_shapes(space: spaces.Space[Any]) -> list[tuple[int, ...]]:
    """Return the shapes of the images, boxes of uint8 or bool with two axes or three, in an observation."""
    return [leaf.shape or () for leaf in _leaves(space) if _is_image(leaf)]


def _pixels(space: spaces.Space[Any]) -> np.ndarray:
    """Return which numbers of a flattened observation are of a Box of uint8: (size,) bool."""
    return np.concatenate([np.full(spaces.flatdim(leaf), _is_uint8(leaf)) for leaf in _leaves(space)])


def _is_image(space: spaces.Space[Any]) -> bool:
    return (_is_uint8(space) or _is_planes(space)) and len(space.shape or ()) in (2, 3)


def _is_planes(space: spaces.Space[Any]) -> bool:
    """Return whether observations are images of bools, such as MinAtar's."""
    return isinstance(space, spaces.Box) and space.dtype == np.bool_ and len(space.shape) > 1


def _is_uint8(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and space.dtype == np.uint8


def env_name(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> str:
    """Return the id that it is registered by, else its class's name; of a SyncVectorEnv, its first environment's."""
    if isinstance(vector := env.unwrapped, SyncVectorEnv):
        env = vector.envs[0]
    return env.spec.id if isinstance(env.spec, gym.envs.registration.EnvSpec) else type(env.unwrapped).__name__


def one_line(value: object) -> str:
    """Return the text of anything, without line breaks."""
    return " ".join(str(value).split())


def _can_be_flat(space: spaces.Space[Any]) -> bool:
    match space:
        case spaces.Dict():
            return all(map(_can_be_flat, space.spaces.values()))
        case spaces.Tuple():
            return all(map(_can_be_flat, space.spaces))
        case _:
            return isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))


def _action_fields(space: spaces.Space[Any]) -> dict[str, Any]:
    if isinstance(space, spaces.Discrete):
        return {"discrete": True, "action_dim": int(space.n), "action_start": int(space.start)}
    if not isinstance(space, spaces.Box):
        advice = "wrap it so that they are, for example in gymnasium.wrappers.TransformAction"
        raise EnvError(f"actions {one_line(space)} are neither Discrete nor a Box: {advice}")
    low, high = space.low.ravel(), space.high.ravel()
    if space.dtype.kind != "f":
        raise EnvError(f"actions {one_line(space)} are of dtype {space.dtype}: a Box of actions has to be of floats")
    with np.errstate(over="ignore"):  # a width beyond float32 is as good as none
        bounded = np.isfinite((high - low).astype(np.float32)).all()
    if not bounded:
        advice = "bound them, for example with gymnasium.wrappers.TransformAction"
        raise EnvError(f"actions {one_line(space)} are unbounded: {advice}")
    low, high = _round_inwards(low, -1), _round_inwards(high, 1)
    if low.size == 0 or not (low < high).all():
        raise EnvError(f"actions {one_line(space)} leave no choice: every low has to be below its high")
    bounds = {"action_low": tuple(low.tolist()), "action_high": tuple(high.tolist())}
    return {"discrete": False, "action_dim": low.size, **bounds}


def _round_inwards(bound: np.ndarray, side: int) -> np.ndarray:
    """Round to float32, so that every float32 within the bounds lies within the environment's own, float64 perhaps."""
    nearest = bound.astype(np.float32)
    beyond = side * nearest.astype(np.float64) > side * bound.astype(np.float64)
    return np.where(beyond, np.nextafter(nearest, np.float32(-side * np.inf)), nearest)
