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
import toy_envs  # noqa: F401 - registers toy/...
from runs import assert_same, command, config_of, records
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlpair.envs.host import HostEnvs
from rlpair.runs.host_run import HostRun
from rlpair.train import train

TAGS = {
    "dqn": {"loss/q", "q_mean", "grad_norm"},
    "sac": {"loss/critic", "loss/actor", "loss/alpha", "alpha", "entropy", "q_mean"},
}
COMMON_TAGS = {
    "rollout/episodic_return",
    "rollout/episodic_length",
    "eval/mean_return",
    "eval/std_return",
    "eval/final_mean_return",
    "eval/final_std_return",
    "eval/final_episodes",
    "throughput/env_steps_per_second",
    "throughput/updates_per_second",
}


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_what_a_run_writes(algo: str, backend: str) -> None:
    train(config_of(algo, backend, run_dir="whole"))
    events = EventAccumulator("whole")
    events.Reload()
    assert set(events.Tags()["scalars"]) == COMMON_TAGS | {f"train/{tag}" for tag in TAGS[algo]}
    names = {path.relative_to("whole").as_posix() for path in Path("whole").rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.jsonl", "result.json", "checkpoints/best/agent.safetensors"} <= names
    assert "checkpoints/step_200/replay.safetensors" not in names
    assert "checkpoints/step_400/replay.safetensors" in names


def test_a_run_closes_the_environments_that_it_trains_and_plays_in(monkeypatch: pytest.MonkeyPatch) -> None:
    made, closed = list[HostEnvs](), list[HostEnvs]()
    begin, close = HostEnvs.__init__, HostEnvs.close

    def begins(self: HostEnvs, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        made.append(self)

    def closes(self: HostEnvs) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(HostEnvs, "__init__", begins)
    monkeypatch.setattr(HostEnvs, "close", closes)
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=100))
    assert len(made) >= 2
    assert set(map(id, made)) == set(map(id, closed))


def test_the_score_at_the_end_is_on_disk() -> None:
    outcome = train(config_of("dqn", "torch", run_dir="run", seed=3))
    assert outcome.evaluation is not None
    returns, lengths = (x.tolist() for x in outcome.evaluation)
    result = json.loads(Path("run/result.json").read_text())
    assert result.pop("seconds") > 0
    assert result.pop("versions").keys() >= {"python", "rlpair", "numpy", "gymnasium", "torch"}
    assert result == {
        **{"algo": "dqn", "backend": "torch", "env": "CartPole-v1", "seeds": [3], "env_steps": 400},
        **{"mean": np.mean(returns), "std": np.std(returns), "returns": [returns], "lengths": [lengths]},
    }
    final = {"mean_return": np.mean(returns), "std_return": np.std(returns), "episodes": 2.0}
    expected = {f"eval/final_{name}": value for name, value in final.items()}
    assert records("run")[-1] == {"env_steps": 400, **expected}
    events = EventAccumulator("run").Reload()
    for tag, value in expected.items():
        (event,) = events.Scalars(tag)
        assert (event.step, event.value) == (400, np.float32(value))


def test_a_run_that_goes_on_has_no_result_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    assert Path("run/result.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(HostRun, "evaluate", lambda run: 1 / 0)  # as if it were killed there
        with pytest.raises(ZeroDivisionError):
            train(config_of("dqn", "torch", resume="run"))
    assert not Path("run/result.json").exists()
    assert [line["env_steps"] for line in records("run") if "eval/final_episodes" in line] == []
    before = records("run")
    assert train(config_of("dqn", "torch", resume="run")).env_steps == 400  # only its last evaluation was to come
    assert records("run")[:-1] == before
    assert json.loads(Path("run/result.json").read_text())["env_steps"] == 400


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
    assert not Path("run/result.json").exists()
    how = f"stopped by {name} at step {step:,}; go on with: python -m rlpair.train resume=run"
    assert out == f"dqn torch CartPole-v1: {how}\n"


def test_worker_processes_change_nothing() -> None:
    train(config_of("dqn", "jax", run_dir="sync"))
    train(config_of("dqn", "jax", run_dir="async", vectorization="async"))
    assert_same("async", "sync")


SWEEP = ["algo=dqn", "backend=torch", "eval_episodes=2", "algo.net_arch=8"]


@pytest.mark.slow
def test_a_sweep_runs_each_job_in_a_process_and_ends_with_their_scores() -> None:
    result = command("-m", *SWEEP, "total_timesteps=2000", "seed=5", "algo.gamma=0.9,2")
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert lines.count("rlpair: algo.gamma=2.0 is not allowed: a number in [0, 1]") == 1
    assert f"rlpair: {' '.join(SWEEP)} total_timesteps=2000 seed=5 algo.gamma=0.9" in lines
    (run_dir,) = Path("runs/CartPole-v1/dqn-torch").iterdir()
    result_of = json.loads((run_dir / "result.json").read_text())
    mean, std, seconds = (result_of[key] for key in ("mean", "std", "seconds"))
    first, *table = [line.split() for line in result.stdout.splitlines()]
    assert first[:2] == ["dqn", "torch"]
    assert table == [
        ["algo.gamma", "return", "episodes", "env", "steps", "seconds", "run_dir"],
        [
            "0.9",
            f"{mean:.1f}",
            "+-",
            f"{std:.1f}",
            "2",
            "2,000",
            f"{seconds:.0f}",
            str(run_dir),
        ],
        ["2", "exit", "code", "2"],
    ]


def test_a_signal_ends_a_sweep_after_the_checkpoint_of_its_job() -> None:
    arguments = ["-m", *SWEEP, "total_timesteps=1000000", "algo.learning_starts=100", "seed=0,1", "run_dir=run"]
    process = subprocess.Popen([sys.executable, "-m", "rlpair.train", *arguments], stdout=subprocess.PIPE, text=True)
    metrics = Path("run/metrics.jsonl")
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(list(Path("run/checkpoints").glob("step_*"))) == 1
    assert [line.split() for line in out.splitlines()[-2:]] == [
        ["0", "exit", "code", "130", "run"],
        ["1", "not", "begun"],
    ]
