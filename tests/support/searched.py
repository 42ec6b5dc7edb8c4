"""Searches whose trainings are a script that trains nothing."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from rlpair.runs import processes
from rlpair.tune import search as searches
from rlpair.tune.config import TuneConfig
from rlpair.tune.plan import Plan, plan_of
from rlpair.tune.search import Search
from rlpair.tune.study import open_study

# Stands for a training: its evaluations and its score are 1,000 times the learning rate, more by its seed.
TRAINING = """
import json, os, sys, time
values = dict(argument.split("=", 1) for argument in sys.argv[1:])
rate, seed, folder = float(values["algo.learning_rate"]), int(values["seed"]) - 1000, values["run_dir"]
print("one line"); print(f"rlpair: rate {rate}")
if rate == 0.004 or (rate == 0.006 and seed == 1): sys.exit(2)
if rate == 0.007 and seed == 1: os.kill(os.getpid(), 9)
os.makedirs(folder + "/checkpoints/step_5")
open(folder + "/arguments", "w").write(" ".join(sys.argv[1:]))
open(folder + "/threads", "w").write(os.environ["OMP_NUM_THREADS"])
score = 1000 * rate + seed
with open(folder + "/metrics.jsonl", "w") as file:
    for step in range({0.008: 7, 0.009: 13}.get(rate, 10)):
        file.write(json.dumps({"env_steps": step, "seconds": 1.0, "eval/mean_return": score}) + "\\n")
if rate == 0.005: time.sleep(20)
result = {"algo": "dqn", "backend": "torch", "env": "CartPole-v1", "seeds": [seed], "env_steps": 10, "mean": score,
    "std": 0.0, "returns": [[score]], "lengths": [[1]], "seconds": 1.0, "versions": {}}
open(folder + "/result.json", "w").write(json.dumps(result) + "\\n")
"""


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are a script, and nobody waits."""
    Path("training.py").write_text(TRAINING)
    monkeypatch.setattr(processes, "TRAIN", (sys.executable, "training.py"))
    monkeypatch.setattr(searches, "POLL", 0.01)


def plan(rates: str, *more: tuple[str, str], **settings: Any) -> Plan:
    """A search in these learning rates, of DQN in torch."""
    pairs = [("algo", "dqn"), ("backend", "torch"), ("algo.learning_rate", rates), *more]
    own: dict[str, Any] = {"out": "o", "trials": 4, "seeds": 2, "jobs": 1}
    return plan_of(TuneConfig(**own | settings), pairs)


class Done:
    """A search that has been run, what it told, and its study."""

    def __init__(self, its: Plan, prepare: Callable[[Search], object] = lambda search: None, places: int = 1) -> None:
        self.told: list[str] = []
        with ExitStack() as stack:
            self.study = open_study(its, stack)
            self.search = Search(self.study, its, places, self.told.append)
            prepare(self.search)
            self.search.run()

    @property
    def states(self) -> list[TrialState]:
        return [trial.state for trial in self.study.trials]

    @property
    def rates(self) -> list[Any]:
        return [trial.params["algo.learning_rate"] for trial in self.study.trials]
