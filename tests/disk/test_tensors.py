"""What arrays of a checkpoint may hold: every single refusal, by its whole message."""

from typing import Any

import numpy as np
import pytest
from refused import refused
from specs import BOX, DISCRETE

from rlpair.disk import tensors
from rlpair.errors import CheckpointError
from rlpair.types import EnvSpec


@pytest.mark.parametrize(
    ("action", "terminated", "spec", "message"),
    [
        ([-2], [0], DISCRETE, "replay.action holds -2, which is not from -1 to 1"),
        ([2], [0], DISCRETE, "replay.action holds 2, which is not from -1 to 1"),
        ([-1, 1], [0, 2], DISCRETE, "replay.terminated holds a number that is neither 0 nor 1"),
        ([-1, 1], [0, 0.5], DISCRETE, "replay.terminated holds a number that is neither 0 nor 1"),
        ([[2.0, 1.5]], [0], BOX, "replay.action holds 1.5, which is not from 0.0 to 1.0"),
        ([[-2.5, 0.0]], [0], BOX, "replay.action holds -2.5, which is not from -2.0 to 2.0"),
    ],
)
def test_transitions(action: list[Any], terminated: list[float], spec: EnvSpec, message: str) -> None:
    dtype = np.int32 if spec.discrete else np.float32
    stored = {"replay.action": np.array(action, dtype), "replay.terminated": np.array(terminated, np.float32)}
    assert refused(lambda: tensors.check_transitions(stored, spec, "replay."), CheckpointError) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer.x.nu": [np.nan]}, "optimizer.x.nu holds a number that is not finite"),
        ({"optimizer.x.nu": [-1.0]}, "optimizer.x.nu holds a number below 0, and is of squares"),
        ({"num_updates": -1}, "num_updates is -1, not from 0 to 1073741824"),
        ({"num_updates": 2**30 + 1}, "num_updates is 1073741825, not from 0 to 1073741824"),
        ({"optimizer.x.count": 6}, "optimizer.x.count is 6, not from 0 to num_updates=5"),
        ({"optimizer.x.count": -1}, "optimizer.x.count is -1, not from 0 to num_updates=5"),
    ],
)
def test_contents_of_an_agent(change: dict[str, Any], message: str) -> None:
    state = {
        key: np.array(x)
        for key, x in ({"num_updates": 5, "optimizer.x.count": 5, "optimizer.x.nu": [0.0]} | change).items()
    }
    assert refused(lambda: tensors.check_contents(state), CheckpointError) == message


def test_counts() -> None:
    state = {"a": np.array([0, -3]), "b": np.array([0])}
    assert refused(lambda: tensors.check_counts(state, "b", "a"), CheckpointError) == "a holds -3, and counts"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "the state lacks 'a' (1 of 1 names are missing)"),
        (
            {"a": np.zeros(2), "y" * 99: np.zeros(1)},
            f"the state has '{'y' * 60}...', which this agent has not (1 such names)",
        ),
        ({"a": np.zeros(3)}, "a has shape (3,), and this agent has (2,)"),
        ({"a": np.zeros(2, np.float32)}, "a has dtype float32, and this agent has float64"),
    ],
)
def test_names_shapes_and_dtypes(found: dict[str, np.ndarray], message: str) -> None:
    assert refused(lambda: tensors.check_fit(found, {"a": np.zeros(2)}), CheckpointError) == message
