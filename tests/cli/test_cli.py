"""The command line of all commands: what its arguments mean, what --help and --version print, what is refused."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpair import __version__
from rlpair.__main__ import COMMANDS
from rlpair.__main__ import main as rlpair_main
from rlpair.algos.registry import names
from rlpair.cli import command as cli
from rlpair.cli.command import Command
from rlpair.cli.help import help_text, written
from rlpair.compare.grid import CompareConfig
from rlpair.config import RunConfig
from rlpair.presets import DEFAULTS

Seen = list[tuple[dict[str, Any], set[str]]]


def line_of(seen: Seen, *, many: bool = True, name: str = "train", schema: type[Any] = RunConfig) -> Command:
    """A command that notes what it would do."""

    def task(values: dict[str, Any], given: set[str]) -> int:
        seen.append((values, given))
        return 0

    return Command(name, schema, task, has_algo=schema is RunConfig, sweeps=many)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, Any], set[str]]]:
    """``told("seed=1")``: the values that a task gets, and the keys that are given."""

    def run(*arguments: str, **options: Any) -> tuple[dict[str, Any], set[str]]:
        seen: Seen = []
        monkeypatch.setattr(sys, "argv", ["rlpair", *arguments])
        assert line_of(seen, **options).main() == 0
        return seen[0]

    return run


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``refused("sed=1")``: the one line on stderr; the exit code is 2."""

    def run(*arguments: str, **options: Any) -> str:
        monkeypatch.setattr(sys, "argv", ["rlpair", *arguments])
        monkeypatch.setattr(cli, "run_jobs", lambda name, jobs: pytest.fail("a sweep has begun"))
        assert line_of([], **options).main() == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:8]) == ("", 1, "rlpair: ")
        return err[8:-1]

    return run


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("algo.net_arch=[64,32]", "algo.net_arch", (64, 32)),
        ("algo.net_arch=(64,32)", "algo.net_arch", (64, 32)),
        ("algo.net_arch=( 64, 32, )", "algo.net_arch", (64, 32)),
        ("algo.net_arch=(64,)", "algo.net_arch", (64,)),
        ("algo.net_arch=64", "algo.net_arch", (64,)),
        ("total_timesteps=1e6", "total_timesteps", 1_000_000),
        ("total_timesteps=1_000", "total_timesteps", 1_000),
        ("algo.max_grad_norm=null", "algo.max_grad_norm", None),
        ("algo.ent_coef=auto_0.1", "algo.ent_coef", "auto_0.1"),
        ("algo.ent_coef=0.1", "algo.ent_coef", 0.1),
        ("compile=true", "compile", True),
        ("run_dir=2024", "run_dir", "2024"),
        ("run_dir=null", "run_dir", None),
        ("run_dir=a b, (c)=é #~*", "run_dir", "a b, (c)=é #~*"),
        ("run_dir='null'", "run_dir", "null"),
        ('run_dir="a b"', "run_dir", "a b"),
        ("run_dir='a", "run_dir", "'a"),
        ("env=module:Env-v0", "env", "module:Env-v0"),
        ("env_kwargs={gravity:9.81,name:'a(b)'}", "env_kwargs", {"gravity": 9.81, "name": "a(b)"}),
        ("env_kwargs.a.b=[1,x]", "env_kwargs", {"a": {"b": [1, "x"]}}),
    ],
)
def test_what_a_value_means(argument: str, key: str, value: Any, told: Callable[..., Any]) -> None:
    values, given = told(argument)
    assert (values[key], given) == (value, {key})
    assert type(values[key]) is type(value)


def test_the_last_of_a_key_counts_and_mappings_grow(told: Callable[..., Any]) -> None:
    values, given = told("seed=1", "env_kwargs={a:1}", "env_kwargs.b=2", "algo=sac", "seed=2", "algo=dqn")
    assert (values["seed"], values["env_kwargs"], values["algo.name"]) == (2, {"a": 1, "b": 2}, "dqn")
    assert "algo.exploration_steps" in values
    assert given == {"seed", "env_kwargs", "algo"}


def test_a_single_value_is_a_list_of_it(told: Callable[..., Any]) -> None:
    values, _ = told("algo=dqn", "num_envs=8", "net_arch=((64,32),(8,))", name="compare", schema=CompareConfig)
    assert (values["algo"], values["num_envs"], values["net_arch"]) == (("dqn",), (8,), ([64, 32], [8]))


