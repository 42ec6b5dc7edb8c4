"""A trial of several seeds: whose evaluations are whose, what each training is given, and which one fails."""

import signal
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from searched import Done, plan, stand_in

from rlpair.runs import processes
from rlpair.tune import search as searches
from rlpair.tune.search import Search


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    stand_in(monkeypatch)


@pytest.mark.parametrize(("rate", "count"), [("8e-3", 7), ("9e-3", 10)])
def test_the_evaluations_of_a_seed_are_its_own_however_many_there_are(rate: str, count: int) -> None:
    """Of many environments there are fewer than ten, of few steps there are more: ten of each seed count."""
    (trial,) = Done(plan(f"choice({rate},{rate})", trials=1)).study.trials
    score = 1000 * float(rate)
    assert trial.intermediate_values == {10 * seed + i: score + seed for seed in (0, 1) for i in range(count)}


def test_a_trial_has_the_threads_that_are_asked_for() -> None:
    Done(plan("choice(1e-3,1e-3)", trials=1, seeds=1, threads=3))
    assert Path("o/trial0/seed0/threads").read_text() == "3"


@pytest.mark.parametrize(
    ("rate", "cause"),
    [("6e-3", "rate 0.006 (all that it said: o/trial0/seed1.log)"), ("7e-3", "it was ended by SIGKILL")],
)
def test_the_seed_that_fails_says_why_and_not_the_first_one(rate: str, cause: str) -> None:
    done = Done(plan(f"choice({rate},{rate})", trials=1))
    assert done.told == [f"trial 0 (1/1): failed: {cause}   algo.learning_rate={float(rate)}"]


def test_a_signal_that_comes_while_a_training_is_started_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    started, begin = list[Search](), processes.start

    def start(*arguments: Any) -> Any:
        process = begin(*arguments)
        started[0].stop(signal.SIGINT, None)
        return process

    monkeypatch.setattr(searches, "start", start)
    done = Done(plan("choice(5e-3,5e-3)", trials=2), started.append)
    assert not list(Path("o").rglob("result.json"))
    assert done.states == [TrialState.FAIL, TrialState.WAITING]
