"""What the host loop tells: metrics, episodes, rates, what is best; and what it remembers when it goes on."""

import json
import time
from typing import Any

import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from loop_line import CountingAgent, Line, make_loop

from rlpair import Record
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import make_envs
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.loops.host import HostLoop, Stopwatch
from rlpair.seeding import integer


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
    monkeypatch.setattr(time, "perf_counter", iter([0.0, 2.0, 3.0, 4.0, 6.0]).__next__)
    stopwatch = Stopwatch(100, 10)
    first = stopwatch.lap(200, 20)
    with stopwatch.paused():  # from 3 to 4
        pass
    second = stopwatch.lap(230, 26)
    tags = ("throughput/env_steps_per_second", "throughput/updates_per_second")
    assert [first[tag] for tag in tags] == [50, 5]
    assert [second[tag] for tag in tags] == [10, 2]  # of 3 seconds: from 2 to 6 but one


def test_the_first_rates_after_a_resume_are_of_what_was_done_since(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, times = CountingAgent(), {"total_timesteps": 20, "log_every": 10}
    loop, later = (make_loop(agent, Line(), **times) for _ in range(2))
    next(loop)
    later.load_state_dict(loop.state_dict())
    monkeypatch.setattr(time, "perf_counter", iter([0.0, 2.0]).__next__)
    record = next(later)
    assert record.env_steps == 20
    assert record.values["throughput/env_steps_per_second"] == 5
    assert record.values["throughput/updates_per_second"] == 5


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

    monkeypatch.setattr(time, "perf_counter", tick)
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
