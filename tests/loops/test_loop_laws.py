"""What the host loop chooses by itself: seeds, random actions, minibatches, which numbers are told, what is best.

Laws are tested at a stated p: the chance that a sound loop with another seed fails. The seeds here are fixed.
"""

import json
from typing import Any

import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from scipy import stats

from rlpair import DQNConfig, LoopConfig, Record, Transition, UpdateInfo
from rlpair.envs.host import HostEnvs, Step
from rlpair.envs.make import make_envs
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.loops import host as loop_module
from rlpair.loops.host import HostLoop, Stopwatch
from rlpair.replay.buffer import ReplayBuffer
from rlpair.seeding import integer, stream
from rlpair.types import EnvSpec

P = 1e-7  # of each test of a law
SPEC = EnvSpec((2,), "float32", True, 3)


class Line:
    """N environments whose observation is (vector step, environment). What they pay and where they end is a script.

    It stands in for HostEnvs and writes down what it is given.
    """

    def __init__(
        self, num_envs: int = 1, ends: Any = lambda step, env: False, pays: Any = lambda step, env: 1.0
    ) -> None:
        self.spec, self.num_envs, self.ends, self.pays = SPEC, num_envs, ends, pays
        self.seeds, self.actions = list[int](), list[np.ndarray]()
        self.step_count, self.truncates = 0, False
        self.restores: list[bool] = [True] * num_envs

    def reset(self, seed: int) -> np.ndarray:
        self.seeds.append(seed)
        return self._obs()

    def _obs(self) -> np.ndarray:
        return np.stack([np.full(self.num_envs, self.step_count), np.arange(self.num_envs)], 1).astype(np.float32)

    def step(self, action: np.ndarray) -> Step:
        self.actions.append(action)
        self.step_count += 1
        rows = range(self.num_envs)
        reward = np.array([self.pays(self.step_count, env) for env in rows], np.float32)
        ended = np.array([self.ends(self.step_count, env) for env in rows])
        never = np.zeros(self.num_envs, bool)
        return Step(self._obs(), reward, self._obs(), *((never, ended) if self.truncates else (ended, never)))

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(3, size=self.num_envs, dtype=np.int32)

    def state_dict(self) -> dict[str, Any]:
        return {"step_count": self.step_count}

    def load_state_dict(self, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        self.step_count = state["step_count"]
        return self._obs(), np.array(self.restores)

    def close(self) -> None:
        pass


class CountingAgent:
    """Its n-th update loses n. Acts 2 when it explores, else 1."""

    def __init__(self, **config: Any) -> None:
        self.config = DQNConfig(**{"learning_starts": 0, "batch_size": 4, "train_freq": 1, **config})
        self.num_updates = 0
        self.batches, self.env_steps = list[Transition](), list[Any]()

    def act(self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None) -> np.ndarray:
        if explore:
            self.env_steps.append(env_steps)
        return np.full(len(obs), 2 if explore else 1, np.int32)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        self.batches.append(batch)
        losses = self.num_updates + np.arange(1.0, len(batch.reward) + 1)
        self.num_updates += len(batch.reward)
        return UpdateInfo({"loss/q": losses}, np.zeros_like(batch.reward))


def make_loop(agent: Any, envs: Any, eval_envs: Any = None, capacity: int = 1000, **config: Any) -> HostLoop:
    replay = ReplayBuffer(capacity, envs.num_envs, envs.spec)
    return HostLoop(agent, envs, replay, LoopConfig(**{"log_every": 1000, **config}), eval_envs=eval_envs)


# Seeds


def test_every_purpose_has_a_stream_of_its_own() -> None:
    """Literal numbers: checkpoints and published runs begin with them."""
    assert [integer(0, "envs"), integer(1, "envs"), integer(0, "noise")] == [1150305081, 1779611895, 1991347136]
    assert [integer(0, "evaluation", 100), integer(0, "evaluation", 200)] == [777924820, 653963993]
    assert stream(0, "warm-up").integers(1000, size=4).tolist() == [976, 559, 198, 573]
    assert stream(0, "minibatch").integers(1000, size=4).tolist() == [537, 980, 618, 745]
    assert stream(1, "minibatch").integers(1000, size=4).tolist() == [703, 167, 998, 710]
    assert stream(0, "parameters", 3).integers(1000, size=4).tolist() == [467, 840, 261, 315]


@pytest.mark.parametrize(("seed", "expected"), [(0, 1150305081), (1, 1779611895)])
def test_the_environments_are_seeded_by_the_run(seed: int, expected: int) -> None:
    envs = Line(2)
    list(make_loop(CountingAgent(), envs, total_timesteps=4, seed=seed))
    assert envs.seeds == [expected]


def test_the_loop_draws_from_the_streams_of_its_seed() -> None:
    envs, agent = Line(2), CountingAgent(learning_starts=8, train_freq=2, gradient_steps=3)
    loop = make_loop(agent, envs, total_timesteps=12, seed=5)
    list(loop)
    warm_up, minibatch = stream(5, "warm-up"), stream(5, "minibatch")
    expected = [envs.sample_actions(warm_up).tolist() for _ in range(4)] + [[2, 2]] * 2
    assert [action.tolist() for action in envs.actions] == expected
    indices = minibatch.integers(12, size=(3, 4))  # once, after the sixth vector step
    (batch,) = agent.batches
    np.testing.assert_array_equal(batch.obs[..., 0], indices // 2)
    np.testing.assert_array_equal(batch.obs[..., 1], indices % 2)


def test_every_evaluation_starts_its_episodes_elsewhere() -> None:
    seeds = []
    for seed in (0, 1):
        eval_envs = Line(2, ends=lambda step, env: True)
        list(
            make_loop(CountingAgent(), Line(), eval_envs, total_timesteps=20, eval_every=10, eval_episodes=6, seed=seed)
        )
        assert len(eval_envs.seeds) == 2 * 3  # at steps 10 and 20, three times two episodes
        seeds += eval_envs.seeds
    assert len(set(seeds)) == 12
    assert seeds[:2] == [integer(integer(0, "evaluation", 10), "evaluation", first) for first in (0, 2)]


# Warm-up actions


@pytest.mark.parametrize(("env", "start"), [("toy/Counter-v0", 0), ("toy/StartAtMinusOne-v0", -1)])
def test_random_actions_are_uniform_over_all_there_are(env: str, start: int) -> None:
    envs, rng = make_envs(env, 3), np.random.default_rng(0)
    actions = np.array([envs.sample_actions(rng) for _ in range(6000)]) - start  # (T, N)
    assert_uniform(actions, 3)
    for one, other in [(actions[:, 0], actions[:, 1]), (actions[:, 1], actions[:, 2]), (actions[1:], actions[:-1])]:
        assert_uniform(one * 3 + other, 9)  # each pair of environments, and of steps
    envs.close()


def test_random_actions_fill_the_box() -> None:
    envs, rng = make_envs("toy/BoxCounter-v0", 2), np.random.default_rng(0)
    low, high = np.array(envs.spec.action_low), np.array(envs.spec.action_high)
    share = (np.array([envs.sample_actions(rng) for _ in range(4000)]) - low) / (high - low)  # (T, N, A)
    for column in share.reshape(len(share), -1).T:
        assert stats.kstest(column, "uniform").pvalue > P
    apart = np.corrcoef(share.reshape(len(share), -1).T) - np.eye(8)
    assert np.abs(apart).max() < 5.5 / np.sqrt(4000)  # p below 4e-8 for each of 28 pairs
    envs.close()


def assert_uniform(values: np.ndarray, cells: int) -> None:
    """Integers from 0 to cells - 1, each as likely as the others (chi-square), every one seen."""
    counts = np.bincount(values.ravel(), minlength=cells)
    assert len(counts) == cells
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > P


# Minibatches


@pytest.mark.parametrize("num_envs", [1, 2, 3])
@pytest.mark.parametrize("rows_added", [1, 5, 7, 8, 9, 11, 16, 21])
def test_minibatches_are_uniform_over_what_the_replay_holds(num_envs: int, rows_added: int) -> None:
    """Eight rows: before they are full, when they just are, and wherever the next one goes."""
    replay = ReplayBuffer(8 * num_envs + num_envs - 1, num_envs, SPEC)
    for row in range(rows_added):
        number = row * num_envs + np.arange(num_envs)
        obs = np.stack([number, number], 1).astype(np.float32)
        action, reward, terminated = number.astype(np.int32), number.astype(np.float32), np.zeros(num_envs, np.float32)
        replay.add(Transition(obs, action, reward, obs, terminated), np.zeros(num_envs, bool))
    batch, indices = replay.sample(50, 400, np.random.default_rng(rows_added))
    oldest = max(0, rows_added - 8) * num_envs
    held = rows_added * num_envs - oldest
    assert indices.min() == 0
    assert indices.max() == held - 1 == len(replay) - 1
    if held > 1:
        assert_uniform(batch.reward.astype(int) - oldest, held)
        assert len({tuple(row) for row in indices.tolist()}) == 400 or held < 4  # each update has its own


# What is told


@pytest.mark.parametrize(("num_envs", "train_freq", "gradient_steps", "losses"), [
    (1, 1, 1, [4, 8, 12]),
    (1, 2, 3, [6, 12, 18]),
    (3, 2, -1, [6, 12]),
])  # fmt: skip
def test_the_metrics_are_those_of_the_last_update(
    num_envs: int, train_freq: int, gradient_steps: int, losses: list[float]
) -> None:
    agent = CountingAgent(train_freq=train_freq, gradient_steps=gradient_steps)
    records = list(make_loop(agent, Line(num_envs), total_timesteps=12, log_every=4 if num_envs == 1 else 6))
    assert [record.values["loss/q"] for record in records if record.values] == losses


def test_rates_are_since_the_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module.time, "perf_counter", iter([0.0, 2.0, 3.0, 4.0, 6.0]).__next__)
    stopwatch = Stopwatch(100, 10)
    first = stopwatch.lap(200, 20)
    with stopwatch.paused():  # from 3 to 4
        pass
    second = stopwatch.lap(230, 26)
    tags = ("throughput/env_steps_per_second", "throughput/updates_per_second")
    assert [first[tag] for tag in tags] == [50, 5]
    assert [second[tag] for tag in tags] == [10, 2]  # of 3 seconds: from 2 to 6 but one


def test_neither_evaluations_nor_checkpoints_count_as_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second when it is read, by a hundred in an evaluation and while a file is written."""
    now = [0.0]

    def tick(seconds: float = 1.0) -> float:
        now[0] += seconds
        return now[0]

    class Slow(Line):
        def reset(self, seed: int) -> np.ndarray:
            tick(100)
            return super().reset(seed)

    monkeypatch.setattr(loop_module.time, "perf_counter", tick)
    eval_envs = Slow(ends=lambda step, env: True)
    times = {"total_timesteps": 40, "log_every": 10, "eval_every": 10, "checkpoint_every": 10, "eval_episodes": 1}
    loop = make_loop(CountingAgent(), Line(2), eval_envs, **times)
    rates = []
    for record in loop:
        if record.checkpoint:
            tick(100)
        rates += [x for tag, x in record.values.items() if tag == "throughput/env_steps_per_second"]
    assert len(rates) == 4
    assert min(rates) > 1  # ten steps in a few readings of the clock, not in a hundred seconds


@pytest.mark.parametrize("truncates", [False, True])
def test_the_episodes_of_a_record_are_those_since_the_last(truncates: bool) -> None:
    """Two environments that end at other times, three vector steps a record: sums, counts and lengths apart."""
    envs = Line(2, ends=lambda step, env: step % (2 + env) == 0, pays=lambda step, env: 10.0**env)
    envs.truncates = truncates
    records = list(make_loop(CountingAgent(), envs, total_timesteps=12, log_every=6))
    told = [
        [record.values[f"rollout/episodic_{what}"] for what in ("return", "length")]
        for record in records
        if record.values
    ]
    # by vector step 3: one of return 2 (env 0, at 2), one of 30 (env 1, at 3); by 6: 2, 2 (at 4 and 6) and 30 (at 6)
    assert told == [[16, 2.5], [34 / 3, 7 / 3]]


def test_a_number_that_is_none_in_an_evaluation_says_where() -> None:
    eval_envs = make_envs("toy/Poisoned-v0", env_kwargs={"where": "reward", "value": float("nan")})
    loop = make_loop(CountingAgent(), Line(), eval_envs, total_timesteps=10, eval_every=5, eval_episodes=1)
    with pytest.raises(NonFiniteError) as error:
        list(loop)
    assert str(error.value) == "reward of environment 0 is nan at step 3 of an evaluation at env step 5"


def test_a_period_of_one_is_every_step() -> None:
    times = {"log_every": 1, "eval_every": 1, "checkpoint_every": 1, "eval_episodes": 1}
    loop = make_loop(CountingAgent(), Line(), scripted([1.0, 2, 3]), total_timesteps=3, **times)
    told = [(r.env_steps, "loss/q" in r.values, "eval/mean_return" in r.values, r.checkpoint) for r in loop]
    logged, evaluated, saved = (True, False, False), (False, True, False), (False, False, True)
    assert told == [(step, *what) for step in (1, 2, 3) for what in (logged, evaluated, saved)]


# The best


def evaluations(loop: HostLoop) -> list[tuple[int, float, bool]]:
    """(env steps, mean return, best) of each evaluation."""
    tag = "eval/mean_return"
    return [(r.env_steps, r.values[tag], r.best) for r in loop if tag in r.values]


def scripted(returns: list[float]) -> Line:
    """Each episode is a step, and pays the next of these."""
    return Line(ends=lambda step, env: True, pays=lambda step, env: returns[step - 1])


def test_best_is_what_no_evaluation_before_has_reached() -> None:
    times: dict[str, Any] = {"total_timesteps": 60, "eval_every": 10, "eval_episodes": 2}
    returns = [-5.0, -3, -9, -1, -4, -2, 0, -8, -3, -4, 8, 0]  # means -4, -5, -3, -4, -3.5, 4
    loop = make_loop(CountingAgent(), Line(), scripted(returns), **times)
    assert evaluations(loop) == [
        (10, -4, True),
        (20, -5, False),
        (30, -3, True),
        (40, -4, False),
        (50, -3.5, False),  # better than the last, and not than the best
        (60, 4, True),
    ]


def test_the_spread_of_an_evaluation_is_its_standard_deviation() -> None:
    times: dict[str, Any] = {"total_timesteps": 10, "eval_every": 10, "eval_episodes": 4}
    record = next(iter(make_loop(CountingAgent(), Line(), scripted([1.0, 1, 9, 9]), **times)))
    assert record == Record(10, {"eval/mean_return": 5.0, "eval/std_return": 4.0}, best=True)


# Going on


def test_a_loop_that_goes_on_remembers_the_best_the_metrics_and_the_episodes() -> None:
    times: dict[str, Any] = {"eval_every": 10, "eval_episodes": 1, "log_every": 5}
    config: dict[str, Any] = {"train_freq": 8}
    first = make_loop(CountingAgent(**config), Line(2), scripted([7.0]), total_timesteps=18, **times)
    list(first)
    state = json.loads(json.dumps(first.state_dict()))
    assert state["episode_return"] == [9, 9]
    assert state["metrics"] == {"loss/q": 1.0}

    second = make_loop(CountingAgent(**config), Line(2), scripted([6.0, 8]), total_timesteps=30, **times)
    second.envs.restores = [True, False]  # type: ignore[attr-defined]
    assert second.load_state_dict(state).tolist() == [True, False]
    assert second.episode_return.tolist() == [9, 0]  # what cannot be restored begins anew
    assert second.episode_length.tolist() == [9, 0]
    records = list(second)
    assert [(r.values["eval/mean_return"], r.best) for r in records if "eval/mean_return" in r.values] == [
        (6, False),
        (8, True),
    ]
    assert [r.values["loss/q"] for r in records if "loss/q" in r.values] == [1, 1, 1]  # none since: at 20, 25 and 30


def test_a_loop_that_goes_on_draws_what_would_have_come_next() -> None:
    first, second = (make_loop(CountingAgent(), Line(), total_timesteps=8) for _ in range(2))
    for generator in (first.warm_up_rng, first.minibatch_rng):
        generator.random(5)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.warm_up_rng.random(4).tolist() == first.warm_up_rng.random(4).tolist()
    assert second.minibatch_rng.random(4).tolist() == first.minibatch_rng.random(4).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episode_return": [0.0]}, "the episode_return is of 1 environments, and here are 2"),
        ({"episode_length": [0, 0, 0]}, "the episode_length is of 3 environments, and here are 2"),
        ({"env_steps": 5}, "env_steps=5 is not a multiple of num_envs=2"),
    ],
)
def test_a_state_of_other_environments_is_refused_and_changes_nothing(change: dict[str, Any], message: str) -> None:
    first = make_loop(CountingAgent(), Line(2), total_timesteps=6)
    list(first)
    loop = make_loop(CountingAgent(), Line(2), total_timesteps=8)
    before = json.dumps(loop.state_dict())
    with pytest.raises(CheckpointError) as error:
        loop.load_state_dict(first.state_dict() | change)
    assert str(error.value) == message
    assert json.dumps(loop.state_dict()) == before


def test_an_agent_that_has_made_one_update_is_experienced() -> None:
    agent = CountingAgent(learning_starts=4)
    agent.num_updates = 1
    list(make_loop(agent, Line(), total_timesteps=6))
    assert agent.env_steps == [None] * 6  # acts by its own policy, schedules at their end, from the first step on


def test_environments_that_are_restored_keep_the_seed_of_the_next_reset() -> None:
    envs = make_envs("toy/Hidden-v0", 2)  # which cannot be restored
    envs.reset(11)
    first = envs.state_dict()
    envs.reset(12)
    second = envs.state_dict()
    assert (first["seed"], second["seed"]) == (integer(11, "envs"), integer(12, "envs"))
    again = make_envs("toy/Hidden-v0", 2)
    again.load_state_dict(second)
    assert again.state_dict()["seed"] == integer(second["seed"], "envs")  # and another one after each resume
    for each in (envs, again):
        each.close()


def test_host_envs_are_what_the_line_stands_for() -> None:
    public = {name for name in vars(HostEnvs) if not name.startswith("_")}
    assert public <= set(dir(Line))
