"""A run's folder from a stranger executes nothing: no module that it names or holds is imported."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import config_of

from rlpair.cli.arguments import read
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError
from rlpair.evaluate import EvaluateConfig
from rlpair.runs.saved_config import load_config, save_config
from rlpair.settings.overrides import split
from rlpair.settings.schema import keys_of
from rlpair.settings.trust import assignment, check_environment, is_powerful
from rlpair.system.safe_path import started_module
from rlpair.train import train

Call = Callable[..., tuple[int, str, str]]
CANNOT = "may not import a module, name a file or open a window by itself; if you trust it, add:"
EVIL = """
from pathlib import Path
import gymnasium
Path(__file__).with_suffix(".executed").touch()
if "evil/Env-v0" not in gymnasium.registry:
    gymnasium.register("evil/Env-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=9)
"""
MARK = "open(__file__ + '.executed', 'w').close()\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 steps on CartPole."""
    run_dir = tmp_path_factory.mktemp("template") / "run"
    train(config_of("dqn", "torch", run_dir=str(run_dir), total_timesteps=100, eval_every=0))
    return run_dir


@pytest.fixture
def run_dir(template: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(template, "run"))


def edit(run_dir: Path, **changes: Any) -> None:
    save_config(config_of("dqn", "torch", total_timesteps=100, eval_every=0, **changes), run_dir)


def python(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environ = os.environ | {"PYTHONPATH": str(Path(sys.modules["rlpair"].__path__[0]).parent)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


def test_a_module_that_the_configuration_names_is_not_imported(run_dir: Path) -> None:
    edit(run_dir, env="evil:evil/Env-v0")
    (run_dir / "evil.py").write_text(EVIL)
    line = f"rlpair: config.yaml {CANNOT} env=evil:evil/Env-v0\n"
    for command in (("evaluate", "run_dir=."), ("train", "resume=.", "total_timesteps=200")):
        result = python("-m", f"rlpair.{command[0]}", *command[1:], cwd=run_dir)
        assert (result.returncode, result.stdout, result.stderr) == (2, "", line)
    assert not (run_dir / "evil.executed").exists()
    result = python("-m", "rlpair.evaluate", "run_dir=.", "env=other:Env-v0", cwd=run_dir)
    assert result.stderr == "rlpair: env='other:Env-v0' is not allowed: evil:evil/Env-v0, as in the run, or left out\n"
    result = python("-m", "rlpair.evaluate", "run_dir=.", "episodes=2", "env=evil:evil/Env-v0", cwd=run_dir)
    assert result.stdout.splitlines()[1:2] == ["2 episodes of 9.0 steps, return 9.00, std 0.00"], result.stderr
    assert (run_dir / "evil.executed").exists()


NAMES = ("gymnasium", "numpy", "torch", "jax", "tensorflow", "moviepy", "omegaconf", "matplotlib", "six", "rich")
STANDARD = ("types", "warnings", "json", "socket", "pickle")  # which Python itself imports before a command begins


def booby_trap(folder: Path, names: tuple[str, ...]) -> None:
    """Modules, plugins and entry points that leave a mark when they are imported."""
    for name in (*names, "hydra_plugins/trap", "jax_plugins/trap", "sitecustomize"):
        (folder / f"{name}.py").parent.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(MARK)
    (folder / "trap-1.0.dist-info").mkdir()
    (folder / "trap-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: trap\nVersion: 1.0\n")
    (folder / "trap-1.0.dist-info/entry_points.txt").write_text("[gymnasium.envs]\n__root__ = numpy:trap\n")


@pytest.mark.parametrize("python_options", [(), ("-P",)])
def test_what_lies_in_the_current_folder_is_not_imported(python_options: tuple[str, ...], run_dir: Path) -> None:
    booby_trap(run_dir, NAMES + (STANDARD if python_options else ()))
    resume = ("rlpair.train", "resume=.", "total_timesteps=120", "vectorization=async")
    for command in (("rlpair", "evaluate", "run_dir=.", "episodes=1"), *(() if python_options else (resume,))):
        result = python(*python_options, "-m", *command, cwd=run_dir)
        assert result.returncode == 0, result.stderr
    assert [path.name for path in run_dir.rglob("*.executed")] == []


def test_the_command_line_may_name_a_module_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(EVIL)
    small = ("algo=dqn", "backend=torch", "total_timesteps=60", "algo.learning_starts=50", "run_dir=run", "num_envs=2")
    command = ("rlpair.train", "env=mine:evil/Env-v0", "vectorization=async", "eval_episodes=1", *small)
    result = python("-P", "-m", *command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (["python", "-m", "rlpair.train", "seed=1"], "rlpair.train"),
        (["python", "-W", "error", "-X", "dev", "-um", "rlpair", "train"], "rlpair"),
        (["python", "-mrlpair.train"], "rlpair.train"),
        (["python", "-c", "import rlpair"], ""),
        (["python", "script.py"], ""),
        (["python"], ""),
    ],
)
def test_the_module_that_python_was_told_to_run(arguments: list[str], module: str) -> None:
    assert started_module(arguments) == module


@pytest.mark.parametrize("value", [1, -0.5, True, None, "8x8", "dense", "a b-c_d+1", ["SFFF", "FHFH"], {"x": [1]}])
def test_what_an_environment_may_be_given_by_a_stranger(value: Any) -> None:
    assert not is_powerful("key", value)


@pytest.mark.parametrize(
    "value",
    [
        *("/etc/passwd", "ant.xml", "..", "~", "a\\b", "evil:Env-v0", "http://x", "os.system", "$HOME", "${x}", "x\n"),
        *("%s", "a  b", "x" * 201, ["ok", ["a/b"]], {"k": {"a.b": 1}}, {"k": "a:b"}),
    ],
)
def test_what_an_environment_may_not_be_given_by_a_stranger(value: Any) -> None:
    assert is_powerful("key", value)


@pytest.mark.parametrize(("name", "argument"), [("evaluate", "run_dir=run"), ("train", "resume=run")])
def test_texts_that_may_name_a_file_have_to_be_given_again(
    name: str, argument: str, run_dir: Path, command: Call
) -> None:
    edit(run_dir, env_kwargs={"render_mode": "human", "sutton_barto_reward": True, "path": "/etc/my file"})
    again = ["env_kwargs.render_mode=human", "'env_kwargs.path='\"'\"'/etc/my file'\"'\"''"]
    expected = f"rlpair: run/config.yaml {CANNOT} {' '.join(again)}\n"
    assert command(name, argument) == (2, "", expected)
    given = shlex.split(" ".join(again))
    assert command(name, argument, given[0]) == (2, "", expected.replace(f"{again[0]} ", ""))
    _, _, err = command(name, argument, *given)
    assert "cannot be built with env_kwargs={'render_mode': 'human', 'sutton_barto_reward': True, 'path':" in err


def test_arguments_of_the_environment_go_over_the_saved_ones(run_dir: Path, command: Call) -> None:
    edit(run_dir, env_kwargs={"sutton_barto_reward": True})
    code, _, err = command("evaluate", "run_dir=run", "env_kwargs.sutton_barto_reward=false")
    line = "env_kwargs.sutton_barto_reward=False is not allowed: True, as in the run, or left out"
    assert (code, err) == (2, f"rlpair: {line}\n")
    assert command("train", "resume=run", "total_timesteps=110", "env_kwargs.max_episode_steps=7")[0] == 0
    assert load_config(run_dir).env_kwargs == {"max_episode_steps": 7, "sutton_barto_reward": True}


@pytest.mark.parametrize(
    ("env", "env_kwargs", "message"),
    [
        ("a b", {}, "FILE: env='a b' is not the id of an environment"),
        ("evil:x:y", {}, "FILE: env='evil:x:y' is not the id of an environment"),
        (".:x", {}, "FILE: env='.:x' is not the id of an environment"),
        ("e;rm -rf ~:x", {}, "FILE: env='e;rm -rf ~:x' is not the id of an environment"),
        ("x\x1b[2J", {}, "FILE: env='x\\x1b[2J' is not the id of an environment"),
        (5, {}, "FILE: env=5 is not the id of an environment"),
        ("E-v0", [1], "FILE: env_kwargs=[1] is not a mapping"),
        ("E-v0", {"a b": "/x"}, "FILE: env_kwargs.a b='/x' is not a value that the command line can give"),
        ("E-v0", {"a": "${x}"}, "FILE: env_kwargs.a='${x}' is not a value that the command line can give"),
        ("E-v0", {"a": "\x1b"}, "FILE: env_kwargs.a='\\x1b' is not a value that the command line can give"),
    ],
)
def test_what_no_run_has(env: Any, env_kwargs: Any, message: str) -> None:
    with pytest.raises(CheckpointError) as error:
        check_environment(Path("FILE"), {"env": env, "env_kwargs": env_kwargs}, {})
    assert str(error.value) == message


VALUES = st.recursive(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=4,
)


@given(VALUES)
def test_what_is_said_can_be_pasted(value: Any) -> None:
    try:
        line = assignment(Path("FILE"), "env_kwargs.key", value)
    except CheckpointError:
        return
    (pair,), rest = split(shlex.split(line))
    assert rest == []
    assert read([pair], keys_of(EvaluateConfig)) == {"env_kwargs": {"key": value}}


def test_ids_that_are_registered_need_no_word() -> None:
    for env in ("CartPole-v1", "ALE/Pong-v5", "gymnax/Breakout-MinAtar", "phys2d/CartPole-v1", "brax/ant"):
        check_environment(Path("FILE"), {"env": env, "env_kwargs": {}}, {})
    for env in gym.registry:
        check_environment(Path("FILE"), {"env": env, "env_kwargs": {}}, {})
    assert RunConfig().env in gym.registry
