"""python -m rlpair.compare: what it refuses, and what it leaves in its folder."""

import importlib.util
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from compared import BASE, result
from full_disk import fail
from hostile import link_instead, precious, snapshot
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlpair.compare.__main__ as compare_main
from rlpair import RLPairError
from rlpair.advice import install_command
from rlpair.compare.__main__ import make_out, show
from rlpair.compare.grid import CompareConfig
from rlpair.compare.turns import Deadline, VariantProcess
from rlpair.errors import ConfigError
from rlpair.system.workers import usable_cores


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("algo=[ppo]", "algo='ppo' is not allowed: one of dqn, sac"),
        ("mode=[]", "mode=[] is not allowed: a list with something in it"),
        ("device=[cuda]", "device=['cuda'] is not allowed: one that is here, such as cpu"),
        ("mode=[slow]", "mode='slow' is not allowed: some of eager, compiled, host, fused, seeds"),
        ("device=[tpu]", "device='tpu' is not allowed: some of cpu, cuda"),
        ("preset=slow", "preset='slow' is not allowed: one of quick, full"),
        ("net_arch=[64,64]", "net_arch=64 is not allowed: lists of layer sizes >= 1, such as [[64,64],[256,256]]"),
        ("net_arch=[]", "net_arch=[] is not allowed: a list with something in it"),
        (
            "net_arch=[[1000000,1000000]]",
            "net_arch=[1000000, 1000000] is not allowed: at most 67,108,864 weights",
        ),
        ("num_envs=[]", "num_envs=[] is not allowed: a list with something in it"),
        ("num_envs=[0]", "num_envs=0 is not allowed: whole numbers from 1 to 10000"),
        ("num_envs=[1000000000]", "num_envs=1000000000 is not allowed: whole numbers from 1 to 10000"),
        ("batch_size=[1000000000]", "batch_size=1000000000 is not allowed: whole numbers from 1 to 100000"),
        ("num_seeds=[1000000000]", "num_seeds=1000000000 is not allowed: whole numbers from 1 to 10000"),
        ("repeats=1000000000", "repeats=1000000000 is not allowed: a whole number from 1 to 1000"),
        ("seconds=0", "seconds=0.0 is not allowed: a number > 0, at most 3600"),
        ("seconds=nan", "seconds=nan is not allowed: a number > 0, at most 3600"),
        ("seconds=1e9", "seconds=1000000000.0 is not allowed: a number > 0, at most 3600"),
        ("env=NoSuch-v0 algo=[dqn]", "env=NoSuch-v0 is not registered: Environment `NoSuch` doesn't exist."),
        ("env=CartPole-v1", "sac needs a Box action space and this environment has a Discrete one: use algo=dqn"),
        (
            "out=mine/below device=[cpu]",
            "out='mine/below' is not allowed: a folder that can be written to: Not a directory",
        ),
        (f"out={'x' * 300}", f"out='{'x' * 300}' is not allowed: a folder that can be written to: File name too long"),
        pytest.param(
            "algo=[dqn] mode=[fused] env=LunarLander-v3 device=[cpu]",
            "mode=['fused'] is not allowed: one that backend=",
            marks=pytest.mark.filterwarnings("ignore:builtin type"),  # Box2D's, as it is imported
        ),
        ("out=.", "out='.' is not allowed: a folder that is new or empty"),
    ],
)
def test_bad_input_is_one_line(
    argument: str, line: str, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "mine").touch()
    code, out, err = command("compare", *argument.split())
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"rlpair: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_variant_that_fails_says_why() -> None:
    with pytest.raises(RLPairError, match=r"torch eager on Nowhere-v0 could not be measured: .*Nowhere-v0"):
        VariantProcess(BASE._replace(env="Nowhere-v0"), usable_cores())


def test_a_variant_is_bound_to_its_cores_and_its_maker_is_not() -> None:
    before = usable_cores()
    process = VariantProcess(BASE, {min(before)})
    assert os.sched_getaffinity(process._process.pid) == {min(before)}
    assert usable_cores() == before
    process.close()


