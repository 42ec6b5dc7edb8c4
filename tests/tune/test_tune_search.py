"""The search: which trials run, which are given up, what a failure, a signal and a second call make of them."""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from searched import Done, plan, stand_in

from rlpair.errors import ConfigError
from rlpair.tune.config import TuneConfig
from rlpair.tune.plan import plan_of
from rlpair.tune.search import Search, ended
from rlpair.tune.study import best_of, open_study, write_found


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    stand_in(monkeypatch)


def test_a_trial_is_its_seeds_one_after_the_other_and_its_score_their_mean() -> None:
    done = Done(plan("choice(4e-4,2e-3)", trials=1))
    assert [(trial.value, trial.state) for trial in done.study.trials] == [((0.4 + 1.4) / 2, TrialState.COMPLETE)]
    assert done.told == ["trial 0 (1/1): 0.9   algo.learning_rate=0.0004"]
    arguments = "algo=dqn backend=torch algo.learning_rate=0.0004"
    own = "eval_every=5000 eval_episodes=20 checkpoint_every=0"
    for seed in (0, 1):
        said = Path(f"o/trial0/seed{seed}/arguments").read_text()
        assert said == f"{arguments} seed={1_000 + seed} run_dir=o/trial0/seed{seed} {own}"
        assert os.listdir(f"o/trial0/seed{seed}/checkpoints") == []  # nothing goes on from them
    assert done.study.trials[0].intermediate_values == {i: 0.4 + (i >= 10) for i in range(20)}


def test_the_first_trial_is_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert Done(plan("interval(1e-4,1e-2)", trials=1)).rates == [4e-4]
    assert "preset" not in capsys.readouterr().err
    assert Done(plan("interval(1e-3,1e-2)", trials=1, out="p")).rates != [4e-4]
    said = "rlpair: the preset is not tried first, since the search leaves out its algo.learning_rate=0.0004"
    assert said in capsys.readouterr().err.splitlines()
    assert Done(plan("choice(1e-3,4e-4)", trials=1, out="q")).rates == ["0.0004"]


def test_no_more_trials_begin_than_are_asked_for() -> None:
    assert Done(plan("choice(4e-4,2e-3)", trials=3, seeds=1), places=2).states == [TrialState.COMPLETE] * 3


def test_a_trial_that_is_behind_is_given_up() -> None:
    its = plan("choice(1e-3,2e-3)", trials=9, seeds=1)
    with ExitStack() as stack:
        study = open_study(its, stack)
        for rate in ("0.002",) * 5 + ("0.001", "0.002"):
            study.enqueue_trial({"algo.learning_rate": rate})
        told: list[str] = []
        its = its._replace(config=TuneConfig(out="o", trials=7, seeds=1))
        Search(study, its, 1, told.append).run()
    assert [trial.state.name for trial in study.trials] == [*["COMPLETE"] * 5, "PRUNED", "COMPLETE"]
    assert told[5] == "trial 5 (6/7): given up, it was behind   algo.learning_rate=0.001"
    assert os.listdir("o/trial5/seed0/checkpoints") == []
    assert best_of(study).number == 0  # type: ignore[union-attr]


def test_a_trial_that_fails_says_why_and_the_others_go_on() -> None:
    done = Done(plan("choice(4e-3,1e-3)", trials=8, seeds=1))
    assert set(done.states) == {TrialState.COMPLETE, TrialState.FAIL}
    assert len(done.states) == 8  # one that fails counts, and is not tried for ever
    number = done.rates.index("0.004")
    cause = f"rate 0.004 (all that it said: o/trial{number}/seed0.log)"
    assert done.told[number] == f"trial {number} ({number + 1}/8): failed: {cause}   algo.learning_rate=0.004"


