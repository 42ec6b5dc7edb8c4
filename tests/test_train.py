"""python -m rlpair.train: what a run writes, how it is stopped and resumed, and what it refuses in one line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlpair import DQNConfig, SACConfig
from rlpair.config import RunConfig
from rlpair.train import main, train

ALGOS: dict[str, Any] = {
    "dqn": (DQNConfig(net_arch=(8,), batch_size=8, learning_starts=50, buffer_size=500), "CartPole-v1"),
    "sac": (SACConfig(net_arch=(8,), batch_size=8, learning_starts=50, buffer_size=500), "Pendulum-v1"),
}
TAGS = {
    "dqn": {"loss/q", "train/q_mean", "train/grad_norm"},
    "sac": {"loss/critic", "loss/actor", "loss/alpha", "train/alpha", "train/entropy", "train/q_mean"},
}
COMMON_TAGS = {
    "rollout/episodic_return",
    "rollout/episodic_length",
    "eval/mean_return",
    "eval/std_return",
    "throughput/env_steps_per_second",
    "throughput/updates_per_second",
}


def config_of(algo: str, backend: str, **changes: Any) -> RunConfig:
    config, env = ALGOS[algo]
    small = {"total_timesteps": 400, "num_envs": 2, "eval_every": 100, "eval_episodes": 2, "log_every": 50}
    return RunConfig(algo=config, env=env, backend=backend, **(small | {"checkpoint_every": 200} | changes))


def records(run_dir: str) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without clocks."""
    lines = [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds" and "throughput" not in k} for line in lines]


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_what_a_run_writes_and_that_resume_is_exact(algo: str, backend: str) -> None:
    train(config_of(algo, backend, run_dir="whole"))
    events = EventAccumulator("whole")
    events.Reload()
    assert set(events.Tags()["scalars"]) == COMMON_TAGS | TAGS[algo]
    names = {path.relative_to("whole").as_posix() for path in Path("whole").rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.jsonl", "checkpoints/best/agent.safetensors"} <= names
    assert "checkpoints/step_200/replay.safetensors" not in names
    assert "checkpoints/step_400/replay.safetensors" in names

    train(config_of(algo, backend, run_dir="parts", total_timesteps=232))
    assert train(config_of(algo, backend, resume="parts")).env_steps == 400
    assert records("parts") == records("whole")
    for file in ("agent.safetensors", "replay.safetensors"):
        parts, whole = (load_file(Path(run) / "checkpoints" / "step_400" / file) for run in ("parts", "whole"))
        assert parts.keys() == whole.keys()
        for name in whole:
            np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)


def test_resume_in_the_other_backend_says_what_does_not_carry_over(capsys: pytest.CaptureFixture[str]) -> None:
    train(config_of("sac", "jax", run_dir="run", total_timesteps=200))
    assert train(config_of("sac", "torch", resume="run")).env_steps == 400
    note = (
        "rlpair: jax's random numbers do not carry over to torch: exploration is reseeded from seed=0 and env step 200"
    )
    assert note in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGINT, "SIGINT", 130), (signal.SIGTERM, "SIGTERM", 143)])
def test_a_signal_leaves_a_checkpoint(number: int, name: str, code: int) -> None:
    settings = ["algo=dqn", "backend=torch", "total_timesteps=1000000", "algo.learning_starts=100", "run_dir=run"]
    process = subprocess.Popen([sys.executable, "-m", "rlpair.train", *settings], stdout=subprocess.PIPE, text=True)
    metrics = Path("run/metrics.jsonl")
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    (checkpoint,) = Path("run/checkpoints").glob("step_*")
    step = int(checkpoint.name.removeprefix("step_"))
    how = f"stopped by {name} at step {step:,}; go on with: python -m rlpair.train resume=run"
    assert out == f"dqn torch CartPole-v1: {how}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["algo=ppo"], "algo='ppo' is not allowed: one of dqn, sac"),
        (["backend=tf"], "backend='tf' is not allowed: one of torch, jax"),
        (["env=Nope-v1"], "env=Nope-v1 is not registered: "),
        (["sed=1"], "sed=1 is not allowed: there is no such key; did you mean seed? the keys are "),
        (["algo.learning_rate=abc"], "algo.learning_rate='abc' is not allowed: a number"),
        (["total_timesteps=1.5"], "total_timesteps=1.5 is not allowed: a whole number"),
        (["total_timesteps=0"], "total_timesteps=0 is not allowed: a whole number >= 1"),
        (["algo.gamma=1.5"], "algo.gamma=1.5 is not allowed: a number in [0, 1]"),
        (["algo.tau=0"], "algo.tau=0.0 is not allowed: a number in (0, 1]"),
        (["algo.batch_size=-1"], "algo.batch_size=-1 is not allowed: a whole number >= 1"),
        (["algo.net_arch=[]"], "algo.net_arch=() is not allowed: one or more layer sizes >= 1, such as [256,256]"),
        (["algo.net_arch=[0]"], "algo.net_arch=(0,) is not allowed: one or more layer sizes >= 1, such as [256,256]"),
        (["algo.batch_size=9", "algo.buffer_size=8"], "algo.batch_size=9 is not allowed: at most algo.buffer_size=8"),
        (["total_timesteps=50"], "algo.learning_starts=100 is not allowed: less than total_timesteps=50"),
        (["device=cuda"], "device='cuda' is not allowed: JAX sees no GPU here; use device=cpu or device=auto"),
        (["device=cuda", "backend=torch"], "device='cuda' is not allowed: PyTorch sees no GPU here; "),
        (["env=CartPole-v1"], "sac needs a Box action space and this environment has a Discrete one: use algo=dqn"),
        (
            ["algo=dqn", "env=Pendulum-v1"],
            "dqn needs a Discrete action space and this environment has a Box: ",
        ),
        (["env_kwargs.no=1"], "env=Pendulum-v1 cannot be built with env_kwargs={'no': 1}: "),
        (["resume=nowhere"], "nowhere: does not exist"),
        (["nonsense"], "argument='nonsense' is not allowed: KEY=VALUE"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rlpair.train", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    out, err = capsys.readouterr()
    assert (exit_info.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"rlpair: {message}")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run_dir=run"], "run_dir='run' is not allowed: a folder that is new or empty; resume= goes on in an old one"),
        (
            ["resume=run"],
            "total_timesteps=400 is not allowed: more than the 400 steps that ",
        ),
        (["resume=run", "algo=sac"], "algo='sac' is not allowed: dqn, as in the run that is resumed"),
        (
            ["resume=run", "env=Acrobot-v1"],
            "env='Acrobot-v1' is not allowed: CartPole-v1, as in the run that is ",
        ),
        (["resume=run", "total_timesteps=500", "algo.net_arch=[9]"], "q.0.0.weight has shape (4, 8), and this agent's"),
    ],
)
def test_a_run_that_exists_is_left_as_it_is(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(config_of("dqn", "torch", run_dir="run"))
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()}
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["rlpair.train", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    err = capsys.readouterr().err
    assert (exit_info.value.code, err.count("\n")) == (2, 1)
    assert err.startswith(f"rlpair: {message}")
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*") if path.is_file()} == before
