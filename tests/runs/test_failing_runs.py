"""Runs whose environment fails, that are interrupted, or whose output nobody reads: one line, and nothing is lost."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import failing_envs  # noqa: F401 - registers failing/...
import pytest
from runs import command

from rlpair import load_agent
from rlpair.evaluate import main as evaluate_main
from rlpair.system.startup import is_command
from rlpair.train import main

ID = "failing/Fails-v0"
RUN = [
    "algo=dqn",
    "backend=torch",
    "total_timesteps=20",
    "eval_every=0",
    "eval_episodes=1",
    "algo.learning_starts=1",
    "algo.net_arch=[8]",
    "algo.batch_size=2",
    "algo.buffer_size=100",
    "run_dir=run",
]


@pytest.fixture
def line_of(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The last line of a command that must fail, with nothing on stdout and no traceback."""

    def run(*arguments: str, main: Callable[[], None] = main) -> str:
        monkeypatch.setattr(sys, "argv", ["rlpair", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        assert (end.value.code, out, "Traceback" in err) == (2, "", False), err
        return err.splitlines()[-1]

    return run


def test_a_run_whose_environment_fails_goes_on_from_the_step_before(line_of: Callable[..., str]) -> None:
    settings = [*RUN, f"env={ID}", "env_kwargs.how=exit"]
    assert line_of(*settings) == (
        f"rlpair: env={ID}: environment 0 raised SystemExit at env step 3: 0 (traceback: run/error.txt); "
        "run/checkpoints/step_2 is whole, go on with: python -m rlpair.train resume=run"
    )
    assert Path("run/error.txt").read_text().endswith("SystemExit: 0\n")
    assert load_agent("run").num_updates == 0
    assert "raised SystemExit at env step 5: 0 (traceback" in line_of("resume=run")  # new episodes, two steps more
    line = line_of("run_dir=run", "episodes=2", main=evaluate_main)
    assert line == (
        f"rlpair: env={ID}: environment 0 raised SystemExit at step 3 of an evaluation: 0 (traceback: run/error.txt)"
    )


def test_a_first_reset_that_fails_leaves_nothing_to_go_on_from(line_of: Callable[..., str]) -> None:
    settings = [*RUN, f"env={ID}", "env_kwargs.how=error", "env_kwargs.when=first reset"]
    assert line_of(*settings) == (
        f"rlpair: env={ID}: environment 0 raised ValueError in reset at env step 0: boom (traceback: run/error.txt); "
        "there is no checkpoint to go on from"
    )
    assert not Path("run/checkpoints").exists()


def test_a_worker_that_is_killed(line_of: Callable[..., str]) -> None:
    line = line_of(*RUN, f"env={ID}", "env_kwargs.how=killed", "vectorization=async")
    assert "the process of environment 0 was killed by SIGKILL at env step 3 (traceback" in line
    assert "run/checkpoints/step_2 is whole" in line


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(__file__).parents[1] / "support"), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path}


def test_an_environment_that_ends_the_process_is_one_that_fails() -> None:
    result = command(*RUN, f"env=failing_envs:{ID}", "env_kwargs.how=leave", env=environment())
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == (
        f"rlpair: env=failing_envs:{ID}: environment 0 raised SystemExit at env step 3: os._exit(0) "
        "(traceback: run/error.txt); run/checkpoints/step_2 is whole, go on with: python -m rlpair.train resume=run"
    )
    assert Path("run/error.txt").read_text().endswith("SystemExit: os._exit(0)\n")


def test_ctrl_c_while_a_run_is_put_together_leaves_nothing() -> None:
    result = command(
        *RUN, f"env=failing_envs:{ID}", "env_kwargs.how=ctrl-c", "env_kwargs.when=build", env=environment()
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "rlpair: interrupted\n")
    assert list(Path().iterdir()) == []


def test_ctrl_c_in_the_last_evaluation_leaves_the_trained_agent() -> None:
    last = [f"env=failing_envs:{ID}", "env_kwargs.how=ctrl-c", "env_kwargs.when=after the run"]
    result = command(*RUN, *last, env=environment())
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    assert result.stdout == (
        f"dqn torch failing_envs:{ID}: stopped by SIGINT in the evaluation after its last step, 20; "
        "go on with: python -m rlpair.train resume=run\n"
    )
    assert Path("run/checkpoints/step_20/replay.safetensors").is_file()


@pytest.mark.parametrize("output", ["2>&1 | true", ">&- 2>&-"], ids=["broken pipe", "closed"])
def test_a_run_that_nobody_reads_comes_to_its_end(output: str) -> None:
    run = " ".join([sys.executable, "-m", "rlpair.train", *RUN, "env=toy_envs:toy/Counter-v0"])
    line = f"{run} {output}; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=environment())
    assert (result.stdout, result.stderr) == ("0\n", "")
    assert Path("run/result.json").is_file()


FULL = "rlpair: stdout: No space left on device; what is printed there is lost\n"


def test_a_run_whose_stdout_is_on_a_full_disk_comes_to_its_end_and_says_so() -> None:
    run = " ".join([sys.executable, "-m", "rlpair.train", *RUN, "env=toy_envs:toy/Counter-v0"])
    result = subprocess.run(f"{run} > /dev/full", shell=True, capture_output=True, text=True, env=environment())
    assert (result.returncode, result.stderr.splitlines(keepends=True)[-1]) == (2, FULL)
    assert Path("run/result.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [("--help", ""), ("--version", "1"), ("train --help", ""), ("-m rlpair.plot --version", "1")],
)
def test_what_is_printed_onto_a_full_disk_is_an_error(arguments: str, unbuffered: str) -> None:
    module = arguments if arguments.startswith("-m") else f"-m rlpair {arguments}"
    line, own = f"{sys.executable} {module} > /dev/full", os.environ | {"PYTHONUNBUFFERED": unbuffered}
    run = subprocess.run(line, shell=True, capture_output=True, text=True, env=own)
    assert (run.returncode, run.stderr) == (2, FULL)


@pytest.mark.parametrize(
    ("arguments", "program", "expected"),
    [
        (["python", "-W", "error", "-m", "rlpair.train", "seed=1"], "-m", True),
        (["python", "-Im", "rlpair"], "-m", True),
        (["python", "-m", "pytest"], "-m", False),
        (["python", "/usr/bin/rlpair-train"], "/usr/bin/rlpair-train", True),
        (["python", "rlpair_of_mine.py", "-m", "rlpair"], "rlpair_of_mine.py", False),
        (["python", "-c", "...", "--multiprocessing-fork"], "/usr/bin/rlpair", False),
    ],
)
def test_is_command(arguments: list[str], program: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", arguments)
    monkeypatch.setattr(sys, "argv", [program])
    assert is_command() is expected
