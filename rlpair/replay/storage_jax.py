"""Where transitions are kept on the device: storage.py's ring as pure functions, for loops that are compiled whole.

It has no counters of its own: how many vector steps it has seen is the loop's to know. So that number stays one number
where the replays of many seeds are vmapped, and adding to them is one write at one place.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rlpair.replay.span import Span
from rlpair.types import EnvSpec, Transition

Tree = Any  # a pytree of arrays


class Storage(NamedTuple):
    """Rows x environments of what happened, as pure functions."""

    init: Callable[[int, int, EnvSpec], Tree]
    """(capacity, num_envs, spec) -> state: room for ``capacity`` transitions, rounded down to a multiple of N."""
    add: Callable[[Tree, Transition, jax.Array, jax.Array], tuple[Tree, jax.Array]]
    """(state, transition (N, ...), truncated (N,), vector_step () int32 from 0 on) -> state, and its row ().

    That is the oldest one where there is no room.
    """
    span: Callable[[Tree, jax.Array], Span]
    """(state, vector_steps ()) -> which indices can be drawn after so many."""
    take: Callable[[Tree, jax.Array], Transition]
    """(state, indices) -> transitions (*indices.shape, ...); an index counts environments within rows."""
    least: int = 1
    """Vector steps after which there is something to draw."""


def init(capacity: int, num_envs: int, spec: EnvSpec) -> Transition:
    """Return empty arrays (rows, N, ...)."""
    shape = (capacity // num_envs, num_envs)
    action = jnp.zeros(shape, jnp.int32) if spec.discrete else jnp.zeros((*shape, spec.action_dim), jnp.float32)
    obs, next_obs = (jnp.zeros((*shape, *spec.obs_shape), spec.obs_dtype) for _ in range(2))
    reward, terminated = (jnp.zeros(shape, jnp.float32) for _ in range(2))
    return Transition(obs, action, reward, next_obs, terminated)


def add(
    ring: Transition, transition: Transition, truncated: jax.Array, vector_step: jax.Array
) -> tuple[Transition, jax.Array]:
    """Store the transition alone: where episodes were cut is not kept."""
    row = vector_step % ring.reward.shape[0]
    return jax.tree.map(lambda array, x: array.at[row].set(x.astype(array.dtype)), ring, transition), row


def span(ring: Transition, vector_steps: jax.Array) -> Span:
    """Return every index that ``vector_steps`` () steps have filled."""
    rows, num_envs = ring.reward.shape
    return Span(jnp.minimum(vector_steps, rows) * num_envs, rows * num_envs)


def take(ring: Transition, indices: jax.Array) -> Transition:
    """Return the transitions (*indices.shape, ...), as they went in."""
    return jax.tree.map(lambda x: jnp.take(x.reshape(-1, *x.shape[2:]), indices, axis=0, mode="clip"), ring)


RING = Storage(init, add, span, take)
