"""A sweep as a whole: what its exit code says of the jobs'."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from rlpair.cli import sweep
from rlpair.cli.sweep import JobOutcome, Sweep, run_jobs

JOBS = [[("seed", str(k))] for k in range(4)]


@pytest.mark.parametrize(
    ("codes", "stopped_by", "code"),
    [
        ([0, 0, 0, 0], 0, 0),
        ([0, 2, 1, 0], 0, 2),  # the first that is not 0, however the last one ended
        ([0, 0, 0, 1], 0, 1),
        ([0, 143, None, None], 15, 143),
        ([0, 0, None, None], 2, 130),
    ],
)
def test_the_exit_code_of_a_sweep(
    codes: list[int | None], stopped_by: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [JobOutcome(each, None) for each in codes]
    shown: list[JobOutcome] = []
    monkeypatch.setattr(Sweep, "run", lambda self, job: outcomes[JOBS.index(job)])
    monkeypatch.setattr(Sweep, "__init__", lambda self, command: setattr(self, "stopped_by", stopped_by))
    monkeypatch.setattr(sweep, "print_table", lambda jobs, some: shown.extend(some))
    assert run_jobs("train", JOBS) == code
    assert shown == outcomes


def test_the_exit_code_of_a_job_that_a_signal_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda line, **options: start([sys.executable, "-c", program], **options))
    assert Sweep("train").run([("seed", "0")]) == JobOutcome(143, None)


def test_a_signal_that_comes_while_a_job_is_started_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    its, start = Sweep("train"), subprocess.Popen

    def begin(line: list[str], **options: Any) -> Any:
        its.pass_on(signal.SIGTERM, None)
        return start([sys.executable, "-c", "import time; time.sleep(9)"], **options)

    monkeypatch.setattr(subprocess, "Popen", begin)
    assert its.run(JOBS[0]) == JobOutcome(143, None)
    assert its.run(JOBS[1]) == JobOutcome(None, None)
