"""Exact resume: environments built anew and played back go on to the bit as the ones that never stopped."""

import base64
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlpair.envs.host import HostEnvs, Step
from rlpair.envs.make import as_envs, make_envs
from rlpair.envs.tape import EpisodeTape, actions_of
from rlpair.errors import CheckpointError

Setting = tuple[str, int, str, dict[str, Any]]  # id, num_envs, vectorization, env_kwargs


def actions(envs: HostEnvs, steps: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [envs.sample_actions(rng) for _ in range(steps)]


def assert_same(a: Step, b: Step) -> None:
    for name, one, other in zip(Step._fields, a, b, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name, strict=True)


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(state, allow_nan=False))


SETTINGS = [
    ("CartPole-v1", 3, "sync", {}),
    ("Pendulum-v1", 2, "sync", {"max_episode_steps": 30}),
    ("MountainCarContinuous-v0", 2, "sync", {"max_episode_steps": 25}),
    ("HalfCheetah-v5", 2, "sync", {"max_episode_steps": 30}),
    ("Hopper-v5", 2, "sync", {}),
    ("toy/Mixed-v0", 3, "sync", {}),
    ("toy/BoxCounter-v0", 3, "sync", {}),
    ("toy/InPlaceCounter-v0", 3, "sync", {}),
    pytest.param(("CartPole-v1", 2, "async", {}), marks=pytest.mark.slow),
    pytest.param(("Hopper-v5", 2, "async", {}), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s[0]}-{s[2]}")
@pytest.mark.parametrize("stop", [0, 47])  # in the first episode, which is seeded; in a later one
def test_restored_environments_go_on_as_if_nothing_had_happened(setting: Setting, stop: int) -> None:
    original, restored = make_envs(*setting), make_envs(*setting)
    original.reset(seed=11)
    obs, steps, episodes = None, actions(original, stop + 70, 3), 0
    for action in steps[:stop]:
        obs = original.step(action).obs
    state = through_json(original.state_dict())
    obs_again, whether = restored.load_state_dict(state)
    assert whether.tolist() == [True] * original.num_envs
    if obs is not None:
        np.testing.assert_array_equal(obs_again, obs, strict=True)
    for action in steps[stop:]:
        expected, actual = original.step(action), restored.step(action)
        assert_same(actual, expected)
        episodes += int((expected.terminated | expected.truncated).sum())
    assert episodes >= original.num_envs  # it went on beyond random resets
    assert restored.state_dict()["episodes"] == original.state_dict()["episodes"]
    original.close()
    restored.close()


def test_the_state_of_an_episode() -> None:
    envs = make_envs("toy/BoxCounter-v0")
    assert envs.state_dict()["episodes"] == [None]  # before the first reset
    envs.reset(seed=4)
    action = np.array([[0.2, 0.4, 0.6, 0.7]], np.float32)
    envs.step(action)
    envs.step(action)
    (episode,) = envs.state_dict()["episodes"]
    assert sorted(episode) == ["actions", "digest", "generator", "seed"]
    assert (episode["seed"], episode["generator"]) == (4, None)
    assert len(episode["actions"]) == 88  # two actions of four float64 in base64
    for _ in range(5):
        envs.step(action)
    (episode,) = envs.state_dict()["episodes"]
    assert episode["seed"] is None
    assert episode["generator"]["bit_generator"] == "PCG64"


@pytest.mark.parametrize("start", [-1, 0, 5])
def test_the_actions_of_a_discrete_space_that_begins_anywhere(start: int) -> None:
    space = spaces.Discrete(3, start=start)

    def read(*given: int) -> list[int]:
        return actions_of(base64.b64encode(np.array(given, np.int64).tobytes()).decode(), space).tolist()

    assert read(start, start + 1, start + 2) == [start, start + 1, start + 2]
    for none in (start - 1, start + 3):
        with pytest.raises(CheckpointError) as error:
            read(start, none)
        assert str(error.value) == f"actions hold {none}, which is none of {space}"


def test_the_actions_of_a_box_may_be_at_its_bounds() -> None:
    space = spaces.Box(np.array([-2, 0], np.float32), np.array([1, 3], np.float32))

    def read(*given: list[float]) -> list[list[float]]:
        return actions_of(base64.b64encode(np.array(given, np.float32).tobytes()).decode(), space).tolist()

    assert read([-2, 0], [1, 3], [-2, 3]) == [[-2, 0], [1, 3], [-2, 3]]
    for none in ([-2.5, 0], [1, 3.5]):
        with pytest.raises(CheckpointError, match=rf"^actions hold {max(none, key=abs)}, which is none of Box"):
            read([0, 1], none)


def test_an_episode_too_long_to_remember_is_not_gone_on_with_and_the_next_one_is() -> None:
    env: Any = EpisodeTape(toy_envs.Counter(), room=3 * 8)
    env.reset(seed=0)
    told = []
    for step in range(9):
        _, _, terminated, _, _ = env.step(np.int64(0))
        told.append((step, terminated, env.state_dict() is None))
        if terminated:
            env.reset()
    end = next(step for step, terminated, _ in told if terminated)
    assert [is_none for _, _, is_none in told] == [step > 2 if step <= end else step - end > 3 for step in range(9)]


def test_environments_share_the_room_for_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlpair.envs.make.ROOM", 6 * 8)
    for num_envs, remembered in ((1, 6), (2, 3), (3, 2)):
        envs = make_envs("Pendulum-v1", num_envs)
        envs.reset(seed=0)
        is_known = list[bool]()
        for action in actions(envs, 14, 0):
            envs.step(action)
            is_known.append(envs.state_dict()["episodes"] != [None] * num_envs)
        assert is_known == [step < 2 * remembered for step in range(14)]  # an action is one float32


def test_what_begins_in_place_of_an_episode_that_is_lost_is_not_the_first_again() -> None:
    original, restored = make_envs("CartPole-v1", 2), make_envs("CartPole-v1", 2)
    first = original.reset(seed=3)
    state = through_json(original.state_dict()) | {"episodes": [None, None]}
    obs, whether = restored.load_state_dict(state)
    assert whether.tolist() == [False, False]
    assert (obs != first).all()


def test_rows_that_cannot_be_restored_begin_an_episode_and_the_others_go_on() -> None:
    original, restored, again = (make_envs("CartPole-v1", 3) for _ in range(3))
    original.reset(seed=0)
    for action in actions(original, 30, 1):
        obs = original.step(action).obs
    state = through_json(original.state_dict())
    state["episodes"][1]["digest"] = "of another observation"
    obs_again, whether = restored.load_state_dict(state)
    assert whether.tolist() == [True, False, True]
    np.testing.assert_array_equal(obs_again[[0, 2]], obs[[0, 2]])
    assert (obs_again[1] != obs[1]).any()
    assert np.abs(obs_again[1]).max() <= 0.05  # where CartPole's episodes begin
    assert restored.state_dict()["episodes"][1]["actions"] == ""
    np.testing.assert_array_equal(again.load_state_dict(state)[0], obs_again)  # that, too, follows from the seed


@pytest.mark.parametrize("where", ["observation", "reward"])
def test_randomness_of_its_own_is_not_restored(where: str) -> None:
    original, restored = (as_envs(toy_envs.Hidden(where)) for _ in range(2))
    original.reset(seed=0)
    original.step(np.zeros(1, np.int32))
    obs, whether = restored.load_state_dict(through_json(original.state_dict()))
    assert whether.tolist() == [False]
    assert obs[0, 1] == 0  # at the beginning of an episode


def test_a_generator_of_another_kind_is_not_restored() -> None:
    original, restored = make_envs("toy/MersenneCounter-v0"), make_envs("toy/MersenneCounter-v0")
    original.reset(seed=0)
    for _ in range(6):  # into the second episode: the first is restored from its seed
        original.step(np.full(1, 2, np.int32))
    _, whether = restored.load_state_dict(through_json(original.state_dict()))
    assert whether.tolist() == [False]


def test_an_episode_that_ends_while_it_is_played_back_is_not_restored() -> None:
    original, restored = make_envs("CartPole-v1"), make_envs("CartPole-v1", env_kwargs={"max_episode_steps": 3})
    original.reset(seed=0)
    for _ in range(5):
        original.step(np.zeros(1, np.int32))
    assert restored.load_state_dict(original.state_dict())[1].tolist() == [False]


def test_a_vector_that_was_handed_in_begins_episodes() -> None:
    def make() -> HostEnvs:
        return as_envs(SyncVectorEnv([toy_envs.Counter] * 2, autoreset_mode=AutoresetMode.SAME_STEP))

    original = make()
    original.reset(seed=0)
    state = through_json(original.state_dict())
    resumed = make()
    (obs, whether), (same, _) = resumed.load_state_dict(state), make().load_state_dict(state)
    assert whether.tolist() == [False, False]
    np.testing.assert_array_equal(obs, same)
    assert state["episodes"] == []
    assert resumed.state_dict()["seed"] != state["seed"]  # if it is resumed again, then to other episodes


def test_another_number_of_environments_is_refused() -> None:
    envs = make_envs("toy/Counter-v0", 2)
    envs.reset(seed=0)
    with pytest.raises(CheckpointError) as error:
        make_envs("toy/Counter-v0", 3).load_state_dict(envs.state_dict())
    assert str(error.value) == "the state is of 2 environments, and here are 3"


def test_actions_that_are_none_are_refused_with_their_environment() -> None:
    envs = make_envs("toy/Counter-v0", 2)
    envs.reset(seed=0)
    for action in actions(envs, 3, 0):
        envs.step(action)
    state = through_json(envs.state_dict())
    state["episodes"][0], state["episodes"][1]["actions"] = None, "!"
    with pytest.raises(CheckpointError) as error:
        envs.load_state_dict(state)
    assert str(error.value) == "envs.episodes[1]: actions are not base64 of 8 bytes an action"


class OwnArrays(gym.Env[Any, Any]):
    """Writes each observation into the arrays that it gave before; every step ends an episode."""

    observation_space = spaces.Dict({"a": spaces.Box(-9, 9, (2,)), "b": spaces.Box(-9, 9, (1,))})
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.obs = {"a": np.zeros(2, np.float32), "b": np.zeros(1, np.float32)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        for array in self.obs.values():
            array[:] = -1
        return self.obs, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        for array in self.obs.values():
            array[:] = 7
        return self.obs, 0.0, True, False, {}


def test_the_last_observation_is_not_written_over_by_the_reset() -> None:
    env = EpisodeTape(OwnArrays())
    env.reset(seed=0)
    obs = env.step(np.int64(0))[0]
    env.reset()
    assert {key: array.tolist() for key, array in obs.items()} == {"a": [7, 7], "b": [7]}
