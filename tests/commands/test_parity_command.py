"""python -m rlpair.parity: what it measures, prints, and when it fails."""

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from rlpair import parity

SMALL = ["rlpair.parity", "seeds=1", "updates=3", "batch_size=4"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same agents with smaller networks."""
    shown = {
        name: dataclasses.replace(config, net_arch=(8,))
        for name, config in parity.cases(None).items()
        if name in ("double DQN", "SAC")
    }
    monkeypatch.setattr(parity, "cases", lambda algo: shown)
    monkeypatch.setattr(sys, "argv", SMALL)


def run() -> int:
    with pytest.raises(SystemExit) as exit_info:
        parity.main()
    assert isinstance(exit_info.value.code, int)
    return exit_info.value.code


def test_prints_a_table_for_each_agent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "# The twins compared"
    assert [line for line in lines if line.startswith("## ")] == ["## double DQN, cpu", "## SAC, cpu"]
    assert "| | float64 | float32 | rounding alone |" in lines
    quantities = {line.split("|")[1].strip() for line in lines if line.startswith("| ")} - {""}
    updates = {f"{what}, update {u}" for what in ("losses", "TD errors", "parameters", "targets") for u in (1, 3)}
    moments = {"gradients, update 1", "first moments, update 3", "second moments, update 1", "second moments, update 3"}
    alpha = {"log alpha, update 1", "log alpha, update 3"}
    assert quantities == {"greedy action", "exploring action"} | updates | moments | alpha
    assert lines[-1] == "60 of 60 comparisons within their tolerance."


def test_fails_where_the_twins_differ(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    agent_of = parity.agent_of

    def astray(case: parity.Case, backend: str, *options: Any) -> Any:
        config = dataclasses.replace(case.config, gamma=0.98) if backend == "jax" else case.config
        return agent_of(case._replace(config=config), backend, *options)

    monkeypatch.setattr(parity, "agent_of", astray)
    assert run() == 1
    out, err = capsys.readouterr()
    assert "(!)" in out
    assert err.startswith("rlpair: exceeds its tolerance: double DQN on cpu: gradients, update 1, float64: ")


def test_the_largest_error_over_the_seeds_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_seeds = [1e-12, 3e-10, 2e-11]
    monkeypatch.setattr(
        parity, "compare", lambda case, *_: {"TD errors, update 1": dict.fromkeys(parity.COLUMNS, of_seeds[case.seed])}
    )
    monkeypatch.setattr(sys, "argv", ["rlpair.parity", "seeds=3"])
    assert run() == 0
    assert capsys.readouterr().out.count("| TD errors, update 1 | 3.0e-10 | 3.0e-10 | 3.0e-10 |") == 2


def test_the_largest_error_of_a_quantity_is_that_of_its_worst_tensor() -> None:
    found = {"q_network.0.weight": 3e-10, "q_network.0.bias": 1e-12, "target_q_network.0.bias": 2e-11, "loss/q": 0.0}
    found |= {"optimizer.mu.0.weight": 1e-13, "optimizer.mu.0.bias": 4e-13, "optimizer.nu.0.bias": 5e-13}
    first = {"parameters": 3e-10, "targets": 2e-11, "losses": 0.0, "gradients": 4e-13, "second moments": 5e-13}
    assert parity.grouped(found, 1) == {f"{quantity}, update 1": error for quantity, error in first.items()}
    assert parity.grouped({"optimizer.mu.0.bias": 4e-13}, 9) == {"first moments, update 9": 4e-13}


@pytest.mark.parametrize(
    ("quantity", "rounding", "in_float32"),
    [
        ("losses, update 1", 1.0, 1e-4),  # before a step rounding is as good as none
        ("parameters, update 1", 1e-6, 1e-4),
        ("losses, update 100", 1e-3, 1e-2),  # ten times what rounding makes of one twin alone
        ("targets, update 100", 0.5, 5.0),
    ],
)
def test_what_errors_may_be(quantity: str, rounding: float, in_float32: float) -> None:
    assert parity.tolerances(quantity, rounding) == pytest.approx({"float64": 1e-9, "float32": in_float32})


@pytest.mark.parametrize(
    ("float64", "float32", "rounding", "columns"),
    [
        (1e-9, 1e-2, 1e-3, []),
        (1.1e-9, 1e-2, 1e-3, ["float64"]),
        (1e-9, 1.1e-2, 1e-3, ["float32"]),
        (1e-9, np.inf, np.inf, ["float32"]),  # what is no number is nowhere near another
        (np.inf, np.nan, 1e-3, ["float64", "float32"]),
    ],
)
def test_what_exceeds_its_tolerance(float64: float, float32: float, rounding: float, columns: list[str]) -> None:
    found = {"float64": float64, "float32": float32, parity.ROUNDING: rounding}
    assert parity.outside("losses, update 100", found) == columns


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([1.0, -4.0], [1.0, -3.0], 0.25),
        ([0.0, 2.0], [0.5, 2.0], 0.25),
        ([0.0], [0.0], 0),
        ([0.0], [1e-30], np.inf),
        ([1.0], [np.nan], np.inf),
        ([np.inf], [np.inf], np.inf),
        (np.int32(3), np.int32(3), 0),
        (np.int32(3), np.int32(4), np.inf),
    ],
)
def test_relative_error(a: Any, b: Any, error: float) -> None:
    assert parity.relative_error(np.asarray(a), np.asarray(b)) == error


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="only one has b, c"):
        parity.errors({"a": np.zeros(1), "b": np.zeros(1)}, {"a": np.zeros(1), "c": np.zeros(1)})
    with pytest.raises(ValueError, match=r"shapes \(1,\) and \(2,\) differ"):
        parity.errors({"a": np.zeros(1)}, {"a": np.zeros(2)})


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rlpair.parity", "updates=1"])
    assert run() == 2
    assert capsys.readouterr() == ("", "rlpair: updates=1 is not allowed: a whole number >= 2\n")
