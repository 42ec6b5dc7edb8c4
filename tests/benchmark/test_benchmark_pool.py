"""How jobs are trained: some at a time, again where they are killed, to the end where others fail."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rlpair.benchmark import pool as pools
from rlpair.benchmark.pool import Pool, killed_by
from rlpair.runs import processes
from rlpair.system.children import ending_with_this


class Script(NamedTuple):
    """A job that is a few lines of Python, whose result is a file beside its folder."""

    name: str
    script: str

    @property
    def folder(self) -> Path:
        return Path("o", self.name)

    @property
    def log(self) -> Path:
        return Path("o", f"{self.name}.log")

    def clear(self) -> None:
        pass

    def is_finished(self) -> bool:
        return Path(f"{self.name}.done").exists()

    def command(self) -> list[str]:
        return ["-c", f"{self.script}\nopen({self.name + '.done'!r}, 'w').close()"]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are scripts, and nobody waits."""
    monkeypatch.setattr(processes, "TRAIN", (sys.executable,))
    monkeypatch.setattr(pools, "POLL", 0.01)


def run(jobs: Sequence[Any], places: int = 1) -> tuple[Pool, list[str]]:
    """Run them; the pool, and what it told."""
    told: list[str] = []
    pool = Pool(jobs, places, 1, told.append)
    pool.run(lambda ended: None)
    return pool, told


def names(jobs: Sequence[Any]) -> list[str]:
    """Of jobs."""
    return [job.name for job in jobs]


def test_what_is_finished_is_not_run_again() -> None:
    Path("b.done").touch()
    pool, told = run([Script("a", ""), Script("b", "raise SystemExit(1)"), Script("c", "")])
    assert names(pool.finished) == ["b", "a", "c"]
    assert (told, pool.failed, pool.running) == ([], [], [])
    assert run([Script(name, "raise SystemExit(1)") for name in "abc"])[0].failed == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_job_has_its_threads_and_its_log(threads: int) -> None:
    job: Any = Script("a", "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['NPROC'])")
    Pool([job], 1, threads, print).run(lambda ended: None)
    assert job.log.read_text() == f"{threads} {threads}\n"


def test_as_many_at_a_time_as_there_are_places() -> None:
    """Each notes how many there are when it begins, itself among them."""
    text = "import os, time; open(f'here{os.getpid()}', 'x'); time.sleep(.3); import glob\n"
    text += "print(len(glob.glob('here*'))); os.remove(f'here{os.getpid()}')"
    jobs = [Script(name, text) for name in "abcde"]
    run(jobs, 2)
    assert 1 <= max(int(job.log.read_text()) for job in jobs) <= 2


def test_a_job_that_fails_is_told_in_one_line_and_the_others_go_on() -> None:
    jobs = [
        Script(
            "a", "import sys; sys.exit('rlpair: step 3: the world ended (traceback: o/a/error.txt); go on with: x')"
        ),
        Script("b", "raise ValueError('odd')"),
        Script("c", "raise SystemExit(3)"),
        Script("d", ""),
    ]
    pool, told = run(jobs)
    assert told == [
        "a failed: step 3: the world ended (traceback: o/a/error.txt); go on with: x (all that it said: o/a.log)",
        "b failed: ValueError: odd (all that it said: o/b.log)",
        "c failed: exit code 3 (all that it said: o/c.log)",
    ]
    assert (names(pool.failed), names(pool.finished)) == (["a", "b", "c"], ["d"])


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit(143)", "sys.exit(130)"])
def test_a_job_that_is_killed_goes_on(end: str) -> None:
    text = f"import os, sys; print('begun')\nif not os.path.exists('again'): open('again', 'x'); {end}"
    job = Script("a", text)
    pool, told = run([job, Script("b", "")])
    assert (names(pool.finished), pool.failed, told) == (["a", "b"], [], [])


class Leaving(Script):
    """A job that cannot begin where the one before it has left something."""

    def clear(self) -> None:
        Path("left").unlink(missing_ok=True)


