"""python -m rlpair.train mode=fused: what it writes, resume, signals, bad input."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import SMALL, assert_same, records

from rlpair import DQNConfig, SACConfig, load_agent
from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError
from rlpair.system.workers import divide
from rlpair.train import train

Call = Callable[..., tuple[int, str, str]]
ALGOS: dict[str, tuple[Any, str]] = {
    "dqn": (DQNConfig(**SMALL, train_freq=4), "CartPole-v1"),
    "sac": (SACConfig(**SMALL), "Pendulum-v1"),
}


def config_of(algo: str, **changes: Any) -> RunConfig:
    """A fused run of 400 steps over two environments."""
    config, env = ALGOS[algo]
    small = {"env": env, "total_timesteps": 400, "num_envs": 2, "eval_every": 200, "eval_episodes": 2, "log_every": 50}
    return RunConfig(algo=config, mode="fused", **(small | {"checkpoint_every": 200} | changes))


def tags_of(run_dir: str) -> set[str]:
    return {tag for line in records(run_dir) for tag in line} - {"env_steps"}


def test_a_run_of_one_seed_is_like_a_host_run() -> None:
    assert train(config_of("sac", run_dir="run")).env_steps == 400
    host = {"env": "Pendulum-v1", "total_timesteps": 400, "num_envs": 2, "eval_every": 200, "eval_episodes": 2}
    train(RunConfig(algo=ALGOS["sac"][0], run_dir="host", log_every=50, **host))
    assert tags_of("run") == tags_of("host")
    assert load_agent("run", backend="torch").num_updates == sum(  # type: ignore[attr-defined]
        2 if step > 50 and ALGOS["sac"][0].gradient_steps == -1 else step > 50 for step in range(2, 402, 2)
    )


def test_a_run_of_many_seeds() -> None:
    outcome = train(config_of("dqn", run_dir="run", num_seeds=3, seed=5))
    assert outcome.evaluation is not None
    assert len(outcome.evaluation.returns) == 3 * 2
    result = json.loads(Path("run/result.json").read_text())
    assert (result["seeds"], result["env_steps"]) == ([5, 6, 7], 400)
    assert result["returns"] == outcome.evaluation.returns.reshape(3, 2).tolist()
    newest = "run/checkpoints/step_400"
    assert {str(path.parent) for path in Path("run").rglob("replay.safetensors")} == {
        f"{newest}/seed_{k}" for k in (5, 6, 7)
    }
    own = {f"seed_{seed}/{tag}" for seed in (5, 6, 7) for tag in ("rollout/episodic_return", "eval/mean_return")}
    whole = {f"{group}/{tag}" for group in ("rollout", "eval") for tag in ("iqm", "iqm_low", "iqm_high")}
    assert own | whole | {"rollout/episodic_return", "eval/mean_return", "loss/q"} <= tags_of("run")
    (last,) = [line for line in records("run") if line["env_steps"] == 400 and "eval/iqm" in line]
    assert last["eval/mean_return"] == pytest.approx(np.mean([last[f"seed_{k}/eval/mean_return"] for k in (5, 6, 7)]))
    train(config_of("dqn", run_dir="alone", seed=7))
    mine = load_agent(f"{newest}/seed_7").state_dict()
    for name, value in load_agent("alone").state_dict().items():
        np.testing.assert_allclose(mine[name], value, 1e-4, 1e-6, err_msg=name)  # float32
    with pytest.raises(CheckpointError) as error:
        load_agent("run")
    assert str(error.value) == f"{newest}: holds 3 agents: name one of them, such as {newest}/seed_5"


@pytest.mark.parametrize(("algo", "num_seeds"), [("sac", 1), ("dqn", 2)])
def test_a_stopped_run_resumes_to_the_same_end(algo: str, num_seeds: int) -> None:
    train(config_of(algo, run_dir="whole", num_seeds=num_seeds))
    train(config_of(algo, run_dir="parts", num_seeds=num_seeds, total_timesteps=232))
    assert train(config_of(algo, resume="parts", num_seeds=num_seeds)).env_steps == 400
    if num_seeds == 1:
        assert_same("parts", "whole")
    assert records("parts") == records("whole")


@pytest.mark.slow
def test_a_signal_leaves_a_run_that_goes_on() -> None:
    overrides = ["algo=dqn", "mode=fused", "num_seeds=2", "total_timesteps=2000000", "run_dir=run", "eval_every=0"]
    process = subprocess.Popen([sys.executable, "-m", "rlpair.train", *overrides], stderr=subprocess.DEVNULL)
    metrics = Path("run/metrics.jsonl")
    while process.poll() is None and not (metrics.exists() and metrics.read_bytes().count(b"\n") > 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    run = json.loads(next(Path("run").glob("checkpoints/step_*/seed_1/run.json")).read_text())
    assert run["env_steps"] == records("run")[-1]["env_steps"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backend=torch"], "mode='fused' is not allowed: host with backend=torch; fused needs backend=jax"),
        (
            ["env=HalfCheetah-v5", "num_seeds=2"],
            "env='HalfCheetah-v5' is not allowed: compiled environments are CartPole-v1, Pendulum-v1, Acrobot-v1, "
            "MountainCar-v0, MountainCarContinuous-v0, gymnax/NAME and brax/NAME",
        ),
        (["mode=host", "num_seeds=2"], "num_seeds=2 is not allowed: 1 in mode=host; mode=fused trains many"),
        (["env=CartPole-v1"], "sac needs a Box action space and this environment has a Discrete one: use algo=dqn"),
        (["num_seeds=1000000000"], "num_seeds=1000000000 is not allowed: at most 100,000"),
        (
            ["num_seeds=90000"],
            "algo.buffer_size=1000000 is not allowed: less: it takes 3.0 TiB of 4.2 TiB, and there are ",
        ),
        (["num_seeds=0"], "num_seeds=0 is not allowed: a whole number >= 1"),
        (
            ["algo.buffer_size=2000000000"],
            "algo.buffer_size=2000000000 is not allowed: less: it takes 68.9 GiB of 68.9 GiB, and there are ",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, command: Call) -> None:
    code, out, err = command("train", "algo=sac", "mode=fused", "run_dir=run", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"rlpair: {message}")
    assert err.count("\n") == 1
    assert not Path("run").exists()


@pytest.mark.slow
def test_a_number_that_is_not_finite_stops_the_run(command: Call) -> None:
    settings = ["algo=sac", "mode=fused", "run_dir=run", "num_seeds=2", "total_timesteps=2000", "checkpoint_every=500"]
    settings += ["algo.learning_starts=600", "algo.learning_rate=1e30", "algo.net_arch=[8]"]
    code, _, err = command("train", *settings)
    assert code == 2
    line = err.splitlines()[-1]
    assert line.startswith("rlpair: ")
    assert line.endswith("of seed 0 was not finite before env step 750")
    assert {path.name for path in Path("run/checkpoints").iterdir()} == {"step_500"}


def test_shares_of_the_cores() -> None:
    assert divide(5, {0, 2}) == [(range(2), {0}), (range(2, 5), {2})]
    assert divide(2, {1, 3, 5, 7}) == [(range(1), {1, 5}), (range(1, 2), {3, 7})]


def test_interquartile_mean() -> None:
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -50])) == 3.5  # of 2, 3, 4, 5
    assert interquartile_mean(np.array([1.0, 2, 6])) == 3  # too few to cut
    low, high = bootstrap_interval(np.array([1.0, 2, 3, 4] * 4), interquartile_mean, 2_000)
    assert 1 < low < 2.5 < high < 4
    assert bootstrap_interval(np.full(5, 7.0), interquartile_mean, 2_000) == (7, 7)
