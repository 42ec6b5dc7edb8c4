"""What the fused loop tells of its seeds, which are best, what it saves: over workers that follow a script."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved import load_checkpoint

from rlpair import DQNConfig, EnvSpec, Record
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.loops.fused import FusedLoop, SeedState, spread_over_seeds
from rlpair.loops.seeds_jax import Chunk, Saved
from rlpair.runs.fused_run import FusedRun

SPEC = EnvSpec((2,), "float32", True, 2)


class Script:
    """Stands for Workers: two of them, of two seeds and of one.

    In each round the k-th seed ends an episode of return 100 * k + round and of k + 1 steps.
    Its loss after round r is 10 * r + k.
    """

    def __init__(self, returns: Any = lambda env_steps: np.zeros((3, 2)), odd: dict[int, str] | None = None) -> None:
        self.returns, self.odd = returns, odd or {}
        self.chunks, self.asked = list[tuple[int, int]](), list[tuple[Any, ...]]()

    def call(self, method: str, *arguments: Any, each: Any = None) -> list[Any]:
        self.asked.append((method, *arguments, *([] if each is None else [each])))
        if method == "begin":
            self.chunks.append(arguments)  # type: ignore[arg-type]
            return [None, None]
        if method == "collect":
            return self._split(*self._chunk(*self.chunks.pop(0)))
        if method == "evaluate":
            returns = self.returns(*arguments)
            return [(part, np.ones_like(part, np.int64), np.zeros_like(part, bool)) for part in np.split(returns, [2])]
        if method == "save":
            saved = [Saved({"q.0.0.weight": np.full((2, 2), k, np.float32)}, {}) for k in range(3)]
            return [saved[:2], saved[2:]]
        answers: dict[str, list[Any]] = {"get_spec": [SPEC, SPEC], "count": [2, 1], "load": [None, None]}
        return answers[method]

    def _chunk(self, start: int, stop: int) -> tuple[Any, ...]:
        rounds, seeds = stop - start, np.arange(3)
        sums = np.array([sum(100 * k + r for r in range(start + 1, stop + 1)) for k in seeds], np.float64)
        finite = np.array([self.odd.get(stop) != "reward" or k != 1 for k in seeds])
        loss = 10.0 * stop + seeds
        loss[2] = np.nan if self.odd.get(stop) == "loss" else loss[2]
        return np.full(3, rounds), sums, (1 + seeds) * rounds, finite, loss

    def _split(self, *parts: np.ndarray) -> list[Chunk]:
        *rest, loss = parts
        return [Chunk(*(x[part] for x in rest), {"loss/q": loss[part]}) for part in (slice(0, 2), slice(2, 3))]


def loop_of(script: Script, gradient_steps: int = 2, **changes: Any) -> FusedLoop:
    """Three seeds from 5 on; a round is 2 vector steps of 3 environments, and two updates from the third round on."""
    algo = DQNConfig(learning_starts=15, train_freq=2, gradient_steps=gradient_steps, batch_size=4, buffer_size=60)
    settings = {"total_timesteps": 60, "log_every": 12, "seed": 5, "num_seeds": 3, "num_envs": 3} | changes
    config = RunConfig(algo=algo, env="CartPole-v1", mode="fused", **settings)
    return FusedLoop(config, script)  # type: ignore[arg-type]


def told(loop: FusedLoop) -> list[Record]:
    """Records without clocks."""
    return [r._replace(values={t: x for t, x in r.values.items() if "throughput" not in t}) for r in loop]


def test_metrics_and_episodes_are_means_over_all_seeds() -> None:
    first, *_, last, end = told(loop_of(Script()))
    assert (first.env_steps, last.env_steps, end) == (12, 60, Record(60, {}, checkpoint=True))
    assert "loss/q" not in first.values  # nothing is learned yet: 12 steps of 15
    assert last.values["loss/q"] == 101  # of 100, 101 and 102 after round 10
    assert last.values["rollout/episodic_return"] == 109.5  # of 9.5, 109.5 and 209.5: rounds 9 and 10
    assert [last.values[f"seed_{seed}/rollout/episodic_return"] for seed in (5, 6, 7)] == [9.5, 109.5, 209.5]
    assert last.values["rollout/episodic_length"] == 2  # of 1, 2 and 3
    assert last.values["rollout/iqm"] == 109.5
    assert 9.5 <= last.values["rollout/iqm_low"] < 109.5 < last.values["rollout/iqm_high"] <= 209.5


def test_every_seed_counts_alike_however_many_episodes_it_has_had() -> None:
    loop = loop_of(Script())
    loop.ended = np.array([[1.0, 3, 0], [10, 60, 0], [4, 36, 0]])  # episodes, sums of returns and of lengths
    values = loop._log()
    assert (values["rollout/episodic_return"], values["rollout/episodic_length"]) == (15, 8)  # of 10, 20; of 4, 12
    assert [tag for tag in values if "seed_" in tag] == [f"seed_{seed}/rollout/episodic_return" for seed in (5, 6)]


def test_the_interval_is_of_the_interquartile_mean() -> None:
    """Of sixteen seeds one is beyond all bounds: it must come five times to be among a resample's middle half."""
    values = spread_over_seeds("eval", "mean_return", dict(enumerate([*range(15), 1e6])), 16)
    assert values["eval/iqm"] == 7.5  # of 4 to 11
    assert 0 <= values["eval/iqm_low"] < 7.5 < values["eval/iqm_high"] <= 14


