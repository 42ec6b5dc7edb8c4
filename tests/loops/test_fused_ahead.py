"""The fused loop runs on while its records are made: what begins when, told by workers that only count."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rlpair import DQNConfig
from rlpair.config import RunConfig
from rlpair.loops import fused
from rlpair.loops.fused import FusedLoop, SeedState
from rlpair.loops.seeds_jax import Chunk, Saved, Seeds
from rlpair.types import EnvSpec, Record


class CountingWorkers:
    """Agents whose episodes take 10 steps each; everything that they are asked for is written down."""

    def __init__(self) -> None:
        self.asked, self.running = list[str](), list[tuple[int, int]]()

    def call(self, method: str, *arguments: Any) -> list[Any]:
        self.asked.append(" ".join(map(str, (method, *arguments))))
        match method:
            case "begin":
                self.running.append(arguments)
                return [None]
            case "collect":
                start, stop = self.running.pop(0)
                episodes = np.array([(stop - start) // 10])
                return [Chunk(episodes, 10.0 * episodes, 10 * episodes, np.array([True]), {"loss/q": np.array([stop])})]
            case "evaluate":
                return [(np.zeros((1, 10)), np.zeros((1, 10), int), np.zeros((1, 10), bool))]
            case "save":
                return [[Saved({"agent": np.zeros(1)}, {"rest": np.zeros(1)})]]
        return [EnvSpec((4,), "float32", True, 2)]


def loop_of(**changes: Any) -> tuple[FusedLoop, CountingWorkers]:
    algo = DQNConfig(learning_starts=100, train_freq=1, gradient_steps=1, net_arch=(8,))
    small = {"total_timesteps": 1_000, "log_every": 250, "env": "CartPole-v1"}
    workers = CountingWorkers()
    return FusedLoop(RunConfig(algo=algo, mode="fused", **(small | changes)), workers), workers  # type: ignore[arg-type]


def told(records: Iterator[Record]) -> list[tuple[int, float]]:
    """env_steps and loss of the records of losses."""
    return [(r.env_steps, r.values["loss/q"]) for r in records if "loss/q" in r.values]


WHOLE = [(250, 250.0), (500, 500.0), (750, 750.0), (1_000, 1_000.0)]


def test_chunks_tell_in_the_order_in_which_they_began() -> None:
    algo = DQNConfig(learning_starts=20, train_freq=1, gradient_steps=1, batch_size=4, buffer_size=60, net_arch=(4,))
    config = RunConfig(algo=algo, env="CartPole-v1", mode="fused", num_seeds=2, total_timesteps=100)
    one, other = (Seeds(config, range(2)) for _ in range(2))
    expected = [one.run(0, 50), one.run(50, 80)]
    other.begin(0, 50)
    other.begin(50, 80)
    for mine, its in zip(expected, (other.collect(), other.collect()), strict=True):
        np.testing.assert_array_equal(mine.length_sum, its.length_sum)
        np.testing.assert_array_equal(mine.metrics["loss/q"], its.metrics["loss/q"])
    assert (expected[0].metrics["loss/q"] != expected[1].metrics["loss/q"]).all()


def test_the_next_chunk_runs_while_a_record_is_made() -> None:
    loop, workers = loop_of()
    records = iter(loop)
    assert next(records).env_steps == 250
    assert workers.asked == ["begin 0 250", "collect"]  # the first one compiles
    assert next(records).env_steps == 500
    assert workers.asked[2:] == ["begin 250 500", "begin 500 750", "collect"]
    assert (loop.env_steps, loop.num_updates) == (750, 650)
    assert next(records).env_steps == 750
    assert workers.asked[5:] == ["begin 750 1000", "collect"]
    assert [r.env_steps for r in records] == [1_000, 1_000]
    assert workers.asked[7:] == ["collect"]
    assert told(iter(loop_of()[0])) == WHOLE


def test_evaluations_and_checkpoints_meet_the_agents_where_they_are_due() -> None:
    loop, workers = loop_of(eval_every=500, checkpoint_every=750)
    for record in loop:
        if "eval/mean_return" in record.values or record.checkpoint:
            assert record.env_steps == loop.env_steps
            assert workers.running == []
    assert [x for x in workers.asked if x.startswith("evaluate")] == ["evaluate 500", "evaluate 1000"]


def test_long_chunks_begin_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "SHORT", -1.0)
    loop, workers = loop_of()
    assert told(iter(loop)) == WHOLE
    assert workers.asked == [x for k in range(0, 1_000, 250) for x in (f"begin {k} {k + 250}", "collect")]


def test_a_stop_waits_for_what_has_begun() -> None:
    loop, workers = loop_of(total_timesteps=10_000)
    steps = []
    for record in loop:
        steps.append(record.env_steps)
        if record.env_steps == 500:
            loop.stop()
    assert steps == [250, 500, 750, 750]
    assert loop.env_steps == 750
    assert workers.running == []


def test_a_state_at_any_record_is_of_the_chunk_that_runs_and_costs_no_record() -> None:
    loop, workers = loop_of()
    records, states = [], list[SeedState]()
    for record in loop:
        records.append(record)
        if record.env_steps == 500:
            states += loop.state_dicts()
            assert (loop.env_steps, workers.running) == (750, [])
    assert told(iter(records)) == WHOLE
    assert [r.values["rollout/episodic_length"] for r in records[:-1]] == [10.0] * 4
    assert [state.run["env_steps"] for state in states] == [750]
