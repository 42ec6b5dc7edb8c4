"""A storage and a sampler from outside, in the host loop: against plain loops, and what the seam promises them."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from loop_fakes import FakeAgent
from own_replays import SAMPLER, STORAGE, WALK, Model, NStep, literal_steps, td_error_of, walked

import rlpair
from rlpair import DQNConfig, LoopConfig, SACConfig, Transition, UpdateInfo
from rlpair.replay.buffer import ReplayBuffer
from rlpair.replay.span import Span
from rlpair.seeding import stream


class Walk(gym.Env[np.ndarray, Any]):
    """x -> (5 x + action + 1) mod 23, which pays x; terminal where it is below 4, cut after five steps."""

    observation_space, action_space = spaces.Box(0, 100, (2,), np.float32), spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.x, self.count = int(self.np_random.integers(4, 23)), 0
        return np.array([self.x, self.count], np.float32), {}

    def step(self, action: Any) -> Any:
        self.x, self.count = (5 * self.x + int(action) + 1) % 23, self.count + 1
        return np.array([self.x, self.count], np.float32), float(self.x), self.x < 4, self.count == 5, {}


def walks(num_envs: int) -> SyncVectorEnv:
    return SyncVectorEnv([Walk] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


class Deferred:
    """A TD error that is still being computed, as far as one can tell; says when it is looked at."""

    def __init__(self, values: np.ndarray, told: list[str]) -> None:
        self.values, self.told = values, told

    def cpu(self) -> np.ndarray:
        self.told.append("look")
        return self.values


class TellingAgent(FakeAgent):
    """Its TD errors are td_error_of's, and it says when it updates."""

    def __init__(self, **config: Any) -> None:
        super().__init__(spec=WALK, **config)
        self.told = list[str]()

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        self.told.append("update")
        discount = 0.5 * (1 - batch.terminated) if batch.discount is None else batch.discount
        return super().update(batch)._replace(td_error=Deferred(td_error_of(batch.reward, discount), self.told))


class Watched(ReplayBuffer):
    """Writes down what goes in, and when it is asked."""

    def __init__(self, *arguments: Any, told: list[str], **parts: Any) -> None:
        super().__init__(*arguments, **parts)
        self.told, self.steps = told, list[Any]()

    def add(self, transition: Transition, truncated: np.ndarray) -> None:
        self.told.append("add")
        self.steps.append(list(zip(*(x.tolist() for x in (*transition[:5], truncated)), strict=True)))
        super().add(transition, truncated)

    def sample(self, *arguments: Any) -> Any:
        self.told.append("sample")
        return super().sample(*arguments)


@pytest.mark.parametrize(
    ("num_envs", "rows", "frequency", "updates", "n"), [(1, 50, 1, 1, 3), (2, 11, 3, 2, 3), (3, 7, 2, 3, 2)]
)
def test_the_host_loop_is_a_plain_one(num_envs: int, rows: int, frequency: int, updates: int, n: int) -> None:
    """Every minibatch of a prioritized n-step replay, draw by draw, before the storage is full and long after."""
    starts, total, batch_size, seed = 6 * num_envs, 45 * num_envs, 4, 3
    settings = {"learning_starts": starts, "train_freq": frequency, "gradient_steps": updates}
    agent = TellingAgent(batch_size=batch_size, **settings)
    storage, sampler = partial(NStep, n=n, gamma=0.5), SAMPLER
    replay = Watched(rows * num_envs, num_envs, WALK, told=agent.told, storage=storage, sampler=sampler)
    list(rlpair.run(agent, walks(num_envs), LoopConfig(total_timesteps=total, seed=seed), replay=replay))

    model, rng, rounds = Model(rows, num_envs, n=n, gamma=0.5, alpha=0.6, beta=0.4), stream(seed, "minibatch"), 0
    for number, step in enumerate(replay.steps, 1):
        model.add(step)
        if number * num_envs <= starts or number % frequency:
            continue
        batch, heard = agent.batches[rounds], []
        for u, uniform in enumerate(rng.random((updates, batch_size)).tolist()):
            which, expected = model.sample(uniform)
            heard.append((which, [td_error_of(row[2], row[4]) for row in expected]))
            columns = (batch.obs, batch.action, batch.reward, batch.next_obs, batch.discount, batch.weight)
            for column, values in zip(columns, zip(*expected, strict=True), strict=True):
                np.testing.assert_allclose(column[u], values, rtol=1e-6)
        for told in heard:
            model.feedback(*told)
        rounds += 1
    assert rounds == len(agent.batches) > 10
    replay.state_dict()  # the sampler has heard all
    heard_by: Any = replay.sampler
    for (t, env), priority in model.priority.items():
        if t >= len(replay.steps) - rows:
            np.testing.assert_allclose(heard_by.priorities[t % rows, env], priority, rtol=1e-12)
    weights = np.concatenate([batch.weight for batch in agent.batches])
    assert (weights.max(-1) == 1).all()
    assert weights.min() < 0.8  # they do differ
    ends = [(step[4], step[5]) for steps in replay.steps for step in steps]
    assert {(1.0, False), (0.0, True), (0.0, False)} <= set(ends)


def test_td_errors_are_looked_at_when_the_next_minibatches_are_drawn() -> None:
    agent = TellingAgent(learning_starts=2, train_freq=2)
    replay = Watched(20, 1, WALK, told=agent.told, sampler=SAMPLER)
    list(rlpair.run(agent, walks(1), LoopConfig(total_timesteps=6), replay=replay))
    assert agent.told == ["add"] * 4 + ["sample", "update", "add", "add", "sample", "look", "update"]
    replay.state_dict()  # what is saved is whole
    assert agent.told[-2:] == ["update", "look"]


