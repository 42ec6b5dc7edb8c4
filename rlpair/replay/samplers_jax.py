"""Which transitions are learned from, on the device: samplers.py as pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rlpair.replay.span import Span

Tree = Any  # a pytree of arrays


class Sampler(NamedTuple):
    """Chooses indices, as pure functions; told in order of what happens. Its state may be () if it keeps nothing.

    Feedback comes after each round of updates, on all of its batches at once.
    """

    init: Callable[[int, int], Tree]
    """(rows, num_envs) -> state."""
    add: Callable[[Tree, jax.Array], Tree]
    """(state, row ()) -> state: that row has new transitions, in place of those that it had."""
    sample: Callable[[Tree, Span, jax.Array, tuple[int, ...]], tuple[jax.Array, jax.Array | None, Tree]]
    """(state, span, key, shape (U, B)) -> indices int32 that the span holds, importance weights or None, state."""
    feedback: Callable[[Tree, jax.Array, jax.Array], Tree]
    """(state, indices (U, B), td_error (U, B)) -> state."""


def draw_uniformly(state: Tree, span: Span, key: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, None, Tree]:
    """Draw indices int32 of that shape, each as likely as the others, with replacement."""
    return span.index_of(jax.random.randint(key, shape, 0, span.length)), None, state


UNIFORM = Sampler(
    init=lambda rows, num_envs: (),
    add=lambda state, row: state,
    sample=draw_uniformly,
    feedback=lambda state, indices, td_error: state,
)
