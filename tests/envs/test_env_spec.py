"""What an environment is to a learner, and the one line in which one that cannot be learned or built is refused."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from rlpair.envs.make import as_envs
from rlpair.envs.spec import env_spec, image_shapes, pixel_scale, unlike
from rlpair.errors import EnvError
from rlpair.types import EnvSpec

COUNTER = EnvSpec((2,), "float32", True, 3)


class Spaces(gym.Env[Any, Any]):
    """Any two spaces, and nothing else."""

    def __init__(self, obs: spaces.Space | None = None, action: spaces.Space | None = None) -> None:
        self.observation_space = obs or spaces.Box(-1, 1, (2,))
        self.action_space = action or spaces.Discrete(2)


# --- EnvSpec


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (Spaces(), EnvSpec((2,), "float32", True, 2)),
        (Spaces(action=spaces.Discrete(4, start=-2)), EnvSpec((2,), "float32", True, 4, (), (), -2)),
        (Spaces(spaces.Box(-1, 1, (3, 4), np.float64)), EnvSpec((3, 4), "float32", True, 2)),
        (Spaces(spaces.Box(0, 255, (8, 8, 3), np.uint8)), EnvSpec((8, 8, 3), "uint8", True, 2)),
        (Spaces(spaces.Box(0, 1, (8, 8, 3), np.bool_)), EnvSpec((8, 8, 3), "bool", True, 2)),
        (Spaces(spaces.Box(0, 1, (5,), np.bool_)), EnvSpec((5,), "float32", True, 2)),
        (Spaces(spaces.Box(0, 9, (2,), np.int64)), EnvSpec((2,), "float32", True, 2)),
        (Spaces(spaces.Box(0, 1, ())), EnvSpec((1,), "float32", True, 2)),
        (Spaces(spaces.Discrete(5)), EnvSpec((5,), "float32", True, 2)),
        (Spaces(spaces.MultiDiscrete([2, 3])), EnvSpec((5,), "float32", True, 2)),
        (Spaces(spaces.MultiBinary(4)), EnvSpec((4,), "float32", True, 2)),
        (toy_envs.Mixed(), EnvSpec((10,), "float32", True, 3)),
        (
            Spaces(action=spaces.Box(np.array([[-2, 0]]), np.array([[2, 1]]), dtype=np.float32)),
            EnvSpec((2,), "float32", False, 2, (-2.0, 0.0), (2.0, 1.0)),
        ),
        (SyncVectorEnv([toy_envs.Counter] * 3), COUNTER),
        (as_envs(toy_envs.Counter()), COUNTER),
        (COUNTER, COUNTER),
    ],
)
def test_env_spec(env: Any, expected: EnvSpec) -> None:
    assert env_spec(env) == expected
    assert hash(env_spec(env)) == hash(expected)


def test_bounds_of_float64_are_rounded_to_float32_inwards() -> None:
    spec = env_spec(Spaces(action=spaces.Box(-0.1, 0.1, (1,), np.float64)))
    assert float(np.float32(0.1)) > 0.1
    assert spec.action_high == (float(np.nextafter(np.float32(0.1), np.float32(0))),)
    assert spec.action_low == (-spec.action_high[0],)


ADVICE = "learned from are Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            Spaces(action=spaces.MultiDiscrete([3, 2])),
            "env=Spaces: actions MultiDiscrete([3 2]) are neither Discrete nor a Box: "
            "wrap it so that they are, for example in gymnasium.wrappers.TransformAction",
        ),
        (
            Spaces(action=spaces.Dict(a=spaces.Discrete(2))),
            "env=Spaces: actions Dict('a': Discrete(2)) are neither Discrete nor a Box: "
            "wrap it so that they are, for example in gymnasium.wrappers.TransformAction",
        ),
        (
            Spaces(action=spaces.Box(np.array([-np.inf, -1], np.float32), np.ones(2, np.float32))),
            "env=Spaces: actions Box([-inf -1.], 1.0, (2,), float32) are unbounded: "
            "bound them, for example with gymnasium.wrappers.TransformAction",
        ),
        (
            Spaces(action=spaces.Box(-3e38, 3e38, (1,))),
            "env=Spaces: actions Box(-3e+38, 3e+38, (1,), float32) are unbounded: "
            "bound them, for example with gymnasium.wrappers.TransformAction",
        ),
        (
            Spaces(action=spaces.Box(np.array([0, 1], np.float32), np.ones(2, np.float32))),
            "env=Spaces: actions Box([0. 1.], 1.0, (2,), float32) leave no choice: every low has to be below its high",
        ),
        (
            Spaces(action=spaces.Box(0, 9, (1,), np.int32)),
            "env=Spaces: actions Box(0, 9, (1,), int32) are of dtype int32: a Box of actions has to be of floats",
        ),
        (
            Spaces(spaces.Text(5, charset="ab")),
            f"env=Spaces: observations Text(1, 5, charset=ab) cannot be flattened into a Box: {ADVICE}",
        ),
        (
            Spaces(spaces.Dict(a=spaces.Tuple([spaces.Sequence(spaces.Discrete(2))]))),
            "env=Spaces: observations Dict('a': Tuple(Sequence(Discrete(2), stack=False))) "
            f"cannot be flattened into a Box: {ADVICE}",
        ),
        (
            Spaces(spaces.Box(0, 1, (2, 0))),
            "env=Spaces: observations Box([], [], (2, 0), float32) are empty: there is nothing to learn from",
        ),
        (3, "env=3 is a int: give a gymnasium.Env, a VectorEnv or an EnvSpec"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(env: Any, message: str) -> None:
    with pytest.raises(EnvError) as error:
        env_spec(env)
    assert str(error.value) == message


# --- images


IMAGE, NUMBER = spaces.Box(0, 255, (2, 2, 1), np.uint8), spaces.Box(0, 9, (1,))


@pytest.mark.parametrize(
    ("space", "dtype", "scaled", "images"),
    [
        (spaces.Dict(a=IMAGE, b=NUMBER), "float32", [1, 1, 1, 1, 0], [(2, 2, 1)]),
        (spaces.Tuple([spaces.Discrete(2), spaces.Dict(a=IMAGE)]), "float32", [0, 0, 1, 1, 1, 1], [(2, 2, 1)]),
        (spaces.Dict(a=IMAGE, b=IMAGE), "uint8", None, [(2, 2, 1)] * 2),  # learners scale these
        (spaces.Dict(a=IMAGE, b=spaces.Box(0, 255, (1,), np.uint8)), "uint8", None, [(2, 2, 1)]),
        (IMAGE, "uint8", None, [(2, 2, 1)]),
        (NUMBER, "float32", None, []),
        (spaces.Discrete(2, dtype=np.uint8), "float32", None, []),  # one-hot, and no image
    ],
)
def test_pixels_are_scaled_once(space: spaces.Space, dtype: str, scaled: list[int] | None, images: list[Any]) -> None:
    assert env_spec(Spaces(space)).obs_dtype == dtype
    scale = pixel_scale(space)
    assert (scale is None) == (scaled is None)
    if scale is not None:
        np.testing.assert_array_equal(scale, [np.float32(1 / 255) if x else 1 for x in scaled or []])
    assert image_shapes(space) == images


VECTOR, PLANES = spaces.Box(-1, 1, (3,)), spaces.Box(0, 1, (4, 5), np.bool_)


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        (spaces.Dict(image=IMAGE, speed=NUMBER), ((2, 2, 1), (1,))),
        (spaces.Dict(a=NUMBER, b=spaces.Discrete(4), c=IMAGE, d=PLANES, e=VECTOR), ((5,), (2, 2, 1), (4, 5), (3,))),
        (spaces.Tuple([spaces.Dict(z=IMAGE, a=VECTOR), NUMBER]), ((2, 2, 1), (4,))),
        (spaces.Dict(a=VECTOR, b=NUMBER), ()),
        (IMAGE, ()),
    ],
)
def test_images_in_an_observation_are_parts_of_it(space: spaces.Space, parts: Any) -> None:
    spec = env_spec(Spaces(space))
    assert spec.parts == parts
    assert not parts or sum(map(math.prod, parts)) == spec.obs_shape[0]


def test_parts_lie_where_flatten_puts_them() -> None:
    space = spaces.Dict({"z": IMAGE, "a": VECTOR, "m": PLANES})  # which sorts its keys
    obs = {"z": np.full((2, 2, 1), 9, np.uint8), "a": -np.ones(3, np.float32), "m": np.ones((4, 5), bool)}
    flat = np.asarray(spaces.flatten(space, obs))
    assert env_spec(Spaces(space)).parts == ((3,), (4, 5), (2, 2, 1))
    assert flat.tolist() == [-1] * 3 + [1] * 20 + [9] * 4


def test_a_text_beside_an_image_is_refused_with_the_wrapper_that_helps() -> None:
    space = spaces.Dict(direction=spaces.Discrete(4), image=IMAGE, mission=spaces.Text(5))
    with pytest.raises(EnvError) as error:
        env_spec(Spaces(space))
    advice = "gymnasium.wrappers.FilterObservation(env, ['direction', 'image']) leaves out mission"
    assert str(error.value).endswith(f"cannot be flattened into a Box: {advice}")


def test_an_agent_of_before_parts_takes_what_is_flattened_alike() -> None:
    here = env_spec(Spaces(spaces.Dict(a=IMAGE, b=NUMBER)))
    assert unlike(here._replace(parts=()), here) is None
    assert unlike(here._replace(parts=((5,),)), here) == "parts"
    assert unlike(here._replace(parts=(), obs_shape=(4,)), here) == "obs_shape"
