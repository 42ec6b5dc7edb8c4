"""python -m rlpair.tune, whole: killed, gone on with, and what it prints for pasting, pasted."""

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import rlpair
import rlpair.tune.__main__ as tune_main
from rlpair.runs.processes import places_of

SMALL = ("total_timesteps=600", "algo.net_arch=[16]", "algo.learning_starts=100", "algo.buffer_size=600")
ARGUMENTS = ("algo=dqn", "backend=torch", "env=CartPole-v1", *SMALL, "trials=2", "seeds=2", "jobs=1", "out=o")
LINE = [sys.executable, "-m", "rlpair.tune", *ARGUMENTS, "algo.tau=choice(0.01,0.5)"]


def end_in_the_first_trial(number: signal.Signals) -> tuple[int, str, str]:
    """Begin it, and send it a signal as soon as a training has written anything: exit code, stdout, stderr."""
    before = set(Path("o").glob("trial*/seed0/metrics.jsonl"))
    with subprocess.Popen(LINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 200
        while not set(Path("o").glob("trial*/seed0/metrics.jsonl")) - before and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, number)
        out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.slow
def test_it_is_killed_and_goes_on_and_its_command_trains(own_folder: Path) -> None:
    assert end_in_the_first_trial(signal.SIGKILL) == (-9, "", "")
    code, out, err = end_in_the_first_trial(signal.SIGINT)
    assert (code, err) == (130, "")
    assert out == f"stopped by SIGINT: 0 of 2 trials are done; go on with: {shlex.join(['python', *LINE[1:]])}\n"
    with subprocess.Popen(LINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        first = process.stderr.readline().rstrip()  # the first two were stopped: the preset's settings are tried again
        so_far = yaml.safe_load(Path("o/preset.yaml").read_text())["settings"]
        assert so_far["algo.tau"] == "0.01"
        assert Path("o/trials.csv").read_text().splitlines()[3].startswith("2,complete,")
        out, err = process.communicate()
    assert process.returncode == 0, err
    second = err.rstrip()
    assert first.startswith("rlpair: trial 2 (1/2): ")
    assert first.endswith("   algo.tau=0.01")
    assert second.startswith("rlpair: trial 3 (2/2): ")
    best, line = out.splitlines()
    assert best.startswith("best: ")
    assert best.endswith("; all in o")
    tau = yaml.safe_load(Path("o/preset.yaml").read_text())["settings"]["algo.tau"]
    assert line == "python -m rlpair.train algo=dqn backend=torch env=CartPole-v1 " + " ".join(
        shlex.quote(argument) for argument in (*SMALL, f"algo.tau={tau}")
    )
    pasted = subprocess.run(
        [sys.executable, *shlex.split(line)[1:], "run_dir=r"], capture_output=True, text=True, check=False
    )
    assert pasted.returncode == 0, pasted.stderr
    config = rlpair.load_agent("r").config
    assert (config.tau, config.net_arch) == (float(tau), (16,))  # type: ignore[attr-defined]


def test_without_a_score_the_exit_code_is_1(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[int | None, int]]()
    monkeypatch.setattr(tune_main, "places_of", lambda cores, *its: [asked.append(its), places_of(cores, *its)][1])
    settings = ("trials=1", "seeds=1", "threads=2", "algo.learning_rate=choice(1e30,1e30)")
    code, out, err = command("tune", *ARGUMENTS, *settings)
    assert (code, out) == (1, "no trial has a score\n")
    assert asked == [(1, 2)]  # jobs and threads
    preset, trial = err.splitlines()
    assert preset == "rlpair: the preset is not tried first, since the search leaves out its algo.learning_rate=0.0004"
    assert trial.startswith("rlpair: trial 0 (1/1): failed: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trials=0"], "trials=0 is not allowed: a whole number from 1 to 100,000"),
        (["algo.tau=interval(0.5,2)"], "algo.tau=2.0 is not allowed: a number in (0, 1]"),
        (["env=NoSuch-v0"], "env=NoSuch-v0"),
        (["-m"], "argument='-m' is not allowed: rlpair train alone takes it, for several values of a key"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    command: Callable[..., tuple[int, str, str]], arguments: list[str], message: str, own_folder: Path
) -> None:
    code, out, err = command("tune", "algo=dqn", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"rlpair: {message}")
    assert os.listdir() == []


def test_optuna_missing_is_one_line(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else found(name, *a))
    code, out, err = command("tune", "algo=dqn")
    assert (code, out) == (2, "")
    assert err.startswith("rlpair: tune needs optuna, which is not installed: pip install ")
