"""python -m rlpair.train: what it refuses, in one line that changes nothing."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import toy_envs  # noqa: F401 - registers toy/...
from runs import config_of

from rlpair import load_agent
from rlpair.advice import install_command
from rlpair.runs.run_dir import HeldRunDir
from rlpair.train import main, train


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``fails("algo=ppo")``: the one line that the command writes, and it writes nothing else; its exit code is 2."""

    def run(*arguments: str, progress: int = 0) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["rlpair.train", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            main()
        out, err = capsys.readouterr()
        *before, line = err.splitlines()
        assert (exit_info.value.code, out, len(before)) == (2, "", progress), err
        return line

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["algo=ppo"], "algo='ppo' is not allowed: one of dqn, sac"),
        (["backend=tf"], "backend='tf' is not allowed: one of torch, jax"),
        (["env=Nope-v1"], "env=Nope-v1 is not registered: "),
        (["sed=1"], "sed='1' is not allowed: there is no such key; did you mean seed?"),
        (["algo.learning_rate=abc"], "algo.learning_rate='abc' is not allowed: a number"),
        (["total_timesteps=1.5"], "total_timesteps=1.5 is not allowed: a whole number"),
        (["total_timesteps=0"], "total_timesteps=0 is not allowed: a whole number >= 1"),
        (["algo.gamma=1.5"], "algo.gamma=1.5 is not allowed: a number in [0, 1]"),
        (["algo.tau=0"], "algo.tau=0.0 is not allowed: a number in (0, 1]"),
        (["algo.batch_size=-1"], "algo.batch_size=-1 is not allowed: a whole number >= 1"),
        (
            ["algo.net_arch=[0]"],
            "algo.net_arch=(0,) is not allowed: layer sizes >= 1, such as [256,256], or [] for none",
        ),
        (
            [f"algo.net_arch=[{','.join(['1'] * 101)}]"],
            f"algo.net_arch={(1,) * 101} is not allowed: at most 100 layers",
        ),
        (["eval_episodes=1e9"], "eval_episodes=1000000000 is not allowed: at most 100,000"),
        (["algo=.:x"], "algo='.:x' is not allowed: importing . raised TypeError: the 'package' argument is required"),
        (["algo=:x"], "algo=':x' is not allowed: importing raised ValueError: Empty module name"),
        (["algo.batch_size=9", "algo.buffer_size=8"], "algo.batch_size=9 is not allowed: at most algo.buffer_size=8"),
        (["num_envs=100000"], "num_envs=100000 is not allowed: at most 10,000"),
        (
            ["num_envs=5000", "vectorization=async"],
            "num_envs=5000 is not allowed: less: it takes 312.5 GiB of 312.5 GiB, and there are ",
        ),
        (
            ["algo.net_arch=[1000000,1000000]"],
            "algo.net_arch=(1000000, 1000000) is not allowed: less: it takes 174.6 TiB of 174.6 TiB, and there are ",
        ),
        (
            ["algo.gradient_steps=1e9"],
            "algo.gradient_steps=1000000000 is not allowed: less: it takes 17.2 TiB of 17.2 TiB, and there are ",
        ),
        (
            ["algo.batch_size=1000000000", "algo.buffer_size=1000000000"],
            "algo.batch_size=1000000000 is not allowed: less: it takes 5.7 TiB of 5.7 TiB, and there are ",
        ),
        (["algo.n_critics=101"], "algo.n_critics=101 is not allowed: a whole number from 1 to 100"),
        (["total_timesteps=1e19"], "total_timesteps=10000000000000000000 is not allowed: at most 4,611,686,018,"),
        (["total_timesteps=50"], "algo.learning_starts=100 is not allowed: less than total_timesteps=50"),
        (["total_timesteps=100"], "algo.learning_starts=100 is not allowed: less than total_timesteps=100"),
        (["device=cuda"], "device='cuda' is not allowed: JAX sees no GPU here; use device=cpu or device=auto"),
        (["device=cuda", "backend=torch"], "device='cuda' is not allowed: PyTorch sees no GPU here; "),
        (["env=CartPole-v1"], "sac needs a Box action space and this environment has a Discrete one: use algo=dqn"),
        (
            ["algo=dqn", "env=Pendulum-v1"],
            "dqn needs a Discrete action space and this environment has a Box: ",
        ),
        (["env_kwargs.no=1"], "env=Pendulum-v1 cannot be built with env_kwargs={'no': 1}: "),
        (["resume=nowhere"], "nowhere: does not exist"),
        (["nonsense"], "argument='nonsense' is not allowed: KEY=VALUE, -m, "),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, fails: Callable[..., str]) -> None:
    assert fails(*arguments).startswith(f"rlpair: {message}")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_missing_extra_is_named(backend: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("rlpair.") and name.endswith(f"_{backend}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, backend, None)  # as if it were not installed
    hint = f"backend={backend} needs {backend}, which is not installed: {install_command(backend)}"
    assert fails(f"backend={backend}") == f"rlpair: {hint}"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("where", "value", "what"),
    [("reward", "nan", "reward"), ("obs", "inf", "observation"), ("obs", "nan", "observation")],
)
def test_a_number_that_is_none_stops_the_run_after_its_last_checkpoint(
    where: str, value: str, what: str, fails: Callable[..., str]
) -> None:
    run = ["algo=dqn", "backend=torch", "env=toy/Poisoned-v0", "run_dir=run", "checkpoint_every=2", "eval_every=0"]
    line = fails(*run, f"env_kwargs.where={where}", f"env_kwargs.value={value}", progress=2)
    assert line == f"rlpair: {what} of environment 0 is {value} at env step 3"
    assert [path.name for path in Path("run/checkpoints").iterdir()] == ["step_2"]
    assert load_agent("run").num_updates == 0


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
        (
            ["resume=run", "total_timesteps=500", "algo.net_arch=[9]"],
            "run/checkpoints/step_400: q.0.0.weight has shape (4, 8), and the settings describe a network with (4, 9)",
        ),
    ],
)
def test_a_run_that_exists_is_left_as_it_is(arguments: list[str], message: str, fails: Callable[..., str]) -> None:
    train(config_of("dqn", "torch", run_dir="run"))
    before = written("run")
    assert fails(*arguments).startswith(f"rlpair: {message}")
    assert written("run") == before