def test_a_signal_ends_what_runs_and_the_next_call_tries_it_again() -> None:
    def stop_soon(search: Search) -> None:
        look = search._look_at

        def stop(running: Any) -> None:
            if Path("o/trial0/seed0/metrics.jsonl").exists() and not search.stopped_by:
                search.stop(signal.SIGTERM, None)
            look(running)

        search._look_at = stop  # type: ignore[method-assign]

    done = Done(plan("choice(5e-3,5e-3)", trials=2), stop_soon)
    assert not list(Path("o").rglob("result.json"))
    assert (done.search.stopped_by, done.told, done.search.ended) == (signal.SIGTERM, [], [])
    assert done.states == [TrialState.FAIL, TrialState.WAITING]
    assert done.study.trials[1].system_attrs["fixed_params"] == {"algo.learning_rate": "0.005"}


def test_what_a_kill_left_running_is_tried_again() -> None:
    its = plan("choice(1e-3,2e-3)", trials=1, seeds=1)
    with ExitStack() as stack:
        study = open_study(its, stack)
        study.enqueue_trial({"algo.learning_rate": "0.002"})
        study.ask(its.space)
    done = Done(its)
    assert done.states == [TrialState.FAIL, TrialState.COMPLETE]
    assert done.rates == ["0.002", "0.002"]


def test_a_later_call_goes_on_and_no_trial_is_run_again() -> None:
    first = Done(plan("choice(1e-3,2e-3,3e-3)", trials=2, seeds=1))
    second = Done(plan("choice(1e-3,2e-3,3e-3)", trials=3, seeds=1))
    assert (len(first.told), len(second.told)) == (2, 1)
    assert second.told[0].startswith("trial 2 (3/3): ")
    assert Done(plan("choice(1e-3,2e-3,3e-3)", trials=3, seeds=1)).told == []


def test_a_later_call_draws_what_the_first_did_not() -> None:
    for trials in (1, 2, 3):
        done = Done(plan("interval(1e-3,3.5e-3)", trials=trials, seeds=1))
    assert len(set(done.rates)) == 3


@pytest.mark.parametrize(
    ("rates", "settings"), [("choice(1e-3,3e-3)", {}), ("choice(1e-3,2e-3)", {"seeds": 3}), ("interval(1e-3,2e-3)", {})]
)
def test_a_folder_with_another_search_is_refused(rates: str, settings: dict[str, Any]) -> None:
    Done(plan("choice(1e-3,2e-3)", trials=1, seeds=1))
    with ExitStack() as stack, pytest.raises(ConfigError) as error:
        open_study(plan(rates, **{"seeds": 1} | settings), stack)
    assert str(error.value) == "out='o' is not allowed: one that has no other search; this one is of other settings"


def test_a_folder_that_another_process_searches_in_is_refused() -> None:
    with ExitStack() as stack:
        open_study(plan("choice(1e-3,2e-3)"), stack)
        with pytest.raises(ConfigError) as error:
            open_study(plan("choice(1e-3,2e-3)"), stack)
    assert str(error.value) == "out='o' is not allowed: one that no other process is writing to"


@pytest.mark.parametrize("content", ["no journal\n", "[]\n", '{"op_code": 99}\n', "{}\n{}\n"])
def test_a_journal_that_is_none_is_one_line(content: str) -> None:
    Path("o").mkdir()
    Path("o/study.journal").write_text(content)
    with ExitStack() as stack, pytest.raises(ConfigError) as error:
        open_study(plan("choice(1e-3,2e-3)"), stack)
    assert str(error.value).startswith("out='o' is not allowed: one whose study.journal is this command's: ")


def test_a_journal_is_not_opened_through_a_link() -> None:
    Path("o").mkdir()
    Path("precious").write_text("")
    Path("o/study.journal").symlink_to(Path("precious").absolute())
    with ExitStack() as stack, pytest.raises(ConfigError) as error:
        open_study(plan("choice(1e-3,2e-3)"), stack)
    said = "is a link, and links inside a run's folder are not followed"
    assert str(error.value) == f"out='o' is not allowed: a folder that can be written to: {said}"
    assert Path("precious").read_text() == ""


