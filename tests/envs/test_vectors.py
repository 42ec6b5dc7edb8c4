"""Vector environments of others, taken as they are: Gymnasium's own classes, ALE's, envpool's."""

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper

from rlpair import DQNConfig, LoopConfig, evaluate_agent, make_agent, run
from rlpair.envs.frames import with_frames_last
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import as_envs
from rlpair.envs.resets import who_resets
from rlpair.envs.spec import env_spec
from rlpair.types import EnvSpec

PONG = EnvSpec((84, 84, 4), "uint8", True, 6, frame_stack=4)
FRAMES = 80  # of the emulator, or a fourth of it in steps: a short episode


def ale(**options: Any) -> VectorEnv:
    ale_py = pytest.importorskip("ale_py")
    gym.register_envs(ale_py)
    return gym.make_vec("ALE/Pong-v5", 2, max_num_frames_per_episode=FRAMES, **options)


def pool(env_id: str = "Pong-v5", **options: Any) -> VectorEnv:
    envpool = pytest.importorskip("envpool")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return envpool.make(env_id, env_type="gymnasium", num_envs=2, seed=1, **options)


def cart_pole() -> VectorEnv:
    return gym.make_vec("CartPole-v1", 2)


VECTORS: dict[str, Callable[[], VectorEnv]] = {
    "ale": ale,
    "envpool": lambda: pool(max_episode_steps=FRAMES // 4),
    "envpool, CartPole": lambda: pool("CartPole-v1"),
    "CartPole": cart_pole,
}
pytestmark = pytest.mark.filterwarnings("ignore:EnvPool seeds are fixed:UserWarning", "ignore:.*precision lowered")


def steps_of(envs: HostEnvs, count: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [envs.step(envs.sample_actions(rng)) for _ in range(count)]


def bare(kind: type[VectorEnv], mode: AutoresetMode | None, **attributes: Any) -> VectorEnv:
    """What who_resets sees of a vector environment: nothing in it is made."""
    envs = kind.__new__(kind)
    envs.metadata, envs.spec = {"autoreset_mode": mode}, None
    for name, value in attributes.items():
        setattr(envs, name, value)
    return envs


@pytest.mark.parametrize(
    ("kind", "mode", "attributes", "who"),
    [
        (SyncVectorEnv, AutoresetMode.SAME_STEP, {}, "same step"),
        (SyncVectorEnv, AutoresetMode.NEXT_STEP, {}, "rlpair"),
        (SyncVectorEnv, AutoresetMode.DISABLED, {}, "rlpair"),
        (AsyncVectorEnv, AutoresetMode.NEXT_STEP, {"shared_memory": True}, "rlpair"),
        (AsyncVectorEnv, AutoresetMode.NEXT_STEP, {"shared_memory": False}, "next step"),
        (AsyncVectorEnv, AutoresetMode.DISABLED, {"shared_memory": False}, "rlpair"),
        (AsyncVectorEnv, AutoresetMode.SAME_STEP, {"shared_memory": False}, "same step"),
        (VectorEnv, AutoresetMode.NEXT_STEP, {}, "next step"),
    ],
)
def test_who_resets_what(kind: type[VectorEnv], mode: AutoresetMode, attributes: dict[str, Any], who: str) -> None:
    assert who_resets(bare(kind, mode, closed=True, **attributes)) == who


@pytest.mark.parametrize("name", VECTORS)
def test_the_observation_of_a_step_follows_from_the_one_before(name: str) -> None:
    """A row that is reset stands at the beginning of an episode, and is none of the transitions."""
    envs = as_envs(VECTORS[name]())
    before, resets, ends = envs.reset(0), 0, 0
    for step in steps_of(envs, 120):
        happened = np.ones(2, bool) if step.happened is None else step.happened
        resets += int((~happened).sum())
        if envs.spec.frame_stack == 4:
            follows = (step.next_obs[..., :3] == before[..., 1:]).reshape(2, -1).all(axis=1)
        else:  # a cart moves by a fiftieth of its speed
            follows = abs(step.next_obs[:, 0] - before[:, 0] - 0.02 * before[:, 1]) < 1e-5
        assert follows[happened].all()
        np.testing.assert_array_equal(step.obs, step.next_obs)
        ends += int((step.terminated | step.truncated).sum())
        before = step.obs
    assert ends - 2 <= resets <= ends
    assert resets >= 4


class Generous(VectorWrapper):
    """Pays 1 in every step, also in one that only resets, and says there that an episode ended."""

    def step(self, actions: Any) -> Any:
        obs, reward, terminated, truncated, infos = self.env.step(actions)
        return obs, np.ones_like(reward), terminated, truncated | (reward == 0), infos


def test_what_a_reset_pays_is_nobodys() -> None:
    """CartPole pays 1 in every step but those."""
    envs = as_envs(Generous(cart_pole()))
    envs.reset(0)
    for step in steps_of(envs, 100):
        happened = np.ones(2, bool) if step.happened is None else step.happened
        np.testing.assert_array_equal(step.reward, happened)
        assert not step.truncated.any()


@pytest.mark.parametrize(("make", "spec"), [(ale, PONG), (pool, PONG)], ids=["ale", "envpool"])
def test_frames_come_last(make: Callable[[], VectorEnv], spec: EnvSpec) -> None:
    vector = make()
    assert env_spec(vector) == as_envs(vector).spec == spec
    raw = vector.reset()[0]
    moved, _ = with_frames_last(make()).reset()
    assert (raw.shape, moved.shape) == ((2, 4, 84, 84), (2, 84, 84, 4))


def test_what_stacks_its_frames_last_already_stays_as_it_is() -> None:
    once = with_frames_last(ale())
    assert with_frames_last(once) is once
    assert with_frames_last(vector := cart_pole()) is vector


class Arcade(VectorEnv):
    """As envpool's are, in SAME_STEP: two rows of frames that count, over at 3."""

    config, metadata = {"stack_num": 2}, {"autoreset_mode": AutoresetMode.SAME_STEP}
    single_observation_space, single_action_space = spaces.Box(0, 9, (2, 3, 4), np.uint8), spaces.Discrete(2)
    num_envs = 2

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.count = np.array([0, 1])
        return self._frames(self.count), {}

    def step(self, _: Any) -> Any:
        self.count += 1
        ended, final = self.count == 3, self._frames(self.count)
        self.count[ended] = 0
        finals = np.array([frames if end else None for frames, end in zip(final, ended, strict=True)], object)
        return (
            self._frames(self.count),
            np.ones(2),
            ended,
            np.zeros(2, bool),
            {"final_obs": finals} if any(ended) else {},
        )

    def _frames(self, count: np.ndarray) -> np.ndarray:  # (2, 2, 3, 4): the last one, and this one
        both = np.stack([np.maximum(count - 1, 0), count], axis=1).astype(np.uint8)
        return np.broadcast_to(both[:, :, None, None], (2, 2, 3, 4))


def test_the_last_frames_of_an_episode_come_last_too() -> None:
    envs = as_envs(Arcade())
    assert envs.reset(0)[:, 1, 1].tolist() == [[0, 0], [0, 1]]
    envs.step(np.zeros(2, np.int64))
    step = envs.step(np.zeros(2, np.int64))
    assert step.next_obs[:, 2, 3].tolist() == [[1, 2], [2, 3]]
    assert step.obs[:, 2, 3].tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("name", VECTORS)
def test_a_training_and_an_evaluation(name: str) -> None:
    make = VECTORS[name]
    config = DQNConfig(net_arch=(4,), encoder="none", batch_size=4, learning_starts=20, buffer_size=200)
    agent: Any = make_agent("dqn", backend="torch", env=make(), config=config)
    training = run(agent, make(), LoopConfig(120, log_every=40))
    lengths = [record.values.get("rollout/episodic_length", 0) for record in training]
    assert training.env_steps == 120
    assert len(training.replay) == 120  # type: ignore[arg-type]
    if name == "envpool":
        assert set(lengths) <= {0, FRAMES / 4}
        assert evaluate_agent(agent, make(), 2).lengths.tolist() == [FRAMES / 4] * 2
