"""rlpair plot: which runs are put together, what is drawn, and what a stranger's metrics.jsonl can do to it."""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from rlpair import DQNConfig, SACConfig
from rlpair.advice import install_command
from rlpair.config import RunConfig
from rlpair.plot import PlotConfig, curves_of, main
from rlpair.runs.curves import find_runs, group, over_seeds, read_lines
from rlpair.runs.saved_config import load_config, save_config

TAG = "eval/mean_return"


def write(name: str, records: list[dict[str, Any]], config: RunConfig | None = None) -> Path:
    """A run's folder with these metrics."""
    folder = Path(name)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if config is not None:
        save_config(config, folder)
    return folder


def records(values: list[float], **more: float) -> list[dict[str, Any]]:
    """At steps 100, 200, ..., half a second each."""
    return [{"env_steps": 100 * k, TAG: y, "seconds": k / 2, **more} for k, y in enumerate(values, 1)]


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``plot("runs")``: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlpair plot", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(("x", "label"), [("steps", "environment steps"), ("seconds", "seconds")])
def test_the_axis_says_what_the_curves_are_over(
    x: str, label: str, plot: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, save = list[str](), Figure.savefig

    def saves(figure: Figure, *arguments: Any, **options: Any) -> None:
        labels.extend(axis.get_xlabel() for axis in figure.axes)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", saves)
    write("runs", records([0, 1]), RunConfig(algo=DQNConfig(), env="CartPole-v1"))
    assert plot("runs", f"x={x}")[0] == 0
    assert labels == [label]


def test_seeds_are_put_together(plot: Callable[..., tuple[int, str, str]]) -> None:
    for seed, last in enumerate([1, 2, 3, 4, 100]):
        config = RunConfig(algo=DQNConfig(), backend="jax", env="CartPole-v1", seed=seed)
        write(f"runs/dqn/seed{seed}", records([0, last]), config)
    write("runs/sac", records([-5, -3]), RunConfig(algo=SACConfig(), backend="torch"))
    code, out, err = plot("runs")
    assert (code, err) == (0, "")
    *drawn, one, two, file = out.splitlines()
    assert one.startswith("CartPole-v1 dqn jax: 3 (")  # of 2, 3, 4
    assert one.endswith(", 5 seeds) at 200 steps")
    assert (two, file) == ("Pendulum-v1 sac torch: -3 at 200 steps", "all in plot.png")
    assert [line.strip() for line in drawn if TAG in line] == [
        f"CartPole-v1 {TAG} over steps",
        f"Pendulum-v1 {TAG} over steps",
    ]
    assert imread("plot.png").shape[1] > 2 * imread("plot.png").shape[0]  # two panels
    assert sorted(path.name for path in Path().iterdir()) == ["plot.png", "runs"]


def test_other_settings_are_another_curve() -> None:
    for number, gamma in enumerate((0.9, 0.9, 0.99)):
        write(f"runs/{number}", records([1, 2]), RunConfig(algo=DQNConfig(gamma=gamma), seed=number, env="CartPole-v1"))
    found = curves_of(PlotConfig(run_dirs=("runs",)))
    assert [(curve.name, curve.seeds) for curve in found] == [
        ("dqn jax algo.gamma=0.9", 2),
        ("dqn jax algo.gamma=0.99", 1),
    ]


def test_another_mode_is_another_curve() -> None:
    for number, mode in enumerate(("host", "fused")):
        write(f"runs/{number}", records([1, 2]), RunConfig(algo=DQNConfig(), seed=number, env="CartPole-v1", mode=mode))
    assert [curve.name for curve in curves_of(PlotConfig(run_dirs=("runs",)))] == [
        "dqn jax mode=fused",
        "dqn jax mode=host",
    ]


def test_a_strangers_algorithm_is_drawn_by_its_name(plot: Callable[..., tuple[int, str, str]]) -> None:
    """Nothing of it is known but what config.yaml says, and no module that stands there is imported."""
    for number, delay in enumerate((1, 1, 2)):
        folder = write(f"runs/{number}", records([1, number]), RunConfig(algo=DQNConfig(), env="CartPole-v1"))
        config = json.loads(json.dumps(load_config(folder).to_dict()))
        config["algo"] = {"name": "this:own", "delay": delay, "bad\x1b": [1], "$\\no$": delay}
        (folder / "config.yaml").write_text(json.dumps(config))
    Path("this.py").write_text("raise SystemExit('imported')")
    code, out, err = plot("runs")
    assert (code, err) == (0, "")
    assert out.splitlines()[-3:] == [
        r"CartPole-v1 this:own jax algo.$\no$=1 algo.delay=1: 0.5 (0 to 1, 2 seeds) at 200 steps",
        r"CartPole-v1 this:own jax algo.$\no$=2 algo.delay=2: 2 at 200 steps",
        "all in plot.png",
    ]


def test_seeds_of_a_fused_run_count_alone() -> None:
    run = write("run", records([9], **{f"seed_5/{TAG}": 1, f"seed_6/{TAG}": 2, "seed_6/other": 3}))
    lines, tags = read_lines(run, TAG, "env_steps")
    assert {prefix: y.tolist() for prefix, (_, y) in lines.items()} == {"seed_5/": [1], "seed_6/": [2]}
    assert tags == {"seed_6/other"}
    (curve,) = group({run: lines})
    assert (curve.seeds, curve.middle.tolist()) == (2, [1.5])


def test_seeds_of_other_points_and_lengths() -> None:
    lines = [(np.array([0.0, 2]), np.array([0.0, 4])), (np.array([1.0, 2, 3]), np.array([0.0, 2, 6]))]
    curve = over_seeds("", "", lines)
    assert curve.x.tolist() == [0, 1, 2, 3]
    assert curve.middle.tolist() == [0, 1, 3, 6]
    assert (curve.low.tolist(), curve.high.tolist()) == ([0, 0, 2, 6], [0, 2, 4, 6])
    long = [(np.arange(1_000.0), np.arange(1_000.0))]
    assert over_seeds("", "", long).x.tolist() == np.linspace(0, 999, 200).tolist()


def test_any_tag_over_seconds(plot: Callable[..., tuple[int, str, str]]) -> None:
    write("run", records([1, 2], **{"loss/q": 7}))
    code, out, _ = plot("run", "tag=loss/q", "x=seconds", "out=a.png")
    assert (code, out.splitlines()[-2:]) == (0, ["run: 7 at 1 seconds", "all in a.png"])
    assert imread("a.png").ndim == 3


def test_what_names_runs() -> None:
    for name in ("runs/a/one", "runs/a/two", "runs/b/one"):
        write(name, [])
    assert find_runs(["runs/b/one", "runs/a"]) == [Path("runs/b/one"), Path("runs/a/one"), Path("runs/a/two")]
    assert find_runs(["runs/*/one", "runs/a/one/"]) == [Path("runs/a/one"), Path("runs/b/one")]


def test_a_run_without_the_tag_is_said(plot: Callable[..., tuple[int, str, str]]) -> None:
    write("runs/a", records([1]))
    write("runs/b", [{"env_steps": 1, "loss/q": 1.0, "seconds": 0.5}])
    code, _, err = plot("runs")
    assert (code, err) == (0, f"rlpair: runs/b has no {TAG}: it is left out\n")


def test_a_half_written_last_line_is_left_out() -> None:
    run = write("run", records([1, 2]))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"env_steps": 300, "eval/mean_re')
    assert read_lines(run, TAG, "env_steps")[0][""][1].tolist() == [1, 2]


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WHERE = "run/metrics.jsonl: line 2 is not a record: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5\n", f"{WHERE}its content=5 is not allowed: an object"),
        ("[]\n", f"{WHERE}its content=[] is not allowed: an object"),
        ("half\n{}\n", f"{WHERE}Invalid JSON: expected value at line 1 column 1"),
        ("\udcff\n", f"{WHERE}Invalid JSON: expected value at line 1 column 1"),
        ("\n", f"{WHERE}Invalid JSON: EOF while parsing a value at line 2 column 0"),
        ("[" * 100_000 + "\n", f"{WHERE}Invalid JSON: recursion limit exceeded at line 1 column 202"),
        ("x" * 5_000_000, f"{WHERE}it has more than 4,194,304 bytes"),
        (f'{{"{TAG}": 1}}\n', f"{WHERE}it lacks env_steps"),
        (f'{{"env_steps": 1, "{TAG}": 1}}\n', f"{WHERE}it lacks seconds"),
        *(
            (f'{{"env_steps": 1, "seconds": 1, "{TAG}": {value}}}\n', f"{WHERE}{TAG}={shown} is not allowed: {allowed}")
            for value, shown, allowed in [
                ('"a"', "'a'", "a number"),
                ("null", "None", "a number"),
                ("true", "True", "a number"),
                ("[1]", "[1]", "a number"),
                ("{}", "{}", "a number"),
                ("NaN", "nan", "a number that is neither infinite nor NaN"),
                ("Infinity", "inf", "a number that is neither infinite nor NaN"),
                ("1e400", "inf", "a number that is neither infinite nor NaN"),
                ("1.1e300", "1.1e+300", "a number from -1e+300 to 1e+300"),
                ("-1.1e300", "-1.1e+300", "a number from -1e+300 to 1e+300"),
            ]
        ),
        (fifo, "run/metrics.jsonl: is not a regular file"),
        (
            lambda path: os.truncate(path, 2**30 + 1),
            "run/metrics.jsonl: has 1,073,741,825 bytes, and at most 1,073,741,824 are read",
        ),
        (
            lambda path: path.unlink() or path.symlink_to(path.name),
            "run/metrics.jsonl: is a link, and links inside a run's folder are not followed",
        ),
    ],
    ids=lambda value: "" if callable(value) else str(value)[:40],
)
def test_a_strangers_metrics_are_one_line(
    text: str | Callable[[Path], Any], message: str, plot: Callable[..., tuple[int, str, str]]
) -> None:
    path = write("run", [{"env_steps": 1, "seconds": 1}]) / "metrics.jsonl"
    if isinstance(text, str):
        with path.open("a", errors="surrogateescape") as file:
            file.write(text)
    else:
        text(path)
    code, out, err = plot("run")
    assert (code, out) == (2, "")
    assert err == f"rlpair: {message}\n"
    assert not Path("plot.png").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "RUN_DIR='' is not allowed: the folder of a run, or one above some, such as runs"),
        (
            ["no"],
            "RUN_DIR='no' is not allowed: the folder of a run, or one above some: there is no metrics.jsonl in it",
        ),
        (["run", "tag=x"], f"tag='x' is in none of the runs; there are {TAG}, loss/q"),
        (["run", "x=hours"], "x='hours' is not allowed: one of steps, seconds"),
        (["run", "out=a.txt"], "out='a.txt' is not allowed: a name that ends in .png, in a folder that there is"),
        (["run", "out=no/a.png"], "out='no/a.png' is not allowed: a name that ends in .png, in a folder that there is"),
        (["run", "out=dir.png"], "out='dir.png' is not allowed: a file that can be written: Is a directory"),
        (["run", "-x"], "argument='-x' is not allowed: KEY=VALUE, --version or --help, which lists the keys"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], line: str, plot: Callable[..., tuple[int, str, str]]) -> None:
    write("run", records([1], **{"loss/q": 1, "bad\x1b[31m": 1}))
    Path("dir.png").mkdir()
    assert plot(*arguments) == (2, "", f"rlpair: {line}\n")


def test_a_config_that_is_none_is_one_line(plot: Callable[..., tuple[int, str, str]]) -> None:
    write("run", records([1]))
    Path("run/config.yaml").write_text("[1")
    code, out, err = plot("run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("rlpair: run/config.yaml: is not a run's configuration: ")


def test_a_missing_extra_is_named(plot: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "plotext" else there(name))
    line = f"plot needs plotext, which is not installed: {install_command('plot')}"
    assert plot("run") == (2, "", f"rlpair: {line}\n")
    assert list(Path().iterdir()) == []