def test_what_is_written_in_the_end() -> None:
    its = plan("choice(1e-3,4e-3)", ("algo.tau", "0.5"), trials=6, seeds=1)
    done = Done(its)
    best = best_of(done.study)
    assert best is not None
    assert write_found(done.study, its, "the command") == {"algo.tau": "0.5", "algo.learning_rate": "0.001"}
    lines = Path("o/preset.yaml").read_text().splitlines()
    assert lines[:8] == [
        "algo: dqn",
        "env: CartPole-v1",
        "backend: torch",
        "mode: host",
        "settings:",
        "  algo.tau: '0.5'",
        "  algo.learning_rate: '0.001'",
        f"source: 'the command: trial {best.number} of 6, 1.0 over 1 seeds'",
    ]
    head, *rows = Path("o/trials.csv").read_text().splitlines()
    assert head == "trial,state,return,algo.learning_rate"
    assert {row.partition(",")[2] for row in rows} == {"complete,1.0,0.001", "failed,,0.004"}
    assert len(rows) == 6


@pytest.mark.parametrize(("given", "mode"), [((), " mode=fused"), (("mode=host",), "")])
def test_the_command_that_is_printed_trains_as_the_trials_did(
    given: tuple[str, ...], mode: str, command: Callable[..., tuple[int, str, str]]
) -> None:
    own = ("algo=dqn", "backend=jax", "env=CartPole-v1", *given, "trials=1", "seeds=1", "out=o")
    code, out, _ = command("tune", *own, "algo.learning_rate=choice(1e-3,1e-3)")
    assert code == 0
    line = f"python -m rlpair.train algo=dqn backend=jax env=CartPole-v1{mode} algo.learning_rate=0.001"
    assert out.splitlines()[-1] == line


def test_before_any_score_there_is_a_table_alone() -> None:
    its = plan("choice(1e-3,4e-3)")
    with ExitStack() as stack:
        study = open_study(its, stack)
        study.ask(dict(its.space))
        assert ended(study) == []
        assert write_found(study, its, "the command") == {}
    assert Path("o/trials.csv").read_text() == "trial,state,return,algo.learning_rate\n0,running,,\n"
    assert not Path("o/preset.yaml").exists()


def test_the_best_is_the_highest_and_of_equal_ones_the_first() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (1.0, 3.0, 3.0, 2.0):
        study.tell(study.ask(), value)
    best = best_of(study)
    assert best is not None
    assert best.number == 1


def test_without_a_score_there_is_no_best() -> None:
    assert best_of(Done(plan("choice(4e-3,4e-3)", trials=1)).study) is None


@pytest.mark.parametrize(("env", "mode"), [("CartPole-v1", "fused"), ("LunarLander-v3", "host")])
def test_seeds_are_trained_at_once_where_the_environment_is_functional(env: str, mode: str) -> None:
    its = plan_of(TuneConfig(seeds=5), [("algo", "dqn"), ("backend", "jax"), ("env", env)])
    assert (its.base.mode, its.trainings) == (mode, {"fused": 1, "host": 5}[mode])
    assert (("num_seeds", "5") in its.pairs([], 0, 0)) == (mode == "fused")
    assert plan_of(TuneConfig(), [("algo", "dqn"), ("env", env), ("mode", "host")]).base.mode == "host"


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("seed", "3")], "seed='3' is not allowed: left to tune; seeds=N says how many"),
        ([("run_dir", "x")], "run_dir='x' is not allowed: left to tune; seeds=N says how many"),
        ([("algo.tau", "interval(0.5,2)")], "algo.tau=2.0 is not allowed: a number in (0, 1]"),
        (
            [("algo.tou", "interval(0.5,2)")],
            "algo.tou='0.5' is not allowed: there is no such key; did you mean algo.tau?",
        ),
        (
            [("algo.activation", "choice(relu,gelu)")],
            "algo.activation='gelu' is not allowed: one of relu, tanh, elu, silu",
        ),
    ],
)
def test_what_a_training_would_not_take_is_refused_before_any_begins(pairs: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        plan_of(TuneConfig(), [("algo", "dqn"), *pairs])
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("key", "value", "most"), [("trials", 0, "100,000"), ("seeds", 1001, "1,000"), ("jobs", 0, "1,000")]
)
def test_bounds(key: str, value: int, most: str) -> None:
    with pytest.raises(ConfigError) as error:
        TuneConfig(**{key: value})
    assert str(error.value) == f"{key}={value} is not allowed: a whole number from 1 to {most}"
