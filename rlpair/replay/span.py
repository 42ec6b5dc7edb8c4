"""Which of its transitions a storage has to offer: what a storage and a sampler know of each other."""

from typing import Any, NamedTuple

from rlpair.types import Array


class Span(NamedTuple):
    """``length`` indices from ``start`` on, round a storage of ``size``; of Python's numbers or traced ones."""

    length: Any  # ()
    size: int
    start: Any = None  # (); None: from 0 on, so that none goes round

    def index_of(self, number: Array) -> Array:
        """Return the index of the ``number``-th transition that can be drawn, (...) -> (...)."""
        return number if self.start is None else (self.start + number) % self.size

    def holds(self, index: Array) -> Array:
        """Return whether a transition can be drawn, (...) -> (...) bool."""
        return (index if self.start is None else (index - self.start) % self.size) < self.length
