"""A run that cannot be begun, gone on with or loaded as it is asked for: every single refusal by its whole message."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from refused import refused
from runs import config_of

from rlpair import DQNConfig, load, load_agent, make_agent
from rlpair.config import RunConfig
from rlpair.disk.checkpoint import check_resumable
from rlpair.disk.layout import RunDir
from rlpair.errors import CheckpointError, ConfigError
from rlpair.runs import run_dir
from rlpair.runs.formats import LINE_BYTES
from rlpair.runs.loading import Checkpoint
from rlpair.runs.metrics import read_records
from rlpair.runs.saved_config import flat
from rlpair.runs.saved_run import SavedRun, resolve_config
from rlpair.train import train

STEP = "run/checkpoints/step_200"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(config_of("dqn", "torch", run_dir=str(folder / "run"), total_timesteps=200, eval_episodes=1, eval_every=0))
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SavedRun:
    """A run of 200 steps, in ./run, of which nothing is changed."""
    monkeypatch.chdir(folder)
    return SavedRun("run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"num_envs": 1},
            f"{STEP}/replay.safetensors: reward has shape (100, 2), and there is room for (500, 1) "
            "with num_envs=1 and algo.buffer_size=500",
        ),
        (
            {"backend": "jax", "mode": "fused"},
            f"{STEP}/replay.safetensors: it has no replay.reward, as a run with mode=fused has",
        ),
        ({"backend": "jax", "mode": "fused", "num_seeds": 2}, f"{STEP}: it holds 1 agents, and num_seeds=2"),
    ],
)
def test_a_run_that_cannot_go_on_with_these_settings(changes: dict[str, Any], message: str, run: SavedRun) -> None:
    run.check(run.config)
    assert refused(lambda: run.check(replace(run.config, **changes)), CheckpointError) == message


def test_a_replay_that_is_larger_than_asked_for(run: SavedRun) -> None:
    small = replace(run.config, algo=replace(run.config.algo, buffer_size=199))
    assert refused(lambda: run.check(small), CheckpointError) == (
        f"{STEP}/replay.safetensors: reward has shape (100, 2), and there is room for (99, 2) "
        "with num_envs=2 and algo.buffer_size=199"
    )


def test_the_state_of_a_loop_of_the_other_kind(run: SavedRun) -> None:
    message = f"{STEP}/run.json: is of a run with mode=host, and not of one with mode=fused"
    assert refused(lambda: Checkpoint(STEP).run("fused"), CheckpointError) == message


def test_a_checkpoint_that_is_behind_a_link(run: SavedRun, tmp_path: Path) -> None:
    (tmp_path / "step_200").mkdir()
    (tmp_path / "step_300").symlink_to(Path(STEP).absolute())
    message = f"{tmp_path}/step_300: cannot be read: is a link, and links inside a run's folder are not followed"
    assert refused(lambda: check_resumable(tmp_path / "step_200"), CheckpointError) == message


def test_a_checkpoint_of_many_seeds(run: SavedRun, tmp_path: Path) -> None:
    (tmp_path / "step_200").mkdir()
    for seed in (3, 12):
        shutil.copytree(STEP, tmp_path / f"step_200/seed_{seed}")
    seeds = f"{tmp_path}/step_200/seed_3"
    message = f"{tmp_path}/step_200: holds 2 agents: name one of them, such as {seeds}"
    assert refused(lambda: load_agent(tmp_path / "step_200"), CheckpointError) == message


def test_a_checkpoint_of_many_seeds_under_another_step(run: SavedRun, tmp_path: Path) -> None:
    for step in (200, 300):
        shutil.copytree(STEP, tmp_path / f"step_{step}/seed_3")
    assert Checkpoint(tmp_path / "step_200/seed_3").run("host")["env_steps"] == 200
    seed = tmp_path / "step_300/seed_3"
    message = f"{seed}/run.json: env_steps=200 is not allowed: 300, as in step_300"
    assert refused(lambda: Checkpoint(seed).run("host"), CheckpointError) == message


def test_a_folder_in_the_place_of_the_runs_own() -> None:
    Path("run").mkdir()
    with ExitStack() as undo:
        held = run_dir.HeldRunDir(Path("run"), undo)
        held.check()
        Path("run").rename("moved")
        Path("run").mkdir()
        with pytest.raises(FileNotFoundError, match="was removed while the run was writing to it"):
            held.check()


def test_a_run_that_is_resumed_elsewhere(run: SavedRun, command: Callable[..., tuple[int, str, str]]) -> None:
    line = "run_dir='other' is not allowed: left out with resume=, which goes on in its own folder"
    assert command("train", "resume=run", "run_dir=other") == (2, "", f"rlpair: {line}\n")
    assert not Path("other").exists()


def test_an_agent_that_does_not_fit_into_memory(run: SavedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(load, "make_agent", full)
    assert refused(lambda: load_agent("run"), CheckpointError) == f"{STEP}: its agent does not fit into memory"


def test_a_checkpoint_of_no_run() -> None:
    make_agent("dqn", backend="torch", env="CartPole-v1").save("mine")
    line = "mine belongs to no run: there is no config.yaml two folders above it"
    assert refused(lambda: SavedRun("mine"), CheckpointError) == line


@pytest.mark.parametrize(
    ("env", "name"), [("CartPole-v1", "CartPole-v1"), ("ale_py:ALE/Pong-v5", "ale_py-ALE-Pong-v5")]
)
def test_a_thousand_runs_of_one_second(env: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Path]()
    monkeypatch.setattr(run_dir, "_make", lambda path, undo: asked.append(path))
    monkeypatch.setattr(time, "strftime", lambda pattern: "NOW")
    config = config_of("dqn", "torch", seed=7, env=env)
    message = refused(lambda: run_dir.begin(config, None), ConfigError)  # type: ignore[arg-type]
    parent = f"runs/{name}/dqn-torch"
    assert message == f"run_dir='{parent}/seed7-NOW' is not allowed: given by hand here: a thousand runs have this name"
    assert [str(asked[0]), str(asked[1]), str(asked[-1])] == [f"{parent}/seed7-NOW{x}" for x in ("", "-2", "-999")]


def test_a_second_run_of_one_second_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda pattern: "NOW")
    parent = Path("runs/CartPole-v1/dqn-torch")
    with ExitStack() as undo:
        begun = [run_dir.begin(config_of("dqn", "torch"), undo) for _ in range(3)]
        assert begun == [(parent / f"seed0-NOW{x}", True) for x in ("", "-2", "-3")]


def test_what_is_given_with_resume_goes_over_what_was_saved() -> None:
    """Key by key: an environment has settings that were saved, that are given, and that are both."""
    saved: Any = SimpleNamespace(run_dir=RunDir("run"))
    saved.config = config_of("dqn", "torch", env_kwargs={"sutton_barto_reward": True, "max_episode_steps": 50})
    values = flat(RunConfig(algo=DQNConfig(), resume="run", total_timesteps=900).to_dict())
    values["env_kwargs"] = {"max_episode_steps": 7}
    found = resolve_config(values, {"resume", "total_timesteps", "env_kwargs"}, saved)
    assert found.env_kwargs == {"sutton_barto_reward": True, "max_episode_steps": 7}
    assert found == replace(saved.config, env_kwargs=found.env_kwargs, resume="run", total_timesteps=900, run_dir=None)


def test_a_line_without_end() -> None:
    path = Path("metrics.jsonl")
    path.write_bytes(b'{"env_steps": 1, "seconds": 1.0}\n' + b" " * (LINE_BYTES + 1))
    message = "metrics.jsonl: line 2 is not a record: it has more than 4,194,304 bytes"
    assert refused(lambda: list(read_records(path)), CheckpointError) == message


def test_a_state_of_the_loop_that_the_agent_does_not_vouch_for(run: SavedRun, tmp_path: Path) -> None:
    shutil.copytree("run", tmp_path / "run")
    agent = tmp_path / "run/checkpoints/step_200/agent.json"
    meta = json.loads(agent.read_text())
    del meta["sha256"]["run.json"]
    agent.write_text(json.dumps(meta))
    again = replace(run.config, total_timesteps=300, run_dir=None, resume=str(tmp_path / "run"))
    message = f"{agent.with_name('run.json')}: is corrupt: its sha256 is not the one in agent.json"
    assert refused(lambda: train(again), CheckpointError) == message


@pytest.mark.parametrize(("folder", "argument"), [("run", "resume=run"), ("my runs/a", "'resume=my runs/a'")])
def test_the_command_that_goes_on_can_be_pasted(folder: str, argument: str) -> None:
    assert run_dir.go_on(Path(folder), "dqn") == f"go on with: python -m rlpair.train {argument}"


def test_a_run_that_is_to_be_shorter_than_it_is(run: SavedRun, tmp_path: Path) -> None:
    shutil.copytree("run", tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()  # as if it had been ended in its last evaluation
    shorter = replace(run.config, total_timesteps=150, run_dir=None, resume=str(tmp_path / "run"))
    step = tmp_path / "run" / "checkpoints" / "step_200"
    message = f"total_timesteps=150 is not allowed: more than the 200 steps that {step} has behind it"
    assert refused(lambda: train(shorter), ConfigError) == message
