"""Trains jobs, several at a time, each a ``python -m rlpair.train`` of its own.

None is bound to a core: one that another program takes would hold it up, however free the others are.
"""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rlpair.benchmark.plan import Job
from rlpair.runs.processes import Process, last_words, start

POLL = 0.1  # seconds
STARTS = 3  # of a job that something outside kills: it goes on as often as that


class Training(NamedTuple):
    """A job that runs."""

    job: Job
    process: Process


class Pool:
    """Trains jobs until all are finished or failed, or a signal stops it: then the jobs save themselves and end."""

    def __init__(self, jobs: Sequence[Job], places: int, threads: int, tell: Callable[[str], None]):
        """
        Args:
            jobs: those that are finished are left out.
            places: how many run at a time.
            threads: of each.
            tell: takes the line that says how a job failed.
        """
        self.finished = [job for job in jobs if job.is_finished()]
        self.running, self.failed, self.stopped_by = list[Training](), list[Job](), 0
        self._waiting = deque(job for job in jobs if not job.is_finished())
        self._places, self._threads, self._starts, self._tell = places, threads, Counter[str](), tell

    def stop(self, number: int, frame: object) -> None:
        """Pass a signal on to what runs, as the handler of it; nothing more is begun."""
        self.stopped_by = number
        for training in self.running:
            if training.process.poll() is None:
                training.process.send_signal(self._signal)

    @property
    def begun(self) -> bool:
        """Whether any job was started, be it that a signal stopped it: it may have trained for hours."""
        return bool(self._starts)

    @property
    def _signal(self) -> int:
        """What a training is sent: of a terminal that closes it knows nothing."""
        return signal.SIGTERM if self.stopped_by == signal.SIGHUP else self.stopped_by

    def run(self, watch: Callable[[bool], None]) -> None:
        """Train. ``watch`` is called all the time: with True, where a job has just ended."""
        while self.running or (self._waiting and not self.stopped_by):
            while len(self.running) < self._places and self._waiting and not self.stopped_by:
                self._start(self._waiting.popleft())
            time.sleep(POLL)
            ended = [training for training in self.running if training.process.poll() is not None]
            for training in ended:
                self._end(training)
            watch(bool(ended))

    def _start(self, job: Job) -> None:
        self._starts[job.name] += 1
        job.clear()
        process = start(job.command(), job.log, self._threads)
        self.running.append(Training(job, process))
        if self.stopped_by:  # while it was started
            process.send_signal(self._signal)

    def _end(self, training: Training) -> None:
        job, code = training.job, training.process.returncode
        self.running.remove(training)
        if code == 0:
            self.finished.append(job)
        elif self.stopped_by:
            return
        elif killed_by(code) and self._starts[job.name] < STARTS:
            self._waiting.appendleft(job)
        else:
            self.failed.append(job)
            self._tell(f"{job.name} failed: {cause(job, code)}")


def killed_by(code: int) -> int:
    """Return the signal that ended a process from outside, by its exit code; 0 where none did."""
    if code < 0:
        return -code
    return code - 128 if code - 128 in (signal.SIGINT, signal.SIGTERM) else 0


def cause(job: Job, code: int) -> str:
    """Say on one line why a job failed: what it said last, with the traceback's file where it has one."""
    if number := killed_by(code):
        return f"it was ended by {signal.Signals(number).name} {STARTS} times (all that it said: {job.log})"
    return last_words(job.log, code)
