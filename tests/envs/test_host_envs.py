"""HostEnvs: neither the autoreset mode, nor the number of rows, nor processes change what is learned from."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.wrappers import TransformObservation
from host_records import assert_equal, record

from rlpair.envs.make import as_envs, make_envs
from rlpair.errors import EnvError, NonFiniteError
from rlpair.types import EnvSpec


def vector(mode: AutoresetMode, num_envs: int = 3, env_id: str = "toy/Counter-v0") -> SyncVectorEnv:
    return SyncVectorEnv([lambda: gym.make(env_id)] * num_envs, autoreset_mode=mode)


# --- vectors that were handed in


@pytest.mark.parametrize("mode", [None, AutoresetMode.DISABLED])
def test_a_vector_that_keeps_the_last_observation_to_itself_is_refused(mode: AutoresetMode | None) -> None:
    own = VectorWrapper(vector(AutoresetMode.SAME_STEP))
    own.metadata = {"autoreset_mode": mode}
    with pytest.raises(EnvError) as error:
        as_envs(own)
    assert str(error.value) == (
        f"env=toy/Counter-v0 with autoreset_mode={mode} does not give the last observation of an episode: "
        "make it with AutoresetMode.NEXT_STEP or SAME_STEP, or use a bare SyncVectorEnv or AsyncVectorEnv"
    )


class Custom(VectorEnv[Any, Any, Any]):
    """Two rows of SAME_STEP that end at once; ``final`` says whether it gives their last observations."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    single_observation_space, single_action_space, num_envs = spaces.Box(0, 9, (1,)), spaces.Discrete(2), 2

    def __init__(self, final: bool) -> None:
        self.final, self.obs = final, np.zeros((2, 1), np.float32)
        self.terminated, self.truncated = np.array([False, True]), np.zeros(2, bool)

    def reset(self, **_: Any) -> Any:
        self.obs[:] = 0
        return self.obs, {}

    def step(self, _: Any) -> Any:
        self.obs += 1  # its own array, like that of its flags: what it gave before changes with it
        self.terminated ^= True
        infos = {"final_obs": np.array([[8.0], [0.0]]), "_final_obs": self.terminated} if self.final else {}
        return self.obs, np.ones(2), self.terminated, self.truncated, infos


def test_a_vector_of_the_users_own_in_same_step() -> None:
    envs = as_envs(Custom(final=True))
    first = envs.reset(0)
    step = envs.step(np.zeros(2, np.int32))
    envs.step(np.zeros(2, np.int32))
    assert first.tolist() == [[0], [0]]
    assert step.obs.tolist() == [[1], [1]]
    assert step.next_obs.tolist() == [[8], [1]]
    assert step.terminated.tolist() == [True, False]


def test_a_vector_that_breaks_the_promise_of_same_step() -> None:
    envs = as_envs(Custom(final=False))
    envs.reset(0)
    with pytest.raises(EnvError) as error:
        envs.step(np.zeros(2, np.int32))
    assert str(error.value) == "env=Custom: SAME_STEP, but its infos have no final_obs where episodes end"


def test_a_step_that_only_resets_is_told_from_a_transition() -> None:
    """Of two environments that count to 10, by 3 and by 1: a step in which one is reset has nothing of it."""
    envs = as_envs(VectorWrapper(SyncVectorEnv([toy_envs.Counter] * 2)))
    seen = [envs.reset(seed=7)]
    steps = [envs.step(np.array([2, 0])) for _ in range(8)]
    seen += [step.obs for step in steps]
    counts = [[5, 4], [8, 5], [11, 6], [3, 7], [6, 8], [9, 9], [12, 10], [4, 1], [7, 2]]
    assert [obs[:, 0].tolist() for obs in seen] == counts
    assert [step.reward.tolist() for step in steps] == [
        *([[8, 5], [11, 6], [0, 7], [6, 8]]),
        *([[9, 9], [12, 10], [0, 0], [7, 2]]),
    ]
    ends = {1: [True, False], 5: [True, True]}
    assert [step.terminated.tolist() for step in steps] == [ends.get(i, [False, False]) for i in range(8)]
    resets = {2: [False, True], 6: [False, False]}
    assert [x.happened if x.happened is None else x.happened.tolist() for x in steps] == [
        resets.get(i) for i in range(8)
    ]