def test_uniform_sampling_looks_at_no_td_error_and_gives_no_weights() -> None:
    agent = TellingAgent(learning_starts=0)
    replay = Watched(20, 1, WALK, told=agent.told)
    list(rlpair.run(agent, walks(1), LoopConfig(total_timesteps=9), replay=replay))
    replay.state_dict()
    assert "look" not in agent.told
    assert [(batch.weight, batch.discount) for batch in agent.batches] == [(None, None)] * 9


class Least:
    """No more than a replay must have."""

    def __init__(self) -> None:
        self.last: Any = None

    def add(self, transition: Transition, truncated: np.ndarray) -> None:
        self.last = transition

    def sample(self, batch_size: int, num_batches: int, rng: np.random.Generator) -> tuple[Transition, Any]:
        batch = Transition(*[np.stack([x[[0] * batch_size]] * num_batches) for x in self.last[:5]])
        return batch, ("this", num_batches)

    def state_dict(self) -> dict[str, np.ndarray]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        pass


class Hearing(Least):
    """And what it may have."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = list[Any]()

    def feedback(self, which: Any, td_error: Any) -> None:
        self.heard.append((which, td_error))


def test_an_own_replay_may_hear_td_errors_and_need_not() -> None:
    for replay in (Least(), Hearing()):
        agent = TellingAgent(learning_starts=1, gradient_steps=2)
        list(rlpair.run(agent, walks(1), LoopConfig(total_timesteps=4), replay=replay))
        assert agent.num_updates == 6
        assert "look" not in agent.told
    assert [which for which, _ in replay.heard] == [("this", 2)] * 3  # type: ignore[attr-defined]
    assert all(isinstance(td_error, Deferred) for _, td_error in replay.heard)  # type: ignore[attr-defined]


def test_windows_by_hand() -> None:
    replay, (steps, windows) = ReplayBuffer(8, 1, WALK, storage=STORAGE), literal_steps()
    walked(replay, steps[:2], 0)
    with pytest.raises(ValueError, match=r"^the replay has nothing to draw from: add transitions before sampling$"):
        replay.sample(1, 1, np.random.default_rng(0))
    walked(replay, steps[2:8], 2)
    for first, last in ((0, 5), (2, 7)):
        batch, indices = replay.sample(200, 1, np.random.default_rng(0))
        number = batch.obs[0, :, 0].astype(int)
        assert batch.discount is not None
        assert set(number) == set(range(first, last + 1))
        np.testing.assert_array_equal(indices[0], number % 8)
        found = np.stack([batch.reward[0], batch.next_obs[0, :, 0], batch.discount[0]], -1)
        np.testing.assert_array_equal(found, np.array(windows, float)[number])
        walked(replay, steps[8:], 8)  # over the first two


def test_a_span_goes_round_its_storage() -> None:
    span = Span(4, 6, 4)
    assert span.index_of(np.arange(4)).tolist() == [4, 5, 0, 1]
    assert span.holds(np.arange(6)).tolist() == [True, True, False, False, True, True]
    assert Span(4, 6).index_of(np.arange(4)).tolist() == [0, 1, 2, 3]
    assert Span(4, 6).holds(np.arange(6)).tolist() == [True, True, True, True, False, False]


# In both backends

TINY: dict[str, Any] = {"net_arch": (8,), "batch_size": 8, "learning_starts": 20, "train_freq": 2, "gradient_steps": 2}


def learned(backend: str, **parts: Any) -> Any:
    """An agent that has learned a while by its own policy, without exploring; and its training."""
    config = DQNConfig(**TINY, exploration_initial_eps=0, exploration_final_eps=0)
    agent = rlpair.make_agent("dqn", backend=backend, env=WALK, config=config, dtype="float64")
    replay = ReplayBuffer(40, 2, WALK, **parts)
    training = rlpair.run(agent, walks(2), LoopConfig(total_timesteps=120, seed=1), replay=replay)
    list(training)
    return agent, training


def test_twins_stay_equal_with_priorities_of_their_own() -> None:
    parts = {"storage": STORAGE, "sampler": SAMPLER}
    (one, its), (other, others) = learned("torch", **parts), learned("jax", **parts)
    mine, state = one.state_dict(), other.state_dict()
    for name in mine.keys() & state.keys():
        np.testing.assert_allclose(mine[name], state[name], 1e-9, 1e-9, err_msg=name)
    assert (one.num_updates, other.num_updates) == (50, 50)
    np.testing.assert_allclose(its.replay.sampler.priorities, others.replay.sampler.priorities, 1e-9)
    assert len(np.unique(its.replay.sampler.priorities)) > 10
    plain, _ = learned("torch")
    assert np.abs(plain.state_dict()["q.0.0.weight"] - mine["q.0.0.weight"]).max() > 1e-3


def test_two_critics_have_one_td_error_for_each_transition() -> None:
    spec = rlpair.EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))
    agent = rlpair.make_agent("sac", backend="torch", env=spec, config=SACConfig(**TINY))
    replay = ReplayBuffer(100, 1, spec, sampler=SAMPLER)
    list(rlpair.run(agent, "Pendulum-v1", LoopConfig(total_timesteps=24), replay=replay))
    assert replay.sampler.state_dict()["priorities"].shape == (100, 1)
    assert len(np.unique(replay.sampler.state_dict()["priorities"])) > 5
