"""Where transitions are kept on the host: a ring of the newest rows of N environments, in numpy."""

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from rlpair.disk.tensors import Tensor, Tensors, check_fit, check_transitions
from rlpair.errors import CheckpointError, ConfigError
from rlpair.replay.span import Span
from rlpair.types import EnvSpec, State, Transition

POSITION = "position"  # in the state, beside the fields


Column = tuple[tuple[int, ...], str]  # shape, dtype


def columns_of(spec: EnvSpec) -> dict[str, Column]:
    """Return what a replay stores of each transition, by name, in the order of Transition's fields."""
    return {
        "obs": (spec.obs_shape, spec.obs_dtype),
        "action": ((), "int32") if spec.discrete else ((spec.action_dim,), "float32"),
        "reward": ((), "float32"),
        "next_obs": (spec.obs_shape, spec.obs_dtype),
        "terminated": ((), "float32"),
        "truncated": ((), "bool"),  # episode boundaries, beside the transitions
    }


def ring_bytes(capacity: int, num_envs: int, spec: EnvSpec) -> int:
    """Return the bytes that a Ring takes once it is full; nothing is allocated."""
    transition = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in columns_of(spec).values())
    return capacity // num_envs * num_envs * transition


def allocate(capacity: int, columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """Return arrays of zeros, whose memory is taken as they fill. Raises ConfigError where they are too large."""
    try:
        return {name: np.zeros(shape, dtype) for name, (shape, dtype) in columns.items()}
    except (MemoryError, ValueError) as error:
        raise ConfigError("algo.buffer_size", capacity, "as many transitions as fit into memory") from error


class Storage(Protocol):
    """Rows x environments of what happened; made by ``(capacity, num_envs, spec)``. ``len()``: transitions held."""

    rows: int  # that there is room for

    def __len__(self) -> int: ...

    def add(self, transition: Transition, truncated: np.ndarray) -> int:
        """Store a step of every environment, (N, ...), ``truncated`` (N,) bool. Returns the row that it went into."""
        ...

    def span(self) -> Span:
        """Return which indices can be drawn, now."""
        ...

    def take(self, indices: np.ndarray) -> Transition:
        """Return the transitions (*indices.shape, ...) as a learner takes them: copies."""
        ...

    def state_dict(self) -> State:
        """Return all that it holds, by name."""
        ...

    def check(self, state: Tensors) -> None:
        """Raise CheckpointError unless a state, or what is said of one, has names, shapes and dtypes that fit."""
        ...

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; where it does not fit, raise CheckpointError and change nothing."""
        ...


class Ring:
    """The newest ``capacity`` transitions, rounded down to a multiple of ``num_envs``. All of them can be drawn."""

    def __init__(self, capacity: int, num_envs: int, spec: EnvSpec) -> None:
        """Begin empty: memory is taken as it fills. Raises ConfigError unless ``num_envs`` transitions fit."""
        if capacity < num_envs:
            raise ConfigError("algo.buffer_size", capacity, f"at least num_envs={num_envs}")
        self.num_envs, self.rows = num_envs, capacity // num_envs
        self._spec, columns = spec, columns_of(spec)
        self.data = allocate(capacity, {n: ((self.rows, num_envs, *x), dtype) for n, (x, dtype) in columns.items()})
        self._flat = [a.reshape(-1, *a.shape[2:]) for name, a in self.data.items() if name != "truncated"]
        self.position = 0  # of the next row
        self.filled = 0  # rows

    def __len__(self) -> int:
        return self.filled * self.num_envs

    def add(self, transition: Transition, truncated: np.ndarray) -> int:
        """Store a step of every environment, in place of the oldest where there is no room. Returns its row.

        Raises:
            ValueError: the transition has a discount or a weight: there is no place for them here.
        """
        if transition.discount is not None or transition.weight is not None:
            raise ValueError("the replay stores no discount and no weight: add them to what it samples")
        data, row = self.data, self.position
        data["obs"][row] = transition.obs
        data["action"][row] = transition.action
        data["reward"][row] = transition.reward
        data["next_obs"][row] = transition.next_obs
        data["terminated"][row] = transition.terminated
        data["truncated"][row] = truncated
        self.position = (row + 1) % self.rows
        self.filled = max(self.filled, row + 1)
        return row

    def span(self) -> Span:
        """Return every index that is filled."""
        return Span(len(self), self.rows * self.num_envs)

    def take(self, indices: np.ndarray) -> Transition:
        """Return the transitions (*indices.shape, ...), as they went in."""
        # mode="clip": all indices are within, and numpy need not make sure before it copies
        return Transition(*[array.take(indices, axis=0, mode="clip") for array in self._flat])

    def state_dict(self) -> State:
        """Return what is filled, (rows, N, ...) in storage's order, and the position of the next row. No copies."""
        filled = {name: array[: self.filled] for name, array in self.data.items()}
        return filled | {POSITION: np.asarray(self.position, np.int64)}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; from there on adding and taking are as they would have been.

        Raises:
            CheckpointError: it does not fit, or holds a transition of no such environment. Then nothing has changed.
        """
        self.check(state)
        filled, position = len(state["reward"]), int(state[POSITION])
        wrapped = filled == self.rows and 0 <= position < filled
        if not (wrapped or position == filled):
            raise CheckpointError(f"the replay's state, {filled} rows with the next at {position}, does not fit here")
        check_transitions(state, self._spec)
        for name, array in self.data.items():
            array[:filled] = state[name]
        self.filled, self.position = filled, position % self.rows

    def check(self, state: Tensors) -> None:
        """Raise CheckpointError unless a state, or what is said of one, has names, shapes and dtypes that fit here."""
        filled: tuple[int, ...] = state["reward"].shape[:1] if "reward" in state else ()
        own = {name: Tensor(filled + array.shape[1:], array.dtype) for name, array in self.data.items()}
        check_fit(state, own | {POSITION: Tensor((), np.dtype(np.int64))}, "this replay")
        if filled > (self.rows,):
            here = f"{self.rows} rows of {self.num_envs} environments"
            raise CheckpointError(f"the replay's state has {filled[0]} rows, and here are {here}")