def test_a_new_beginning_is_no_reset_of_a_row() -> None:
    envs = as_envs(VectorWrapper(SyncVectorEnv([toy_envs.Counter] * 2)))
    envs.reset(seed=3)
    while not envs.step(np.array([2, 0])).terminated.any():
        pass
    envs.reset(seed=3)
    assert envs.step(np.array([2, 0])).happened is None


@pytest.mark.parametrize("env_id", ["toy/Counter-v0", "toy/Mixed-v0"])
def test_the_replay_is_the_same_in_every_autoreset_mode_and_for_single_environments(env_id: str) -> None:
    ours = record(make_envs(env_id, 3), 100, seed=5)
    terminated, truncated = ours["terminated"].astype(bool), ours["truncated"]
    for kind in (terminated & ~truncated, truncated & ~terminated, terminated & truncated):
        assert kind.sum() >= 5  # episodes end in all three ways
    for mode in AutoresetMode:
        assert_equal(record(as_envs(vector(mode, env_id=env_id)), 100, seed=5), ours)
    foreign = VectorWrapper(vector(AutoresetMode.NEXT_STEP, env_id=env_id))
    assert_equal(record(as_envs(foreign), 100, seed=5), ours)
    for row in range(3):
        alone = record(make_envs(env_id), 100, seed=5 + row)
        assert_equal(alone, {n: a[:, row : row + 1] if a.ndim else a for n, a in ours.items()})


def test_every_transition_is_true() -> None:
    stored = record(make_envs("toy/Counter-v0", 3), 100, seed=5)
    count, steps = stored["obs"][..., 0], stored["obs"][..., 1]
    np.testing.assert_array_equal(stored["next_obs"][..., 0], count + stored["action"] + 1)
    np.testing.assert_array_equal(stored["next_obs"][..., 1], steps + 1)
    np.testing.assert_array_equal(stored["reward"], stored["next_obs"][..., 0])
    np.testing.assert_array_equal(stored["terminated"], (stored["next_obs"][..., 0] >= 10).astype(np.float32))
    np.testing.assert_array_equal(stored["truncated"], stored["next_obs"][..., 1] == 5)
    ended = (stored["terminated"] > 0) | stored["truncated"]
    np.testing.assert_array_equal(stored["obs"][1:][~ended[:-1]], stored["next_obs"][:-1][~ended[:-1]])
    assert (stored["obs"][1:][ended[:-1]][:, 1] == 0).all()


def test_an_environment_that_writes_into_its_own_array() -> None:
    assert_equal(record(make_envs("toy/InPlaceCounter-v0", 3), 100, 5), record(make_envs("toy/Counter-v0", 3), 100, 5))


def test_dtypes_and_shapes_of_a_step() -> None:
    envs = make_envs("toy/BoxCounter-v0", 2)
    assert envs.reset(0).dtype == np.float32
    step = envs.step(envs.sample_actions(np.random.default_rng(0)))
    assert [(a.shape, a.dtype.name) for a in step[:5]] == [
        ((2, 2), "float32"),
        ((2,), "float32"),
        ((2, 2), "float32"),
        ((2,), "bool"),
        ((2,), "bool"),
    ]


