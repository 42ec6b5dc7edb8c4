"""What a run keeps beside the agent: its best, its clock, its settings; and that a resume goes on with all of them."""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from runs import config_of, records
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlpair import DQNConfig, EnvSpec, load_agent, make_agent
from rlpair.config import RunConfig
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import make_envs
from rlpair.loops import host as loop_module
from rlpair.replay.buffer import replay_bytes
from rlpair.runs import host_run
from rlpair.runs.images import tell_of_images
from rlpair.runs.progress import ProgressBar
from rlpair.seeding import integer
from rlpair.train import train
from rlpair.types import Evaluation

Script = Callable[[list[float]], None]


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Script:
    """``evaluations([1, 5, 3])``: what the next evaluations give."""

    def script(means: list[float]) -> None:
        told = iter(means)
        monkeypatch.setattr(
            loop_module, "evaluate", lambda *_, **__: Evaluation(np.full(2, next(told)), np.ones(2, np.int64))
        )

    return script


def updates_of_best(run_dir: str) -> int:
    updates: int = load_agent(f"{run_dir}/checkpoints/best").num_updates  # type: ignore[attr-defined]
    return updates


@pytest.mark.parametrize(
    ("means", "best_at"), [([1, 5, 3, 4], 200), ([5, 1, 2, 3], 100), ([-4, -3, -2, -1], 400), ([2, 2, 2, 2], 100)]
)
def test_best_is_the_agent_of_the_best_evaluation(means: list[float], best_at: int, evaluations: Script) -> None:
    evaluations(means)
    train(config_of("dqn", "torch", run_dir="run", num_envs=1))  # evaluations at 100, 200, 300 and 400
    config = config_of("dqn", "torch").algo
    assert updates_of_best("run") == (best_at - config.learning_starts + 2) // config.train_freq


def test_a_resumed_run_remembers_its_best(evaluations: Script) -> None:
    evaluations([5, 4])
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=232))
    before = updates_of_best("run")
    evaluations([4.5, 3])
    train(config_of("dqn", "torch", resume="run", total_timesteps=400))
    assert updates_of_best("run") == before


def test_the_replays_of_all_seeds_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    spec, algo = EnvSpec((10, 10, 4), "bool", True, 3), DQNConfig(buffer_size=500)
    tell_of_images(RunConfig(algo=algo, mode="fused", num_seeds=3, num_envs=2), spec)
    assert f"their replay takes {3 * replay_bytes(500, 2, spec):,} bytes once it is full" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [0, 4])
def test_the_last_evaluation_starts_where_its_seed_and_step_say(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, reset = list[int](), HostEnvs.reset
    monkeypatch.setattr(HostEnvs, "reset", lambda self, seed: seeds.append(seed) or reset(self, seed))
    train(config_of("dqn", "torch", run_dir="run", seed=seed, total_timesteps=100, eval_every=0))
    assert sorted(seeds) == sorted([integer(seed, "envs"), integer(integer(seed, "evaluation", 100), "evaluation", 0)])


def test_a_resumed_run_goes_on_with_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    metrics = Path("run/metrics.jsonl")
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    late = [json.dumps(line | {"seconds": 5000 + line["seconds"]}) for line in lines]
    metrics.write_text("\n".join([*late, ""]))
    begins, init = list[Any](), ProgressBar.__init__
    monkeypatch.setattr(ProgressBar, "__init__", lambda self, *a, **k: begins.append((a, k)) or init(self, *a, **k))
    train(config_of("dqn", "torch", resume="run", total_timesteps=400))
    seconds = [json.loads(line)["seconds"] for line in metrics.read_text().splitlines()]
    assert len(seconds) > len(lines)
    assert 5000 <= min(seconds) <= max(seconds) < 6000
    assert seconds == sorted(seconds)
    (((total, initial), _),) = begins
    assert (total, initial) == (400, 200)


def test_a_new_run_begins_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    begins, init = list[Any](), ProgressBar.__init__
    monkeypatch.setattr(ProgressBar, "__init__", lambda self, *a, **k: begins.append((a, k)) or init(self, *a, **k))
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=100))
    (((total, initial), _),) = begins
    assert (total, initial) == (100, 0)
    assert json.loads(Path("run/metrics.jsonl").read_text().splitlines()[0])["seconds"] < 60


def test_what_came_after_the_checkpoint_is_forgotten_in_all_records() -> None:
    """As after a kill: the newest whole checkpoint is not where the records end."""
    train(config_of("dqn", "torch", run_dir="whole"))
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    shutil.copytree("run/checkpoints/step_200", "kept")  # with its replay
    train(config_of("dqn", "torch", resume="run", total_timesteps=300))
    shutil.rmtree("run/checkpoints")
    Path("run/checkpoints").mkdir()
    shutil.copytree("kept", "run/checkpoints/step_200")
    train(config_of("dqn", "torch", resume="run"))
    assert records("run") == records("whole")
    told = [EventAccumulator(run_dir).Reload() for run_dir in ("run", "whole")]
    for tag in ("train/loss/q", "eval/mean_return", "rollout/episodic_return"):
        run, whole = ([(event.step, event.value) for event in events.Scalars(tag)] for events in told)
        assert run == whole


def test_the_settings_of_a_resumed_run_are_the_new_ones() -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    assert OmegaConf.load("run/config.yaml").total_timesteps == 200
    Path("run/error.txt").write_text("of an environment that failed before it went on")
    train(config_of("dqn", "jax", resume="run", total_timesteps=300, eval_every=150))
    values = OmegaConf.load("run/config.yaml")
    assert (values.total_timesteps, values.eval_every, values.backend) == (300, 150, "jax")
    assert (values.run_dir, values.resume) == (None, None)
    assert not Path("run/error.txt").exists()


@pytest.mark.parametrize(("episodes", "playing"), [(2, 2), (10, 10), (25, 10)])
def test_a_run_is_made_of_all_its_settings(episodes: int, playing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given, make = list[Any](), make_envs
    monkeypatch.setattr(host_run, "make_envs", lambda *a, **k: given.append((a, k)) or make("CartPole-v1", a[1]))
    monkeypatch.setattr(
        host_run, "make_agent", lambda *a, **k: given.append((a, k)) or make_agent(*a, env=k["env"], backend="torch")
    )
    settings = {"env_kwargs": {"max_episode_steps": 9}, "vectorization": "async", "matmul_precision": "high", "seed": 3}
    times = {"eval_episodes": episodes, "num_envs": 3}
    config = config_of("dqn", "torch", compile=True, device="cpu", **times, **settings)
    with ExitStack() as stack:
        host_run.HostRun(config, "", stack)
    of_evaluation, of_agent, of_training = given
    assert of_evaluation == (("CartPole-v1", playing, "sync", {"max_episode_steps": 9}), {})
    assert of_training == (("CartPole-v1", 3, "async", {"max_episode_steps": 9}), {"training": True})
    assert of_agent[0] == ("dqn",)
    assert {key: x for key, x in of_agent[1].items() if key != "env"} == {
        "backend": "torch",
        "config": config.algo,
        "seed": 3,
        "device": "cpu",
        "matmul_precision": "high",
        "compile": True,
    }
