"""Which transitions are learned from, on the host."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from rlpair.replay.span import Span
from rlpair.types import Array, State


class Sampler(Protocol):
    """Chooses indices; made by ``(rows, num_envs)`` of its storage. Told in order of what happens.

    Feedback comes after each round of updates, on all of its batches at once, and is handed over when the next
    minibatches are drawn: rows that were added since are told of after it.
    """

    def add(self, row: int) -> None:
        """Hear that row ``row`` has new transitions, in place of those that it had."""
        ...

    def sample(
        self, span: Span, batch_size: int, num_batches: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Draw indices (U, B) that ``span`` holds, int64, and their importance weights (U, B), if any."""
        ...

    def feedback(self, indices: np.ndarray, td_error: Array) -> None:
        """Hear the TD errors (U, B) of the updates on ``indices`` (U, B), on their device: ``fetch`` brings them."""
        ...

    def state_dict(self) -> State:
        """Return all that it knows, by name; names, shapes and dtypes never change."""
        ...

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state of those names, shapes and dtypes; raise CheckpointError and change nothing otherwise."""
        ...


class Uniform:
    """Each transition is as likely as the others, with replacement. It keeps nothing, and needs no weights."""

    def __init__(self, rows: int, num_envs: int) -> None:
        pass

    def add(self, row: int) -> None:
        """Do nothing: there is nothing to remember."""

    def sample(
        self, span: Span, batch_size: int, num_batches: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, None]:
        """Draw indices (U, B) int64."""
        return span.index_of(rng.integers(span.length, size=(num_batches, batch_size))), None

    def feedback(self, indices: np.ndarray, td_error: Array) -> None:
        """Do nothing: there is nothing to remember, and the device is not waited for."""

    def state_dict(self) -> State:
        """Return {}: there is nothing to keep."""
        return {}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Do nothing: there is nothing to take over."""


def fetch(array: Array) -> np.ndarray:
    """Return an array of any backend and device in numpy, once it is computed."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