def test_dict_observations_are_flattened_as_gymnasium_does() -> None:
    envs = make_envs("toy/Mixed-v0", 1)
    obs = envs.reset(5)
    step = envs.step(np.array([2], np.int32))
    env = gym.make("toy/Mixed-v0")
    space = env.observation_space
    np.testing.assert_array_equal(obs[0], spaces.flatten(space, env.reset(seed=5)[0]))
    np.testing.assert_array_equal(step.next_obs[0], spaces.flatten(space, env.step(2)[0]))
    count = int(obs[0, 0])
    assert step.next_obs[0, 0] == count + 3
    assert step.next_obs[0, 1 + (count + 3) % 2] == 1  # one-hot parity


def test_images_stay_uint8() -> None:
    def make() -> gym.Env[Any, Any]:
        space = spaces.Box(0, 255, (2, 2, 1), np.uint8)
        return TransformObservation(toy_envs.Counter(), lambda obs: np.full((2, 2, 1), obs[0], np.uint8), space)

    envs = as_envs(make)
    assert envs.spec.obs_dtype == "uint8"
    assert envs.reset(0).dtype == np.uint8
    assert envs.step(np.zeros(1, np.int32)).next_obs.shape == (1, 2, 2, 1)


def test_an_image_in_a_dict_is_scaled_beside_what_is_not() -> None:
    def make() -> gym.Env[Any, Any]:
        space = spaces.Dict(image=spaces.Box(0, 255, (1, 2), np.uint8), steps=spaces.Box(0, 100, (1,)))
        counter = toy_envs.Counter()
        return TransformObservation(
            counter, lambda obs: {"image": np.array([[51, 255]], np.uint8), "steps": obs[1:]}, space
        )

    envs = as_envs(make)
    assert envs.spec == EnvSpec((3,), "float32", True, 3, parts=((1, 2), (1,)))
    np.testing.assert_allclose(envs.reset(0), [[0.2, 1, 0]], rtol=1e-6)
    step = envs.step(np.zeros(1, np.int32))
    np.testing.assert_allclose(step.next_obs, [[0.2, 1, 1]], rtol=1e-6)
    while not step.terminated[0]:
        step = envs.step(np.full(1, 2, np.int32))
    np.testing.assert_allclose(step.next_obs[0, :2], [0.2, 1], rtol=1e-6)  # the last of an episode
    assert step.next_obs[0, 2] > 1


# --- numbers


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("reward", np.nan, "nan"),
        ("observation", np.nan, "nan"),
        ("observation", -np.inf, "-inf"),
        ("reward", 1e39, "inf"),
    ],
)
def test_what_is_not_a_number_stops_the_step(where: str, value: float, expected: str) -> None:
    def poisoned() -> gym.Env[Any, Any]:
        return toy_envs.Poisoned(where, value)

    envs = as_envs(SyncVectorEnv([toy_envs.Counter, poisoned], autoreset_mode=AutoresetMode.DISABLED))
    envs.reset(0)
    envs.step(np.zeros(2, np.int32))
    envs.step(np.zeros(2, np.int32))
    with pytest.raises(NonFiniteError) as error:
        envs.step(np.zeros(2, np.int32))
    assert str(error.value) == f"{where} of environment 1 is {expected}"


def test_the_last_observation_of_an_episode_is_a_number_too() -> None:
    poison = {"where": "observation", "value": np.nan, "max_episode_steps": 3}
    envs = make_envs("toy/Poisoned-v0", env_kwargs=poison)
    envs.reset(0)
    envs.step(np.zeros(1, np.int32))
    envs.step(np.zeros(1, np.int32))
    with pytest.raises(NonFiniteError, match=r"^observation of environment 0 is nan$"):
        envs.step(np.zeros(1, np.int32))


def test_huge_numbers_are_numbers() -> None:
    envs = as_envs(toy_envs.Poisoned("observation", 3e38))
    envs.reset(0)
    steps = [envs.step(np.zeros(1, np.int32)) for _ in range(3)]
    assert steps[2].next_obs[0, 1] == np.float32(3e38)


def test_close_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(toy_envs.Counter, "close", lambda self: closed.append("closed"))
    make_envs("toy/Counter-v0", 2).close()
    assert closed == ["closed", "closed"]