KEYS = "KEY=VALUE, -m, --version or --help, which lists the keys"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        # Keys that there are not
        (["algo.lr="], "algo.lr='' is not allowed: there is no such key; did you mean algo.learning_rate?"),
        (["lr=1"], "lr='1' is not allowed: there is no such key; did you mean algo.learning_rate?"),
        (["learning_rte=1"], "learning_rte='1' is not allowed: there is no such key; did you mean algo.learning_rate?"),
        (["steps=1"], "steps='1' is not allowed: there is no such key; did you mean algo.gradient_steps?"),
        (["zzz=1"], "zzz='1' is not allowed: there is no such key; --help lists the keys"),
        (["algo.double_q=true"], "algo.double_q='true' is not allowed: algo=dqn has such a key, algo=sac has not"),
        (["hydra.run.dir=x"], "hydra.run.dir='x' is not allowed: there is no such key; did you mean run_dir?"),
        # Values that a key does not take
        (["algo=ppo"], "algo='ppo' is not allowed: one of dqn, sac"),
        (["algo.gamma="], "algo.gamma='' is not allowed: it is empty; give a number"),
        (["run_dir= "], "run_dir='' is not allowed: it is empty; give a text or null"),
        (["seed=true"], "seed=True is not allowed: a whole number"),
        (["seed=1.5"], "seed=1.5 is not allowed: a whole number"),
        (["seed=nan"], "seed=nan is not allowed: a whole number"),
        (["seed=[1"], "seed='[1' is not allowed: a whole number"),
        (["seed=1]"], "seed='1]' is not allowed: a whole number"),
        (["seed=1=2"], "seed='1=2' is not allowed: a whole number"),
        (["seed=${nope}"], "seed='${nope}' is not allowed: a whole number, without ${...}"),
        (["run_dir=${oc.env:HOME}"], "run_dir='${oc.env:HOME}' is not allowed: a text or null, without ${...}"),
        (["algo.gamma=null"], "algo.gamma=None is not allowed: a number"),
        (["algo.gamma=1" + 400 * "0"], f"algo.gamma={10**400} is not allowed: a number"),
        (
            ["seed=0,1"],
            "seed='0,1' is not allowed: a whole number; rlpair train -m takes several",
        ),
        (
            ["algo.net_arch=(64,32"],
            "algo.net_arch='(64,32' is not allowed: a list of whole numbers, such as [256,256]",
        ),
        (
            ["algo.net_arch=[[64]]"],
            "algo.net_arch=[[64]] is not allowed: a list of whole numbers, such as [256,256]",
        ),
        (["env_kwargs=3"], "env_kwargs=3 is not allowed: a mapping, such as {KEY:VALUE}"),
        (["env_kwargs.a=["], "env_kwargs.a='[' is not allowed: a value such as 1, word, [1,2], {key:1} or 'any text'"),
        # Arguments that are none
        *(([argument], f"argument={argument!r} is not allowed: {KEYS}") for argument in ("seed", "", "=1", " seed=1")),
        *(([argument], f"argument={argument!r} is not allowed: {KEYS}") for argument in ("~seed", "+a=1", "++a=1")),
        *(([argument], f"argument={argument!r} is not allowed: {KEYS}") for argument in ("algo@x=dqn", "hydra/x=y")),
        *(([argument], f"argument={argument!r} is not allowed: {KEYS}") for argument in ("-x", "--seed=1", "a..b=1")),
        (["--config-dir", "x"], f"argument='--config-dir' is not allowed: {KEYS}"),
        (["seed=1\n"], "argument='seed=1\\n' is not allowed: printable characters"),
        (["env=\udcff"], "argument='env=\\udcff' is not allowed: printable characters"),
        # Sweeps
        (["-m"], "argument='-m' is not allowed: no key has several values, such as seed=0,1,2"),
        (
            ["--multirun", "seed=1"],
            "argument='--multirun' is not allowed: no key has several values, such as seed=0,1,2",
        ),
        (["-m", "seed=0,1", "seed=2"], "seed='2' is not allowed: a key is given once with -m"),
        (["-m", "seed=0,x"], "seed='x' is not allowed: a whole number"),
        (["-m", "seed=0,"], "seed='0,' is not allowed: a whole number"),
        (["-m", "env=a,"], "env='' is not allowed: it is empty; give a text"),
        (["-m", "seed=interval(0,1)"], "seed='interval(0,1)' is not allowed: a whole number"),
        (["-m", "algo=dqn,ppo"], "algo='ppo' is not allowed: one of dqn, sac"),
        (["-m", "seed=range(0,1000000000000)"], "argument='-m' is not allowed: these are more than 10,000 jobs"),
        (
            ["-m", "seed=range(0,101)", "algo.gamma=range(0,100)"],
            "argument='-m' is not allowed: these are more than 10,000 jobs",
        ),
        (
            ["-m", "algo=dqn,sac", "algo.double_q=true"],
            "algo.double_q='true' is not allowed: algo=dqn has such a key, algo=sac has not",
        ),
    ],
)
def test_what_is_refused(arguments: list[str], line: str, refused: Callable[..., str]) -> None:
    assert refused(*arguments) == line