@pytest.mark.parametrize(
    ("changes", "logs", "evaluations", "checkpoints"),
    [
        ({}, [12, 24, 36, 48, 60], [], [60]),
        ({"log_every": 10}, [12, 24, 30, 42, 54, 60], [], [60]),
        ({"log_every": 100, "eval_every": 18, "checkpoint_every": 30}, [], [18, 36, 54], [30, 60]),
        ({"log_every": 24, "eval_every": 24, "total_timesteps": 50}, [24, 48], [24, 48], [54]),
    ],
)
def test_records_at_the_rounds_that_reach_their_multiples(
    changes: dict[str, int], logs: list[int], evaluations: list[int], checkpoints: list[int]
) -> None:
    records = told(loop_of(Script(), **changes))
    assert [r.env_steps for r in records if "rollout/episodic_return" in r.values] == logs
    assert [r.env_steps for r in records if "eval/mean_return" in r.values] == evaluations
    assert [r.env_steps for r in records if r.checkpoint] == checkpoints


def test_updates_are_counted_over_all_seeds() -> None:
    loop = loop_of(Script())
    list(loop)
    assert loop.num_updates == 3 * 2 * (10 - 2)  # rounds after the second, which ends at 12 of 15 steps


def test_an_evaluation_is_told_by_seed_and_over_all() -> None:
    returns = np.array([[1.0, 3], [5, 5], [9, 13]])
    script = Script(lambda env_steps: returns)
    (record,) = [r for r in told(loop_of(script, eval_every=60)) if "eval/mean_return" in r.values]
    assert record.values["eval/mean_return"] == 6
    assert record.values["eval/std_return"] == pytest.approx(np.sqrt(94 / 6))  # of all six: not of the three means
    assert [record.values[f"seed_{seed}/eval/mean_return"] for seed in (5, 6, 7)] == [2, 5, 11]
    assert record.values["eval/iqm"] == 6


def test_an_evaluation_is_asked_for_at_its_step() -> None:
    script = Script()
    list(loop_of(script, eval_every=24))
    assert [asked for asked in script.asked if asked[0] == "evaluate"] == [("evaluate", 24), ("evaluate", 48)]


def test_every_seed_has_a_best_of_its_own() -> None:
    """Means by evaluation: seed 5 rises and falls and rises, 6 falls and ends as good as it began, 7 rises."""
    means = {12: [1, 9, 1], 24: [5, 8, 2], 36: [2, 7, 3], 48: [4, 6, 4], 60: [6, 9, 5]}
    script = Script(lambda env_steps: np.repeat(np.array(means[env_steps], float)[:, None], 2, 1))
    loop = loop_of(script, eval_every=12)
    seen = []
    for record in loop:
        if "eval/mean_return" in record.values:
            seen.append((record.best, loop.improved.tolist()))
            FusedRun(loop.config, "", loop).save_best(Path(f"best_{record.env_steps}"))
    t, f = True, False
    assert seen == [(t, [t, t, t]), (t, [t, f, t]), (t, [f, f, t]), (t, [f, f, t]), (t, [t, f, t])]
    assert loop.best_return.tolist() == [6, 9, 5]
    assert sorted(path.name for path in Path("best_36").iterdir()) == ["seed_7"]
    assert sorted(path.name for path in Path("best_60").iterdir()) == ["seed_5", "seed_7"]


def test_no_better_evaluation_is_no_best() -> None:
    script = Script(lambda env_steps: np.full((3, 2), -float(env_steps)))
    bests = [r.best for r in told(loop_of(script, eval_every=12)) if "eval/mean_return" in r.values]
    assert bests == [True, False, False, False, False]


def test_every_agent_is_saved_as_what_it_is() -> None:
    loop = loop_of(Script())
    list(loop)
    loop.improved[:] = True
    FusedRun(loop.config, "", loop).save_best(Path("best"))
    for k, seed in enumerate((5, 6, 7)):
        meta, state = load_checkpoint(f"best/seed_{seed}")
        assert (meta["seed"], meta["backend"], meta["algo"]) == (seed, "jax", "dqn")
        np.testing.assert_array_equal(state["q.0.0.weight"], np.full((2, 2), k))
    assert json.loads(Path("best/seed_6/agent.json").read_text())["config"]["train_freq"] == 2


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({6: "reward"}, "a reward or an observation of seed 6 was not finite before env step 36"),
        ({6: "loss"}, "loss/q of seed 7 was not finite before env step 36"),
    ],
)
def test_a_number_that_is_not_finite_stops_all(odd: dict[int, str], message: str) -> None:
    with pytest.raises(NonFiniteError) as error:
        list(loop_of(Script(odd=odd)))
    assert str(error.value) == message


