"""Small runs of the train command, and what two of them must have in common."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from rlpair import DQNConfig, SACConfig
from rlpair.config import RunConfig

SMALL: dict[str, Any] = {"net_arch": (8,), "batch_size": 8, "learning_starts": 50, "buffer_size": 500}
ALGOS: dict[str, Any] = {"dqn": (DQNConfig(**SMALL), "CartPole-v1"), "sac": (SACConfig(**SMALL), "Pendulum-v1")}


def config_of(algo: str, backend: str, **changes: Any) -> RunConfig:
    """A run of 400 steps over two environments, with two evaluations a checkpoint."""
    config, env = ALGOS[algo]
    small = {"env": env, "total_timesteps": 400, "num_envs": 2, "eval_every": 100, "eval_episodes": 2, "log_every": 50}
    return RunConfig(algo=config, backend=backend, **(small | {"checkpoint_every": 200} | changes))


def overrides_of(config: RunConfig) -> list[str]:
    """The same run for the command: every setting, so that no default goes over one."""
    values = config.to_dict()
    algo = values.pop("algo")
    name = algo.pop("name")
    flat = values | {f"algo.{key}": value for key, value in algo.items()}
    text = {key: json.dumps(value).replace(" ", "").replace('"', "") for key, value in flat.items()}
    return [f"algo={name}", *(f"{key}={value}" for key, value in text.items() if value != "{}")]


def records(run_dir: str | Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without clocks."""
    lines = [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds" and "throughput" not in k} for line in lines]


def last_checkpoint(run_dir: str | Path) -> Path:
    """That of the most steps."""
    return max(Path(run_dir).glob("checkpoints/step_*"), key=lambda path: int(path.name.removeprefix("step_")))


def assert_same(run: str | Path, other: str | Path) -> None:
    """Bit for bit: records, clocks aside; parameters, moments, counters, generators; replay; state of the loop."""
    assert records(run) == records(other)
    mine, its = last_checkpoint(run), last_checkpoint(other)
    assert mine.name == its.name
    for file in ("agent.safetensors", "replay.safetensors"):
        tensors, expected = load_file(mine / file), load_file(its / file)
        assert tensors.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(tensors[name], expected[name], err_msg=name)
    loops = [json.loads((path / "run.json").read_text()) for path in (mine, its)]
    for loop in loops:
        loop.get("envs", {}).pop("seed", None)  # only of episodes that a resume cannot restore, another one after each
    assert loops[0] == loops[1]


def command(*arguments: str, name: str = "train", **options: Any) -> "subprocess.CompletedProcess[str]":
    """python -m rlpair.<name> in a process of its own."""
    line = [sys.executable, "-m", f"rlpair.{name}", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)
