"""The search: Optuna proposes settings, trainings try them, and those that fall behind are given up."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from rlpair.disk import files
from rlpair.disk.atomic import remove_own, settled_folders
from rlpair.disk.layout import RunDir
from rlpair.errors import CheckpointError
from rlpair.runs.metrics import read_records
from rlpair.runs.processes import Process, last_words, start
from rlpair.runs.result import load_result
from rlpair.tune.plan import EVALUATIONS, Plan
from rlpair.tune.space import as_pairs

POLL = 0.5  # seconds
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
SETTINGS, CAUSE = "settings", "failed"  # attributes of a trial: as they were trained with; why it failed


@dataclass
class Running:
    """A trial whose trainings are under way."""

    trial: Trial
    process: Process
    scores: list[float] = field(default_factory=list)  # of its seeds that have ended
    told: int = 0  # evaluations of the seed that runs, which Optuna knows of


class Search:
    """Tries settings until there are as many trials as there are to be, or a signal stops it.

    What a signal stops is tried again by the next call, from its beginning; the trials that have ended are kept.
    """

    def __init__(self, study: optuna.Study, plan: Plan, places: int, tell: Callable[[str], None]) -> None:
        """
        Args:
            study: keeps the trials; those that were running when it was left are tried again.
            plan: what is searched.
            places: how many trials run at a time.
            tell: takes a line for each trial that has ended.
        """
        self.study, self.plan, self.stopped_by = study, plan, 0
        self._places, self._tell, self._running = places, tell, list[Running]()
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._again(trial)

    @property
    def ended(self) -> list[FrozenTrial]:
        """The trials that count: with a score, given up, or failed by themselves."""
        return ended(self.study)

    def stop(self, number: int, frame: object) -> None:
        """Let ``run`` end what runs and begin nothing more, as the handler of a signal."""
        self.stopped_by = number

    def run(self) -> None:
        """Ask for settings, try them and report, until there are as many trials as there are to be."""
        while self._running or self._is_due():
            while len(self._running) < self._places and self._is_due():
                self._ask()
            time.sleep(POLL)
            for running in list(self._running):
                self._look_at(running)

    def _is_due(self) -> bool:
        return not self.stopped_by and len(self.ended) + len(self._running) < self.plan.config.trials

    def _ask(self) -> None:
        trial = self.study.ask(dict(self.plan.space))
        trial.set_user_attr(SETTINGS, dict(as_pairs(trial.params)))
        self._running.append(Running(trial, self._start(trial, 0)))

    def _start(self, trial: Trial, seed: int) -> Process:
        plan = self.plan
        pairs = plan.pairs(list(trial.user_attrs[SETTINGS].items()), trial.number, seed)
        arguments = [f"{key}={text}" for key, text in pairs]
        return start(arguments, plan.log(trial.number, seed), plan.config.threads)

    def _look_at(self, running: Running) -> None:
        """Report what is new of a trial, and see whether it has ended."""
        trial, code = running.trial, running.process.poll()
        if self.stopped_by:
            running.process.kill()
            running.process.wait()
            self._running.remove(running)
            self._again(self.study.get_trials(deepcopy=False)[trial.number])
        elif self._is_behind(running):
            running.process.kill()
            running.process.wait()
            self._end(running, TrialState.PRUNED)
        elif code is not None and code != 0:
            cause = last_words(self.plan.log(trial.number, len(running.scores)), code)
            trial.set_user_attr(CAUSE, f"it was ended by {signal.Signals(-code).name}" if code < 0 else cause)
            self._end(running, TrialState.FAIL)
        elif code == 0:
            run_dir = self.plan.run_dir(trial.number, len(running.scores))
            running.scores.append(float(load_result(run_dir)["mean"]))
            if len(running.scores) < self.plan.trainings:
                running.process, running.told = self._start(trial, len(running.scores)), 0
            else:
                self._end(running, TrialState.COMPLETE)

    def _is_behind(self, running: Running) -> bool:
        """Report the evaluations along the way, seed after seed; whether the trial is to be given up for them."""
        seed = len(running.scores)
        returns = evaluations(self.plan.run_dir(running.trial.number, seed))[:EVALUATIONS]
        for i in range(running.told, len(returns)):
            running.trial.report(returns[i], seed * EVALUATIONS + i)
            running.told += 1
            if running.trial.should_prune():
                return True
        return False

    def _end(self, running: Running, state: TrialState) -> None:
        trial, scores = running.trial, running.scores
        self._running.remove(running)
        value = sum(scores) / len(scores) if state is TrialState.COMPLETE else None
        self.study.tell(trial, value, state)
        for seed in range(self.plan.trainings):
            remove_checkpoints(self.plan.run_dir(trial.number, seed))
        self._tell(self._line(trial, value))

    def _line(self, trial: Trial, value: float | None) -> str:
        """Say what became of a trial."""
        if value is not None:
            how = f"{value:.1f}"
        else:
            how = f"failed: {trial.user_attrs[CAUSE]}" if CAUSE in trial.user_attrs else "given up, it was behind"
        settings = " ".join(f"{key}={text}" for key, text in trial.user_attrs[SETTINGS].items())
        return f"trial {trial.number} ({len(self.ended)}/{self.plan.config.trials}): {how}   {settings}"

    def _again(self, trial: FrozenTrial) -> None:
        """Let the settings of a trial that was stopped be tried again, first of all."""
        self.study.tell(trial.number, state=TrialState.FAIL)
        self.study.enqueue_trial(trial.params)


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: with a score, given up, or failed by themselves."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state in ENDED or CAUSE in trial.user_attrs]


def evaluations(run_dir: Path) -> list[float]:
    """Return the mean returns along the way, so far."""
    try:
        lines: list[Any] = [line for _, line in read_records(RunDir(run_dir).metrics)]
    except CheckpointError:  # not there yet
        return []
    values = [(line.model_extra or {}).get("eval/mean_return") for line in lines]
    return [value for value in values if isinstance(value, float)]


def remove_checkpoints(run_dir: Path) -> None:
    """Remove the agents and replays of a training: nothing goes on from them."""
    checkpoints = RunDir(run_dir).checkpoints
    if files.is_folder(checkpoints):
        for folder in settled_folders(checkpoints).values():
            remove_own(folder)