def written(run_dir: str) -> dict[Path, bytes]:
    """What a run has written; its lock says nothing."""
    return {path: path.read_bytes() for path in Path(run_dir).rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_run_of_another_process_is_left_alone(fails: Callable[..., str]) -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    before = written("run")
    with ExitStack() as undo:
        HeldRunDir(Path("run"), undo)
        line = fails("resume=run", "total_timesteps=300")
    assert line == "rlpair: run_dir='run' is not allowed: one that no other process is writing to"
    assert written("run") == before


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("agent.safetensors", lambda x: x[:-1], "is corrupt, or not a safetensors file: "),
        ("replay.safetensors", lambda x: x[: len(x) // 2], "is corrupt, or not a safetensors file: "),
        ("run.json", lambda x: x.replace(b"1", b"2"), "is corrupt: its sha256 is not the one in agent.json"),
        ("agent.json", lambda x: x[:40], "is not JSON: "),
        ("agent.json", lambda x: b'{"format": "other"}', "is not of an rlpair checkpoint: format='other', "),
        ("../../config.yaml", lambda x: b"[1", "is not a run's configuration: "),
        ("../../config.yaml", lambda x: b"seed: 1", "is not a run's configuration: "),
    ],
)
def test_a_damaged_run_is_not_resumed(
    file: str, damage: Callable[[bytes], bytes], message: str, fails: Callable[..., str]
) -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=200))
    path = Path("run/checkpoints/step_200") / file
    path.write_bytes(damage(path.read_bytes()))
    before = written("run")
    line = fails("resume=run", "total_timesteps=300")
    assert line.startswith(f"rlpair: {Path('run') / 'config.yaml' if 'config' in file else path}")
    assert message in line
    assert written("run") == before