def test_losses_begin_with_the_first_update_that_a_record_tells_of() -> None:
    """Not with that of the chunk which runs already while the record is made."""
    first = [(r.env_steps, "loss/q" in r.values) for r in loop_of(Script(), log_every=6) if r.env_steps <= 18]
    assert first == [(6, False), (12, False), (18, True)]


def test_an_update_for_each_step_of_each_environment() -> None:
    loop = loop_of(Script(), gradient_steps=-1)
    list(loop)
    assert loop.num_updates == 8 * (2 * 3) * 3  # rounds that learn, steps of a round, seeds


class Slow(Script):
    """Its clock goes on by a second in every chunk, and by a thousand in an evaluation."""

    now = 0.0

    def call(self, method: str, *arguments: Any, each: Any = None) -> list[Any]:
        self.now += {"collect": 1.0, "evaluate": 1000.0}.get(method, 0.0)
        return super().call(method, *arguments, each=each)


def test_the_first_rates_after_a_resume_are_of_what_was_done_since(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Slow()
    monkeypatch.setattr(time, "perf_counter", lambda: script.now)
    loop = loop_of(script)
    loop.load_state_dicts([SeedState({}, {"env_steps": 24, "best_return": None, "ended": [0, 0, 0]}, {})] * 3)
    first = next(iter(loop))
    assert first.env_steps == 36
    assert first.values["throughput/env_steps_per_second"] == 3 * 12
    assert first.values["throughput/updates_per_second"] == 3 * 4


def test_rates_are_of_all_seeds_since_the_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Slow()
    monkeypatch.setattr(time, "perf_counter", lambda: script.now)
    records = list(loop_of(script, eval_every=24))
    rates = [r.values for r in records if "throughput/env_steps_per_second" in r.values]
    assert len(rates) == 5
    assert {r["throughput/env_steps_per_second"] for r in rates} == {3 * 12.0}
    assert [r["throughput/updates_per_second"] for r in rates] == [0, *[3 * 4.0] * 4]


def test_of_a_saved_replay_the_rows_that_are_filled_have_to_be_possible() -> None:
    loop = loop_of(Script())
    loop.spec = SPEC._replace(action_start=1)
    assert loop.config.num_envs == 3
    action, flags, counts = np.array([[1, 2, 1], [2, 1, 1], [0, 0, 0]]), np.zeros((3, 3)), np.zeros(3)
    rest = {"replay.action": action, "replay.terminated": flags, "envs.steps": counts, "episode_length": counts}
    state = SeedState({"num_updates": np.array(0)}, {"env_steps": 2 * 3}, rest)
    loop.check_contents(state)  # the third row is empty
    action[1, 2] = 0
    with pytest.raises(CheckpointError) as error:
        loop.check_contents(state)
    assert str(error.value) == "replay.action holds 0, which is not from 1 to 2"
    action[1, 2] = 1
    for name, value, message in (
        ("episode_length", -np.ones(3, int), "episode_length holds -1, and counts"),
        ("envs.steps", -np.ones(3, int), "envs.steps holds -1, and counts"),
    ):
        with pytest.raises(CheckpointError) as error:
            loop.check_contents(state._replace(rest=rest | {name: value}))
        assert str(error.value) == message
    with pytest.raises(CheckpointError, match=r"^num_updates is -1, not from 0 to "):
        loop.check_contents(state._replace(agent={"num_updates": np.array(-1)}))


def test_a_run_goes_on_where_a_round_ends() -> None:
    loop = loop_of(Script())
    loop.check_env_steps(24)
    with pytest.raises(CheckpointError) as error:
        loop.check_env_steps(25)
    assert str(error.value) == "env_steps=25 is not a multiple of 6, a round's"


def test_every_seed_goes_on_from_its_own() -> None:
    script, bests = Script(), [4.0, None, 2.0]
    loop = loop_of(script)
    runs = [{"env_steps": 12, "best_return": best, "ended": [k, 2 * k, 3 * k]} for k, best in enumerate(bests)]
    loop.load_state_dicts([SeedState({"agent": k}, run, {"rest": k}) for k, run in enumerate(runs)])  # type: ignore[dict-item]
    of_seeds: list[Any] = [({"agent": k}, {"rest": k}) for k in range(3)]
    assert script.asked[-1] == ("load", [of_seeds[:2], of_seeds[2:]])  # of two workers, two seeds and one
    assert (loop.env_steps, loop.best_return.tolist()) == (12, [4, -np.inf, 2])
    assert loop.ended.tolist() == [[0, 1, 2], [0, 2, 4], [0, 3, 6]]