def test_each_workload_has_an_equal_part_of_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    """A clock that stands still while nothing is measured: of W workloads the k-th has 1 / (W - k) of it all."""
    left, limit, now = list[float](), CompareConfig().limit, 5.0
    monkeypatch.setattr(compare_main, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(compare_main, "Deadline", lambda at: Deadline(at, lambda: now))

    class Nothing:
        def __init__(self, repeats: int, seconds: float, say: Any, deadline: Deadline) -> None:
            left.append(deadline.left())

        def measure(self, workload: Any) -> list[Any]:
            return []

    monkeypatch.setattr(compare_main, "Turns", Nothing)
    monkeypatch.setattr(compare_main, "show", lambda *arguments: None)
    assert command("compare", "out=o")[0] == 1  # nothing has been measured
    assert left == pytest.approx([limit / 2, limit])


@pytest.mark.parametrize(("learned", "code"), [(500.0, 0), (None, 1), (20.0, 1)])
def test_the_exit_code_says_whether_all_was_seen_to_learn(
    learned: float | None, code: int, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    class Measured:
        def __init__(self, *_: Any) -> None:
            pass

        def measure(self, workload: Any) -> list[Any]:
            return [result(variant, [1.0, 1.0])._replace(greedy_return=learned) for variant in workload]

    monkeypatch.setattr(compare_main, "Turns", Measured)
    monkeypatch.setattr(compare_main, "show", lambda *arguments: None)
    assert command("compare", "out=o", "algo=[dqn]")[0] == code


def test_after_ctrl_c_what_has_been_measured_to_its_end_is_reported(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    measured, shown, repeats = list[Any](), list[Any](), list[tuple[int, float]]()

    class Stopped:
        def __init__(self, count: int, seconds: float, *_: Any) -> None:
            repeats.append((count, seconds))

        def measure(self, workload: Any) -> list[Any]:
            if measured:
                raise KeyboardInterrupt
            measured.extend(result(variant, [1.0])._replace(greedy_return=500.0) for variant in workload)
            return measured

    monkeypatch.setattr(compare_main, "Turns", Stopped)
    monkeypatch.setattr(compare_main, "show", lambda results, *_: shown.extend(results))
    asked = ("repeats=7", "seconds=0.5")
    code, out, err = command("compare", "out=o", "algo=[dqn]", "device=[cpu]", "batch_size=[8,16,32]", *asked)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "rlpair: stopped; what has been measured to its end is reported"
    assert shown == measured
    assert repeats == [(7, 0.5)] * 2


@pytest.mark.slow
def test_a_run_writes_all_that_it_found(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    out = tmp_path / "out"
    few = [
        "algo=[dqn]",
        "mode=[eager,host,fused,seeds]",
        "num_seeds=[2]",
        "repeats=2",
        "seconds=0.2",
        "batch_size=[64]",
    ]
    code, printed, err = command("compare", *few, f"out={out}")
    assert code == 0, err
    assert "rlpair: device=cuda is skipped: there is no GPU here" in err or "cuda" in printed
    assert "torch eager: 2/2 " in err

    found = json.loads((out / "compare.json").read_text())
    assert found.keys() == {"date", "machine", "versions", "seconds", "config", "cells"}
    variants = [variant for variant in found["cells"] if variant["device"] == "cpu"]
    assert [variant["name"] for variant in variants] == ["torch eager", "jax host", "jax fused", "jax seeds 2"]
    for variant in variants:
        assert variant["sound"]
        assert variant["greedy_return"] >= 100
        assert len(variant["repeats"]) == 2
        assert all(repeat["env_steps_per_second"] > 0 for repeat in variant["repeats"])
        assert all(repeat["flop_per_second"] > 0 for repeat in variant["repeats"])
        assert ("update_us" in variant["repeats"][0]) == (variant["name"] in ("torch eager", "jax host"))

    text = (out / "compare.md").read_text()
    assert text.count("| torch eager | ") == len(found["cells"]) / 4
    assert "is the fastest with " in printed
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    runs = sorted((out / "tensorboard").iterdir())
    tags = [EventAccumulator(str(run)).Reload().Tags()["scalars"] for run in runs]
    assert [run.name for run in runs][:2] == ["00-dqn-torch-eager", "01-dqn-jax-host"]
    assert set(tags[0]) == set(tags[1]) >= {"compare/env_steps_per_second", "compare/update_us"}
    assert set(tags[2]) == set(tags[3]) <= set(tags[0])


def test_a_full_disk_leaves_the_folder_as_it_was_and_shows_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    of_eager = {"env_us": 100.0, "act_us": 50.0, "sample_us": 50.0, "update_us": 800.0}
    found = [result(BASE, [1000.0, 1010.0], **of_eager)]
    for first in itertools.count(1, 3):
        out, made = make_out("new/out")
        with pytest.MonkeyPatch.context() as patch:
            disk = fail(patch, first)
            ended = str(None)
            try:
                show(found, CompareConfig(), out, 1.0, made)
            except RLPairError as error:
                ended = str(error)
            assert "torch eager" in capsys.readouterr().out
        if not disk.failed:
            break
        assert ended.startswith(("new/out/", "new/out:"))  # the file, or the folder where the system names none
        assert ended.endswith(": No space left on device; nothing is kept in new/out")
        assert not Path("new").exists()
    assert {path.name for path in Path("new/out").iterdir()} == {
        *("compare.json", "compare.md", "compare.png", "tensorboard")
    }


@pytest.mark.parametrize("name", ["compare.json", "compare.md", "compare.png"])
def test_no_link_in_the_folder_is_written_through(name: str, tmp_path: Path) -> None:
    outside, found = precious(tmp_path / "outside"), [result(BASE, [1000.0, 1010.0], update_us=800.0)]
    before = snapshot(outside)
    link_instead(Path("out") / name, outside / "thesis.tex")
    show(found, CompareConfig(), make_out("out")[0], 1.0)
    assert snapshot(outside) == before
    assert not (Path("out") / name).is_symlink()


@pytest.mark.parametrize("name", ["tensorboard", "tensorboard/00-dqn-torch-eager"])
def test_a_folder_of_curves_that_is_a_link_is_refused_at_the_start(name: str, tmp_path: Path) -> None:
    link_instead(Path("out") / name, precious(tmp_path / "outside"))
    line = "out='out' is not allowed: a folder that can be written to: is a link, and links inside a run's folder"
    with pytest.raises(ConfigError, match=f"^{line} are not followed$"):
        make_out("out")


def test_a_missing_extra_is_named(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else there(name))
    line = f"compare needs matplotlib, which is not installed: {install_command('compare')}"
    assert command("compare") == (2, "", f"rlpair: {line}\n")
    assert list(Path().iterdir()) == []
