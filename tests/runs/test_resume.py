"""Stopped, killed and resumed runs against the uninterrupted one, and equal seeds in processes of their own."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_envs  # noqa: F401 - registers toy/...
from devices import DEVICE
from runs import assert_same, command, config_of, overrides_of, records

from rlpair.train import train

AGENTS = [(algo, backend) for algo in ("dqn", "sac") for backend in ("torch", "jax")]
STEPS = 3_000


def killed(overrides: list[str], run_dir: Path, lines: int) -> None:
    """Run the command and kill it, SIGKILL, once it has a checkpoint and that many records."""
    process = subprocess.Popen([sys.executable, "-m", "rlpair.train", *overrides], stderr=subprocess.DEVNULL)
    metrics, checkpoints = run_dir / "metrics.jsonl", run_dir / "checkpoints"
    while process.poll() is None:
        if any(checkpoints.glob("step_*")) and metrics.read_bytes().count(b"\n") >= lines:
            process.kill()
            process.wait()
        time.sleep(0.002)
    assert process.returncode == -9  # and did not come to its end before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "backend", "env"),
    [
        ("dqn", "torch", "CartPole-v1"),
        ("dqn", "jax", "Acrobot-v1"),
        ("sac", "torch", "InvertedPendulum-v5"),
        ("sac", "jax", "InvertedPendulum-v5"),
        ("sac", "torch", "Pendulum-v1"),
        ("sac", "jax", "MountainCarContinuous-v0"),
    ],
)
def test_a_killed_run_resumes_to_the_same_end(algo: str, backend: str, env: str) -> None:
    config = {"env": env, "total_timesteps": STEPS, "eval_every": 700, "checkpoint_every": 400}
    train(config_of(algo, backend, run_dir="whole", **config))
    moments = random.Random(f"{algo} {backend} {env}")
    number = len(records("whole"))
    begin = overrides_of(config_of(algo, backend, run_dir="parts", **config))
    killed(begin, Path("parts"), moments.randrange(number // 2))
    killed(["resume=parts"], Path("parts"), moments.randrange(number // 2, 3 * number // 4))
    assert train(config_of(algo, backend, resume="parts", **config)).env_steps == STEPS
    assert_same("parts", "whole")


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_a_stopped_run_resumes_to_the_same_end(algo: str, backend: str) -> None:
    train(config_of(algo, backend, run_dir="whole"))
    train(config_of(algo, backend, run_dir="parts", total_timesteps=232))
    assert train(config_of(algo, backend, resume="parts")).env_steps == 400
    assert_same("parts", "whole")


def test_resume_in_the_other_backend_says_what_does_not_carry_over(capsys: pytest.CaptureFixture[str]) -> None:
    train(config_of("sac", "jax", run_dir="run", total_timesteps=200))
    assert train(config_of("sac", "torch", resume="run")).env_steps == 400
    note = f"jax's random numbers do not carry over to torch.{DEVICE}: exploration is reseeded from seed=0"
    assert f"rlpair: {note} and env step 200" in capsys.readouterr().err.splitlines()


def test_an_environment_that_cannot_be_replayed_starts_an_episode(capsys: pytest.CaptureFixture[str]) -> None:
    train(config_of("dqn", "torch", env="toy/Hidden-v0", run_dir="run", total_timesteps=202))
    assert train(config_of("dqn", "torch", env="toy/Hidden-v0", resume="run")).env_steps == 400
    lines = capsys.readouterr().err.splitlines()
    for row in range(2):
        assert f"rlpair: environment {row} could not be brought back to where it stood: it starts an episode" in lines


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_equal_seeds_give_equal_runs_in_another_process(algo: str, backend: str) -> None:
    for run_dir, seed in (("first", 3), ("other", 4)):
        train(config_of(algo, backend, seed=seed, run_dir=run_dir))
    assert command(*overrides_of(config_of(algo, backend, seed=3, run_dir="second"))).returncode == 0
    assert_same("first", "second")
    assert records("first") != records("other")