def test_what_nothing_goes_on_from_is_cleared_before_each_start() -> None:
    job = Leaving(
        "a", "import os\nopen('left', 'x')\nif not os.path.exists('again'): open('again', 'x'); os.kill(os.getpid(), 9)"
    )
    pool, told = run([job])
    assert (names(pool.finished), told) == (["a"], [])


def test_a_job_that_is_killed_each_time_fails() -> None:
    job: Any = Script("a", "import os; os.write(1, b'begun\\n'); os.kill(os.getpid(), 9)")
    pool, told = run([job])
    assert told == ["a failed: it was ended by SIGKILL 3 times (all that it said: o/a.log)"]
    assert job.log.read_text() == "begun\n" * 3
    assert names(pool.failed) == ["a"]


@pytest.mark.parametrize(
    ("code", "number"), [(0, 0), (1, 0), (2, 0), (143, 15), (130, 2), (137, 0), (-9, 9), (-15, 15)]
)
def test_what_ended_a_process(code: int, number: int) -> None:
    assert killed_by(code) == number


@pytest.mark.parametrize(("number", "passed"), [(signal.SIGTERM, 15), (signal.SIGINT, 2), (signal.SIGHUP, 15)])
def test_a_signal_ends_what_runs_and_begins_nothing_more(number: signal.Signals, passed: int) -> None:
    text = "import signal, sys, time\nfor n in (2, 15): signal.signal(n, end)\nopen('{}.there', 'x')\n"
    text += "for _ in range(200): time.sleep(0.1)"  # a signal that comes just before a sleep is seen after it
    late = {"a": 0.0, "b": 0.5, "c": 0.0}  # seconds that one takes to end
    jobs: Any = [
        Script(name, f"def end(n, _): print(n, flush=True); time.sleep({seconds}); sys.exit(n)\n{text.format(name)}")
        for name, seconds in late.items()
    ]
    told: list[str] = []
    pool = Pool(jobs, 2, 1, told.append)

    def watch(ended: bool) -> None:
        if not pool.stopped_by and Path("a.there").exists() and Path("b.there").exists():
            pool.stop(number, None)

    pool.run(watch)
    assert (pool.stopped_by, pool.finished, pool.failed, told) == (number, [], [], [])
    assert [job.log.read_text() for job in jobs[:2]] == [f"{passed}\n"] * 2
    assert not jobs[2].log.exists()


@pytest.mark.parametrize(("number", "passed"), [(signal.SIGINT, 2), (signal.SIGHUP, 15)])
def test_a_signal_that_comes_while_a_job_is_started_ends_it_too(
    number: signal.Signals, passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: Any = [Script(name, "import time; time.sleep(9)") for name in "ab"]
    pool, begin, ended = Pool(jobs, 1, 1, print), processes.start, list[int]()

    def start(*arguments: Any) -> Any:
        process = begin(*arguments)
        pool.stop(number, None)
        send = process.send_signal
        monkeypatch.setattr(process, "send_signal", lambda its: [ended.append(its), send(signal.SIGKILL)])
        return process

    monkeypatch.setattr(pools, "start", start)
    pool.run(lambda ended: None)
    assert (ended, pool.finished, pool.failed, jobs[1].log.exists()) == ([passed], [], [], False)


@pytest.mark.skipif(sys.platform != "linux", reason="there alone a child can be tied to its parent")
def test_jobs_end_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    program = """
import os, subprocess, sys, time
from rlpair.system.children import ending_with_this
command = [*ending_with_this("http.server"), "0", "--bind", "127.0.0.1"]
child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
print(child.stdout.readline(), child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("Serving HTTP on 127.0.0.1 port ")
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    try:
        assert eventually(lambda: not is_alive(child))
    finally:
        if is_alive(child):
            os.kill(child, signal.SIGKILL)


def test_a_job_whose_benchmark_is_gone_is_not_begun() -> None:
    command = list(ending_with_this("this"))
    command[3] = "1"
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    line = "rlpair: this was not begun: process 1, which it belongs to, is gone\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", line)


def is_alive(pid: int) -> bool:
    """Whether such a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it comes true before so many seconds are over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
