"""python -m rlpair.compare: the grid, the arithmetic, what is refused, and a small run with all that it writes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from runs import command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlpair import DQNConfig, EnvSpec, RLPairError, SACConfig
from rlpair.cell import SETTINGS, Cell, microseconds
from rlpair.compare import COMPILED_ENVS, CellProcess, CompareConfig, grid
from rlpair.compare_report import Result, limit, line_values, share_of_peak, verdicts
from rlpair.envs.classic_jax import CLASSIC
from rlpair.roofline import update_flop
from rlpair.workers import usable_cores

CPU = {"cpu": ("torch", "jax")}
BASE = Cell("dqn", "CartPole-v1", "torch", "eager", "cpu", 1, 128, (120, 84), 1)


def names(config: CompareConfig) -> list[list[str]]:
    return [[cell.name for cell in workload] for workload in grid(config.filled(), CPU)]


# The grid


def test_the_quick_preset_has_every_variant_of_both_algorithms_once() -> None:
    assert names(CompareConfig()) == [["torch eager", "torch compiled", "jax host", "jax fused", "jax seeds 4"]] * 2


def test_lists_are_multiplied() -> None:
    config = CompareConfig(
        algo=("dqn",), mode=("eager",), num_envs=(1, 8), batch_size=(32, 64), net_arch=((8,), (9, 9))
    )
    points = [(c.num_envs, c.batch_size, c.net_arch) for (c,) in grid(config.filled(), CPU)]
    assert points == [(n, b, arch) for n in (1, 8) for b in (32, 64) for arch in ((8,), (9, 9))]


def test_the_full_preset_varies_one_list_at_a_time() -> None:
    cells = grid(CompareConfig(algo=("dqn",), preset="full").filled(), CPU)
    points = [(w[0].num_envs, w[0].batch_size, w[0].net_arch) for w in cells]
    others = [(1, 128, (64, 64)), (1, 128, (512, 512)), (1, 64, (120, 84)), (1, 1024, (120, 84))]
    assert points == [(1, 128, (120, 84)), *others, (8, 128, (120, 84)), (64, 128, (120, 84))]
    assert [c.num_seeds for c in cells[0] if c.mode == "seeds"] == [4, 16, 64]
    assert [c.num_seeds for c in cells[1] if c.mode == "seeds"] == [4]


def test_an_environment_without_a_compiled_form_has_host_variants_only() -> None:
    assert names(CompareConfig(algo=("dqn",), env="LunarLander-v3")) == [["torch eager", "torch compiled", "jax host"]]
    assert names(CompareConfig(algo=("dqn",), backend=("jax",), mode=("eager",))) == []
    assert sorted(COMPILED_ENVS) == sorted(CLASSIC)


def test_a_cell_makes_as_many_updates_as_env_steps() -> None:
    config = BASE._replace(num_envs=8, batch_size=64, net_arch=(32,)).config
    assert (config.gradient_steps, config.train_freq) == (-1, 1)
    assert (config.batch_size, config.net_arch, config.learning_rate) == (64, (32,), SETTINGS["dqn"].learning_rate)


# Arithmetic, by hand


def test_flop_of_an_update() -> None:
    spec, box = EnvSpec((3,), "float32", True, 2), EnvSpec((3,), "float32", False, 1, (-1.0,), (1.0,))
    small: dict[str, Any] = {"batch_size": 2, "net_arch": (4,), "buffer_size": 10}
    assert update_flop(DQNConfig(**small), spec) == 272  # 3 * 80 - 48 trained, 80 of the target
    assert update_flop(DQNConfig(**small, double_q=True), spec) == 352
    assert update_flop(SACConfig(**small), box) == 1104  # two critics of 176 + 80 + 160, an actor of 192 + 80


def result(cell: Cell, rates: list[float], cores: int = 1, **parts: float) -> Result:
    repeats = [
        {"env_steps_per_second": x, "flop_per_second": 20.0, "peak_flop_per_second": 100.0, **parts} for x in rates
    ]
    return Result(cell, cores, None, repeats, 500.0, 1.0, "")


def test_the_peak_is_the_fastest_product_on_as_many_cores() -> None:
    slow, fast = result(BASE, [1.0]), result(BASE._replace(backend="jax", mode="host"), [2.0])
    fast.repeats[0]["peak_flop_per_second"] = 400.0
    more = result(BASE._replace(mode="compiled"), [2.0], cores=2)
    assert [share_of_peak(r, [slow, fast, more]) for r in (slow, fast, more)] == [0.05, 0.05, 0.2]


def test_a_sentence_says_what_won_and_what_limits_it() -> None:
    of_eager = {"env_us": 100.0, "act_us": 50.0, "sample_us": 50.0, "update_us": 800.0}
    of_host = {"env_us": 150.0, "act_us": 20.0, "sample_us": 20.0, "update_us": 10.0}
    jax = BASE._replace(backend="jax")
    results = [
        result(BASE, [900.0, 1000.0, 1050.0], **of_eager),
        result(jax._replace(mode="host"), [3000.0, 2000.0, 4000.0], **of_host),
        result(jax._replace(mode="seeds", num_seeds=4), [8000.0], cores=2),
    ]
    assert verdicts(results) == [
        "DQN, CartPole-v1, 1 environment, batch 128, 120-84, cpu: jax host is the fastest with 3,000 env steps/s, "
        "3.00 times torch eager. jax host is limited by environment (75% of a step). torch eager is limited by "
        "dispatch (the update, 80% of a step, is at 20% of the matrix-product peak). 4 seeds on 2 cores sum up to "
        "8,000 env steps/s."
    ]
    results[1] = result(jax._replace(mode="host"), [1049.0, 1049.0], **of_host)
    assert "; its lead over torch eager is within the spread of the repeats. " in verdicts(results)[0]


def test_long_updates_are_limited_by_products_and_short_ones_of_a_fused_loop_by_small_operations() -> None:
    fused = BASE._replace(backend="jax", mode="fused")
    told = [limit(r, [r]) for r in (result(BASE, [400.0], update_us=2_400.0), result(fused, [5_000.0]))]
    assert told == [
        "matrix products (the update, 100% of a step, is at 20% of their peak)",
        "small operations (the update, 100% of a step, is at 20% of the matrix-product peak)",
    ]


def test_a_loop_that_does_not_learn_is_not_sound() -> None:
    assert not result(BASE, [1.0])._replace(greedy_return=59.9).sound
    assert result(BASE, [1.0])._replace(greedy_return=60.0).sound
    assert result(BASE._replace(env="Other-v0"), [1.0])._replace(greedy_return=None).sound


def test_scaling_has_a_line_for_each_variant_over_what_differs_in_that_alone() -> None:
    cells = [BASE, BASE._replace(num_envs=8), BASE._replace(num_envs=8, batch_size=64), BASE._replace(mode="compiled")]
    lines = line_values(BASE, "num_envs", [result(cell, [1.0]) for cell in cells])
    assert {name: [r.cell.num_envs for r in points] for name, points in lines.items()} == {"torch eager": [1, 8]}


def test_microseconds_counts_calls() -> None:
    calls: list[int] = []
    assert microseconds(calls.append, 0.01) < 100
    assert calls[0] == 0
    assert len(calls) > 100


# The command


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("algo=[ppo]", "algo='ppo' is not allowed: some of dqn, sac"),
        ("mode=[]", "mode=[] is not allowed: a list with something in it"),
        ("device=[cuda]", "device=['cuda'] is not allowed: one that is here, such as cpu"),
        ("preset=slow", "preset='slow' is not allowed: one of quick, full"),
        ("net_arch=[64,64]", "net_arch=64 is not allowed: lists of layer sizes >= 1, such as [[64,64],[256,256]]"),
        ("num_envs=[0]", "num_envs=0 is not allowed: whole numbers >= 1"),
        ("seconds=0", "seconds=0.0 is not allowed: a number > 0"),
        ("mode=[fused] env=LunarLander-v3", "mode=['fused'] is not allowed: one that backend=['torch', 'jax'] has on "),
        ("out=.", "out='.' is not allowed: a folder that is new or empty"),
    ],
)
def test_bad_input_is_one_line(argument: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    ran = command(*argument.split(), name="compare", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1].startswith(f"rlpair: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_cell_that_fails_says_why() -> None:
    with pytest.raises(RLPairError, match=r"torch eager on Nowhere-v0 could not be measured: .*Nowhere-v0"):
        CellProcess(BASE._replace(env="Nowhere-v0"), usable_cores())


def test_a_cell_is_bound_to_its_cores_and_its_maker_is_not() -> None:
    before = usable_cores()
    process = CellProcess(BASE, {min(before)})
    assert os.sched_getaffinity(process._process.pid) == {min(before)}
    assert usable_cores() == before
    process.close()


@pytest.mark.slow
def test_a_run_writes_all_that_it_found(tmp_path: Path) -> None:
    out = tmp_path / "out"
    few = [
        "algo=[dqn]",
        "mode=[eager,host,fused,seeds]",
        "num_seeds=[2]",
        "repeats=2",
        "seconds=0.2",
        "batch_size=[64]",
    ]
    ran = command(*few, f"out={out}", name="compare")
    assert ran.returncode == 0, ran.stderr
    assert "rlpair: device=cuda is skipped: there is no GPU here" in ran.stderr or "cuda" in ran.stdout
    assert "torch eager: 2/2 " in ran.stderr

    found = json.loads((out / "compare.json").read_text())
    assert found.keys() == {"date", "machine", "versions", "seconds", "config", "cells"}
    cells = [cell for cell in found["cells"] if cell["device"] == "cpu"]
    assert [cell["name"] for cell in cells] == ["torch eager", "jax host", "jax fused", "jax seeds 2"]
    for cell in cells:
        assert cell["sound"]
        assert cell["greedy_return"] >= 60
        assert len(cell["repeats"]) == 2
        assert all(repeat["env_steps_per_second"] > 0 for repeat in cell["repeats"])
        assert all(repeat["flop_per_second"] > 0 for repeat in cell["repeats"])
        assert ("update_us" in cell["repeats"][0]) == (cell["name"] in ("torch eager", "jax host"))

    text = (out / "compare.md").read_text()
    assert text.count("| torch eager | ") == len(found["cells"]) / 4
    assert "is the fastest with " in ran.stdout
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    runs = sorted((out / "tensorboard").iterdir())
    tags = [EventAccumulator(str(run)).Reload().Tags()["scalars"] for run in runs]
    assert [run.name for run in runs][:2] == ["00-dqn-torch-eager", "01-dqn-jax-host"]
    assert set(tags[0]) == set(tags[1]) >= {"compare/env_steps_per_second", "compare/update_us"}
    assert set(tags[2]) == set(tags[3]) <= set(tags[0])
