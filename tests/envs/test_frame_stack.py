"""Stacked frames: what is seen of an episode of images, and that the EnvSpec says so wherever the stack is."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import GrayscaleObservation, TimeLimit, TransformObservation
from pixel_envs import Clock

from rlpair.envs.frames import FrameStack, StackFrames
from rlpair.envs.make import as_envs
from rlpair.envs.spec import env_spec
from rlpair.types import EnvSpec

PLAIN, COLOUR = (4, 5), (4, 5, 3)


def stacked(shape: tuple[int, ...] = PLAIN, k: int = 3) -> gym.Env:
    return StackFrames(Clock(shape), k)


def test_the_newest_frame_is_last_and_the_first_fills_the_stack() -> None:
    env = stacked()
    assert env.reset()[0][0, 0].tolist() == [10, 10, 10]
    assert [env.step(0)[0][2, 3].tolist() for _ in range(4)] == [[10, 10, 11], [10, 11, 12], [11, 12, 13], [12, 13, 14]]
    assert env.reset()[0][3, 4].tolist() == [10, 10, 10]


def test_colours_of_a_frame_stay_together() -> None:
    env = stacked(COLOUR, 2)
    env.reset()
    obs = env.step(0)[0]
    assert obs.shape == (4, 5, 6)
    assert obs[1, 1].tolist() == [10, 10, 10, 11, 11, 11]


def test_what_was_seen_does_not_change() -> None:
    env = stacked()
    first = env.reset()[0]
    before = first.copy()
    env.step(0)
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize(
    ("shape", "k", "expected"),
    [
        (PLAIN, 3, EnvSpec((4, 5, 3), "uint8", True, 2, frame_stack=3)),
        (PLAIN, 1, EnvSpec((4, 5, 1), "uint8", True, 2)),
        (COLOUR, 2, EnvSpec((4, 5, 6), "uint8", True, 2, frame_stack=2)),
    ],
)
def test_the_spec_of_a_stack(shape: tuple[int, ...], k: int, expected: EnvSpec) -> None:
    env = stacked(shape, k)
    assert env_spec(env) == expected
    assert env_spec(TimeLimit(env, 10)) == expected
    assert env_spec(SyncVectorEnv([partial(stacked, shape, k)] * 2)) == expected
    assert as_envs(partial(stacked, shape, k)).spec == expected


def test_what_is_made_of_a_stack_is_none() -> None:
    dark = TransformObservation(stacked(), lambda obs: obs // 2, spaces.Box(0, 127, (4, 5, 3), np.uint8))
    assert env_spec(dark).frame_stack == 1
    assert env_spec(GrayscaleObservation(stacked(k=3))).frame_stack == 1


def test_the_bounds_are_those_of_the_image() -> None:
    low = np.arange(60, dtype=np.uint8).reshape(COLOUR)  # each pixel has its own
    space = FrameStack(spaces.Box(low, low + 100, COLOUR, np.uint8), 2)
    assert (space.shape, str(space.dtype)) == ((4, 5, 6), "uint8")
    for bound, image in ((space.low, low), (space.high, low + 100)):
        np.testing.assert_array_equal(bound[..., :3], image)
        np.testing.assert_array_equal(bound[..., 3:], image)


@pytest.mark.parametrize(("shape", "k"), [((5,), 2), ((2, 4, 5, 3), 2), (PLAIN, 0)])
def test_what_cannot_be_stacked(shape: tuple[int, ...], k: int) -> None:
    with pytest.raises(ValueError, match=rf"^{k} frames of Box\(.*\) are no stack of images \(H, W\) or \(H, W, C\)$"):
        FrameStack(spaces.Box(0, 255, shape, np.uint8), k)