def test_m_is_of_train_alone(refused: Callable[..., str]) -> None:
    line = "argument='-m' is not allowed: rlpair train alone takes it, for several values of a key"
    assert refused("-m", "seed=0,1", many=False) == line
    assert refused("-x", many=False) == f"argument='-x' is not allowed: {KEYS.replace('-m, ', '')}"


def test_the_jobs_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(cli, "run_jobs", lambda name, jobs: ran.append((name, jobs)) or 7)
    many = ["env=a,é b", "seed=range(0,2)", "algo.net_arch=(8,),(16,16)", "run_dir='x,y'"]
    monkeypatch.setattr(sys, "argv", ["rlpair", *many[:1], "-m", *many[1:]])
    assert line_of([]).main() == 7
    ((name, jobs),) = ran
    assert (name, len(jobs)) == ("train", 8)
    assert jobs[0] == [("env", "a"), ("seed", "0"), ("algo.net_arch", "[8]"), ("run_dir", "'x,y'")]
    assert jobs[-1] == [("env", "é b"), ("seed", "1"), ("algo.net_arch", "[16,16]"), ("run_dir", "'x,y'")]


ARGUMENT = st.text(max_size=20) | st.builds(
    "{}={}".format, st.sampled_from(["seed", "algo", "algo.net_arch", "env", "env_kwargs", "env_kwargs.a", "compile"]),
    st.text(max_size=12) | st.text("0,[](){}'\"$: ", max_size=12),
)  # fmt: skip


@given(st.lists(ARGUMENT, max_size=2), st.booleans())
def test_no_argument_is_a_traceback(arguments: list[str], many: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["rlpair", *arguments, *(["-m"] if many else [])])
        patch.setattr(cli, "run_jobs", lambda name, jobs: 0)
        assert line_of([]).main() in (0, 2)


def test_help_prints_what_is_taken(told: Callable[..., Any]) -> None:
    for algo, rows in DEFAULTS.items():
        for values in rows.values():
            given, _ = told(f"algo={algo}", *(f"{key}={written(value)}" for key, value in values.items()))
            assert {key: given[key] for key in values} == values
    text = help_text("train", RunConfig, has_algo=True, after="the end")
    pairs = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and "=" in line.split()[0]]
    own = [f"{field}" for field in pairs if not field.startswith("algo.")]
    for algo in names():
        part = text.split(f"With algo={algo}:")[1].split("With algo=")[0]
        named = [line.split()[0] for line in part.splitlines() if line.startswith("  algo.")]
        assert len(named) > 12
        told(*own, f"algo={algo}", *named)
    assert "algo.net_arch=[256,256]" in pairs
    assert "(256" not in text
    assert text.endswith("\n\nthe end")


@pytest.mark.parametrize("arguments", [["--version"], ["seed=1", "--version"], ["nonsense", "-m", "--version"]])
def test_version_is_that_of_rlpair(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rlpair", *arguments])
    assert line_of([]).main() == 0
    assert capsys.readouterr() == (f"rlpair {__version__}\n", "")


# All commands under one name


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["rlpair", *arguments])
    with pytest.raises(SystemExit) as end:
        rlpair_main()
    return end.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_a_version(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, "--help", monkeypatch=monkeypatch) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"rlpair {name} ")
    assert first.endswith(f"also python -m rlpair.{name}")
    assert run(name, "--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"rlpair {__version__}\n"
    assert run(name, "-x", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err.startswith("rlpair: argument='-x' is not allowed: KEY=VALUE, ")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_whole_lists_its_commands(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == list(COMMANDS)


def test_a_command_that_there_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for argument, hint in (
        ("trian", "did you mean train?"),
        ("seed=1", "one of train, evaluate, plot, compare, benchmark, tune, parity"),
    ):
        assert run(argument, monkeypatch=monkeypatch) == 2
        assert capsys.readouterr() == ("", f"rlpair: command={argument!r} is not allowed: {hint}\n")


def test_python_m_rlpair_is_the_same(run_python: Callable[..., str]) -> None:
    assert run_python("-m", "rlpair", "--version") == f"rlpair {__version__}\n"
