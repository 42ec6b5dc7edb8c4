"""How far all the jobs are: a bar in a terminal, a line a minute in a log."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from rlpair.benchmark.plan import Job
from rlpair.benchmark.pool import Pool
from rlpair.disk import files
from rlpair.disk.layout import RunDir
from rlpair.runs.progress import clock, lines_of, start_live

TAIL = 2**16  # bytes at the end of a metrics.jsonl: its last record is in them
PERIODS = {True: 1.0, False: 60.0}  # seconds between two looks, in a terminal and not


class Stand(NamedTuple):
    """How far a job is."""

    steps: int
    seconds: float  # that it took so far

    @classmethod
    def of(cls, job: Job) -> "Stand":
        """Read it off the last record; (0, 0) where there is none yet."""
        with suppress(OSError, ValueError, KeyError, IndexError, TypeError):
            with files.open_to_read(RunDir(job.folder).metrics) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
                record = json.loads(file.read().rpartition(b"\n")[0].splitlines()[-1])  # what a kill left half-written
            return cls(int(record["env_steps"]), float(record["seconds"]))
        return cls(0, 0.0)


def seconds_left(jobs: Sequence[Job], stands: Mapping[str, Stand], places: int) -> float | None:
    """Return the seconds until all jobs are done; None as long as nothing is known.

    Each job is as fast as those of its task and backend so far, else as those of its algorithm, else as all.
    """
    left, longest = 0.0, 0.0
    for job in jobs:
        remaining = job.config.total_timesteps - stands[job.name].steps
        if remaining > 0:
            if (pace := pace_of(job, jobs, stands)) is None:
                return None
            left, longest = left + remaining * pace, max(longest, remaining * pace)
    return max(left / places, longest)


def pace_of(job: Job, jobs: Sequence[Job], stands: Mapping[str, Stand]) -> float | None:
    """Return the seconds that one of its steps takes, by the jobs that are the most like it."""
    keys = (lambda j: (j.config.env, j.config.backend), lambda j: j.config.algo.name, lambda j: None)
    for key in keys:
        alike = [stands[other.name] for other in jobs if key(other) == key(job)]
        if steps := sum(stand.steps for stand in alike):
            return sum(stand.seconds for stand in alike) / steps
    return None


class Progress:
    """Shows how many jobs of a pool are finished, how far each that runs is, and the time left."""

    def __init__(self, jobs: Sequence[Job], pool: Pool, places: int, stream: IO[str] | None = None) -> None:
        """Keep what is shown. ``stream``: stderr if None."""
        self._jobs, self._pool, self._places = jobs, pool, places
        self._stream = sys.stderr if stream is None else stream
        self._live = start_live(self._stream) if self._stream.isatty() and os.environ.get("TERM") != "dumb" else None
        self._next = 0.0
        self._stands = {job.name: Stand.of(job) for job in jobs}

    def show(self, at_once: bool = False) -> None:
        """Show it, if the last time was long enough ago or it is to be at once."""
        now = time.monotonic()
        if now < self._next and not at_once:
            return
        self._next = now + PERIODS[self._live is not None]
        running = [training.job for training in self._pool.running]
        moved = [job for job in self._pool.finished if self._stands[job.name].steps < job.config.total_timesteps]
        self._stands |= {job.name: Stand.of(job) for job in [*running, *moved]}
        beside, below = self._texts(running)
        if self._live is None:
            print("  ".join([*beside, *below]), file=self._stream, flush=True)
            return
        total = sum(job.config.total_timesteps for job in self._jobs)
        steps = sum(stand.steps for stand in self._stands.values())
        self._live.update(lines_of(steps, total, beside, below), refresh=True)

    def _texts(self, running: Sequence[Job]) -> tuple[list[str], list[str]]:
        """Return what is said of all, and of each that runs."""
        failed, going = self._pool.failed, [job for job in self._jobs if job not in self._pool.failed]
        left = seconds_left(going, self._stands, self._places)
        beside = [f"{len(self._pool.finished)}/{len(self._jobs)} jobs", *([f"{len(failed)} failed"] if failed else [])]
        percents = {job.name: 100 * self._stands[job.name].steps // job.config.total_timesteps for job in running}
        below = [f"{name} {percent}%" for name, percent in percents.items()]
        return [*beside, f"left {'-:--' if left is None else clock(left)}"], below

    def close(self) -> None:
        """Let go of the terminal."""
        if self._live is not None:
            self._live.stop()
