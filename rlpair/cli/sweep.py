"""The jobs of a sweep, each in a process of its own: a framework's settings and memory are a process's."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rlpair.errors import CheckpointError
from rlpair.runs.result import load_result
from rlpair.settings.overrides import Pair
from rlpair.system.interrupts import passing_on

JOB_FILE = "RLPAIR_JOB_FILE"  # environment variable of a job: the file that it writes its folder's name into


class JobOutcome(NamedTuple):
    """What became of a job."""

    exit_code: int | None  # 128 and the signal where one ended it; None where the sweep was stopped before
    run_dir: Path | None  # None where it made none


def announce(run_dir: Path) -> None:
    """Tell the sweep that this process is a job of, if it is one, where the run is."""
    if JOB_FILE in os.environ:
        Path(os.environ[JOB_FILE]).write_text(str(run_dir), encoding="utf-8")


def run_jobs(command: str, jobs: Sequence[Sequence[Pair]]) -> int:
    """Run the jobs one after the other and print what they scored.

    Returns 128 and the signal that stopped the sweep, else the first exit code of a job that is not 0, else 0.
    """
    sweep = Sweep(command)
    with passing_on(sweep.pass_on):
        outcomes = [sweep.run(job) for job in jobs]
    print_table(jobs, outcomes)
    if sweep.stopped_by:
        return 128 + sweep.stopped_by
    return next((outcome.exit_code for outcome in outcomes if outcome.exit_code), 0)


class Sweep:
    """Runs jobs. A signal goes on to the job that runs, which ends as it would alone, and no other is begun."""

    def __init__(self, command: str) -> None:
        self.command, self.stopped_by = command, 0
        self._process: subprocess.Popen[bytes] | None = None

    def pass_on(self, number: int, frame: Any) -> None:
        """Pass a signal on to the job that runs, as the handler of it."""
        self.stopped_by = number
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def run(self, job: Sequence[Pair]) -> JobOutcome:
        """Run one job to its end."""
        if self.stopped_by:
            return JobOutcome(None, None)
        arguments = [f"{key}={text}" for key, text in job]
        print(f"rlpair: {' '.join(arguments)}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run_dir"
            line = [sys.executable, "-m", f"rlpair.{self.command}", *arguments]
            # In a process group of its own: a terminal's Ctrl-C reaches it once, through pass_on.
            self._process = subprocess.Popen(line, env=os.environ | {JOB_FILE: str(file)}, process_group=0)
            if self.stopped_by:  # while it was started
                self.pass_on(self.stopped_by, None)
            code = self._process.wait()
            run_dir = Path(file.read_text(encoding="utf-8")) if file.exists() else None
        return JobOutcome(code if code >= 0 else 128 - code, run_dir)


def print_table(jobs: Sequence[Sequence[Pair]], outcomes: Sequence[JobOutcome]) -> None:
    """Print a row for each job: the values that differ, its score, its folder."""
    from rich.console import Console
    from rich.table import Table

    keys = [key for key, _ in jobs[0] if len({dict(job)[key] for job in jobs}) > 1]
    table = Table(*keys, "return", "episodes", "env steps", "seconds", "run_dir", box=None, pad_edge=False)
    for job, outcome in zip(jobs, outcomes, strict=True):
        table.add_row(*(dict(job)[key] for key in keys), *score(outcome), str(outcome.run_dir or ""))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1_000  # lines of a log are not broken
    console.print(table)


def score(outcome: JobOutcome) -> tuple[str, str, str, str]:
    """Return four texts: the return, episodes, env steps and seconds of a job, or how it ended without."""
    if outcome.exit_code is None:
        return "not begun", "", "", ""
    if outcome.exit_code or outcome.run_dir is None:
        return f"exit code {outcome.exit_code}", "", "", ""
    try:
        result = load_result(outcome.run_dir)
    except CheckpointError as error:
        return str(error), "", "", ""
    episodes = sum(map(len, result["returns"]))
    return (
        f"{result['mean']:.1f} +- {result['std']:.1f}",
        str(episodes),
        f"{result['env_steps']:,}",
        f"{result['seconds']:.0f}",
    )
