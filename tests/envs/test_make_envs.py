"""Environments made and taken: what they are then, what is refused in one line, and which actions are drawn."""

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import RescaleAction

from rlpair.advice import install_command
from rlpair.envs.make import as_envs, make_envs
from rlpair.errors import ConfigError, EnvError
from rlpair.types import EnvSpec

COUNTER = EnvSpec((2,), "float32", True, 3)


class Texts(gym.Env[Any, Any]):
    """Tells words, and nothing else."""

    observation_space, action_space = spaces.Text(5), spaces.Discrete(2)


# --- make_envs, as_envs


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "message"),
    [
        (
            "CartPol-v1",
            {},
            "env=CartPol-v1 is not registered: Environment `CartPol` doesn't exist. Did you mean: `CartPole`?",
        ),
        (
            "not_there:A-v0",
            {},
            "env=not_there:A-v0 cannot be used: "
            "importing not_there raised ModuleNotFoundError: No module named 'not_there'",
        ),
        (
            "toy/NeedsOther-v0",
            {},
            "env=toy/NeedsOther-v0 needs a package that is not installed: No module named 'not_there'",
        ),
        (
            "toy/Picky-v0",
            {"colour": "red"},
            "env=toy/Picky-v0 cannot be built with env_kwargs={'colour': 'red'}: "
            "TypeError: Picky.__init__() got an unexpected keyword argument 'colour'",
        ),
        (
            "toy/Picky-v0",
            {"size": 9},
            "env=toy/Picky-v0 cannot be built with env_kwargs={'size': 9}: "
            "AssertionError: size is 9, and has to be 1 to 5",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(env_id: str, env_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError) as error:
        make_envs(env_id, env_kwargs=env_kwargs)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("env_id", "package", "extra"), [("LunarLander-v3", "Box2D", "box2d"), ("HalfCheetah-v5", "mujoco", "mujoco")]
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, env_id: str, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(f"gymnasium.envs.{extra}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(EnvError) as error:
        make_envs(env_id)
    assert str(error.value) == f"env={env_id} needs a package that is not installed: {install_command(extra)}"


@pytest.mark.parametrize(("key", "value"), [("num_envs", 0), ("vectorization", "threads")])
def test_settings_that_make_no_sense_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}={value!r} is not allowed: (at least 1|one of sync, async)$"):
        make_envs("CartPole-v1", **{key: value})


def test_refusals_come_before_gymnasium_vectorizes() -> None:
    for vectorize in (as_envs, lambda env: as_envs(lambda: env)):
        with pytest.raises(EnvError, match=r"^env=Texts: observations Text"):
            vectorize(Texts())


def test_as_envs_takes_ids_environments_functions_and_vectors() -> None:
    wrapped = RescaleAction(gym.make("Pendulum-v1"), np.float32(-1), np.float32(1))
    assert as_envs("toy_envs:toy/Counter-v0").spec == COUNTER
    assert as_envs(toy_envs.Counter()).spec == COUNTER
    assert as_envs(wrapped).spec == EnvSpec((3,), "float32", False, 1, (-1.0,), (1.0,))
    assert as_envs(lambda: toy_envs.Counter()).num_envs == 1
    envs = as_envs(SyncVectorEnv([toy_envs.Counter] * 3))
    assert envs.num_envs == 3
    assert as_envs(envs) is envs


def test_as_envs_refuses_anything_else() -> None:
    with pytest.raises(EnvError) as error:
        as_envs(7)
    assert str(error.value) == "env=7 is a int: give an id, a gymnasium.Env, a function that makes one, or a VectorEnv"
    with pytest.raises(EnvError) as error:
        as_envs(lambda: 7)
    assert str(error.value) == "env=7 is a int: the function has to make a gymnasium.Env"


# --- actions


def test_discrete_actions_begin_where_the_space_begins() -> None:
    envs = make_envs("toy/StartAtMinusOne-v0", 4)
    actions = [envs.sample_actions(rng) for rng in [np.random.default_rng(0)] for _ in range(50)]
    assert actions[0].dtype == np.int32
    assert set(np.concatenate(actions).tolist()) == {-1, 0, 1}
    envs.reset(0)
    for action in actions:
        envs.step(action)


def test_box_actions_of_any_shape_and_dtype_stay_in_the_box() -> None:
    envs = make_envs("toy/BoxCounter-v0", 2)
    rng = np.random.default_rng(0)
    actions = np.stack([envs.sample_actions(rng) for _ in range(200)])
    assert (actions.shape, actions.dtype.name) == ((200, 2, 4), "float32")
    np.testing.assert_allclose(actions.mean((0, 1)), [0.2, 0.4, 0.6, 0.7], atol=0.05)
    envs.reset(0)
    for bound in (envs.spec.action_low, envs.spec.action_high):
        envs.step(np.tile(np.array(bound, np.float32), (2, 1)))  # the environment asserts that it is in its box
    for action in actions:
        envs.step(action)
