"""python -m rlpair.benchmark, whole: killed, gone on with, a job that fails, a second call that trains nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from benchmarks import run_of

import rlpair.benchmark.__main__ as benchmark_main
from rlpair.benchmark.pool import Pool
from rlpair.benchmark.results import load
from rlpair.disk.out import hold_out

ARGUMENTS = ("only=CartPole", "seeds=1", "total_env_steps=4000", "out=o", "jobs=2")
LINE = [sys.executable, "-m", "rlpair.benchmark", *ARGUMENTS]
TORCH, JAX = (Path("o/CartPole-v1", f"dqn-{backend}", "seed0") for backend in ("torch", "jax"))


def run(*more: str) -> "subprocess.CompletedProcess[str]":
    """The command, to its end."""
    return subprocess.run([*LINE, *more], capture_output=True, text=True, check=False)


def end_after_a_checkpoint(number: signal.Signals) -> tuple[int, str, str]:
    """Begin it, and send it a signal as soon as a job has another checkpoint: exit code, stdout, stderr."""
    before = checkpoints()
    with subprocess.Popen(LINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 200
        while checkpoints() <= before and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(process.pid, number)
        out, err = process.communicate()
    return process.returncode, out, err


def checkpoints() -> set[Path]:
    """Those that there are of all jobs."""
    return set(Path("o").glob("*/*/seed0/checkpoints/step_*"))


def curve(folder: Path) -> list[int]:
    """Steps of a run's evaluations, in the order that they were written in."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["env_steps"] for line in lines if "eval/mean_return" in line]


@pytest.mark.slow
def test_it_is_killed_and_goes_on_where_it_stood(own_folder: Path) -> None:
    code, out, err = end_after_a_checkpoint(signal.SIGKILL)
    assert (code, out) == (-9, "")
    assert err.startswith("0/2 jobs  left -:--  CartPole-v1 dqn torch seed 0 0%  CartPole-v1 dqn jax seed 0 0%\n")
    assert not list(Path("o").rglob("result.json"))
    code, out, err = end_after_a_checkpoint(signal.SIGTERM)
    stopped = "stopped by SIGTERM: 0 of 2 jobs are finished; go on with: "
    assert (code, out) == (143, f"{stopped}python -m rlpair.benchmark {' '.join(ARGUMENTS)}\n")
    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all in o"
    logs = [folder.with_name("seed0.log").read_text() for folder in (TORCH, JAX)]
    assert all(" after 4,000 steps, " in log for log in logs)
    assert any("stopped by SIGTERM at step " in log for log in logs)
    for folder in (TORCH, JAX):
        assert curve(folder) == list(range(200, 4001, 200))
    results = load(Path("o"))
    assert [(x["backend"], x["env_steps"], len(x["returns"]), len(x["curve"])) for x in results["runs"]] == [
        ("jax", 4_000, 20, 20),
        ("torch", 4_000, 20, 20),
    ]
    assert [session["finished"] for session in results["sessions"]] == [0, 2]  # the stopped call's machine is known too
    before = {path: path.stat().st_mtime_ns for path in Path("o/CartPole-v1").rglob("*")}
    again = run()
    assert (again.returncode, again.stderr) == (0, "")
    assert before == {path: path.stat().st_mtime_ns for path in Path("o/CartPole-v1").rglob("*")}
    assert load(Path("o")) == results
    Path("alone").mkdir()
    Path("o/results.json").rename("alone/results.json")
    report = subprocess.run([*LINE[:3], "report=alone"], capture_output=True, text=True, check=False)
    assert report.returncode == 0, report.stderr
    for name in ("report.md", "results.csv", "figure.png"):
        assert Path("alone", name).read_bytes() == Path("o", name).read_bytes(), name


FAIL = """
import sys
folder = next(a for a in sys.argv if a.startswith("run_dir=")).partition("=")[2]
sys.exit(f"rlpair: cannot train (traceback: {folder}/error.txt)")
"""


def test_a_folder_that_another_process_writes_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr("rlpair.runs.processes.TRAIN", (sys.executable, "-c", FAIL))
    with ExitStack() as stack:
        hold_out("o", stack)
        refused = "rlpair: out='o' is not allowed: one that no other process is writing to\n"
        assert command("benchmark", *ARGUMENTS) == (2, "", refused)
    with ExitStack() as stack:
        assert hold_out("o", stack) == Path("o")  # and is free again
    assert [path.name for path in Path("o").iterdir()] == [".lock"]


def test_all_jobs_fail(monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]) -> None:
    monkeypatch.setattr("rlpair.runs.processes.TRAIN", (sys.executable, "-c", FAIL))
    monkeypatch.setattr(sys, "argv", ["rlpair benchmark"])
    code, out, err = command("benchmark", *ARGUMENTS)
    call = f"python -m rlpair.benchmark {' '.join(ARGUMENTS)}"
    assert (code, out) == (1, f"2 of 2 jobs failed; the same command tries them again: {call}\n")
    told = [line for line in err.splitlines() if line.startswith("rlpair: ")]
    assert sorted(told) == sorted(
        f"rlpair: CartPole-v1 dqn {backend} seed 0 failed: cannot train (traceback: {folder}/error.txt) "
        f"(all that it said: {folder}.log)"
        for backend, folder in (("torch", TORCH), ("jax", JAX))
    )
    assert err.splitlines()[-1] == "0/2 jobs  2 failed  left 0:00"
    assert not Path("o/results.json").exists()


def test_a_session_has_finished_what_no_earlier_one_had(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    asked = list[int]()

    class Half(Pool):
        """Of two jobs one is finished already; it finishes the other."""

        def __init__(self, jobs: Any, *more: Any) -> None:
            super().__init__(jobs, *more)
            asked.extend(more[:2])
            self.finished = [jobs[0]]

        def run(self, watch: Callable[[bool], None]) -> None:
            self._starts["of the second"] += 1
            self.finished.append(self._waiting.pop())
            watch(True)

    monkeypatch.setattr(benchmark_main, "Pool", Half)
    monkeypatch.setattr(benchmark_main, "collect", lambda out: [run_of("CartPole-v1", "jax", 0, [9.0])])
    monkeypatch.setattr(benchmark_main, "show", lambda *arguments: None)
    assert command("benchmark", *ARGUMENTS, "threads=3")[:2] == (0, "")
    assert asked == [2, 3]  # jobs at a time, threads of each
    assert [session["finished"] for session in load(Path("o"))["sessions"]] == [1]


def test_what_goes_on_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rlpair", "only=[Ant,Hopper]", "out=my runs", "seeds=2"])
    assert benchmark_main.command() == "python -m rlpair.benchmark 'only=[Ant,Hopper]' 'out=my runs' seeds=2"


def test_without_matplotlib_it_says_so(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    found: Any = None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    code, out, err = command("benchmark", *ARGUMENTS)
    assert (code, out) == (2, "")
    assert err.startswith("rlpair: benchmark needs matplotlib, which is not installed: pip install ")
