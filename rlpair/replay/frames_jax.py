"""Where transitions of images are kept on the device, each frame once: frames.py's streams as pure functions.

Its transitions are another storage's, of positions. Where a stream goes on is a number of each environment, and of each
of many vmapped seeds: frames are scattered, k + 1 for each environment and step, of which all but the last are dropped
unless an episode begins.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.replay.frames import Streams, positions_of, streams_of
from rlpair.replay.span import Span
from rlpair.replay.storage_jax import RING, Storage, Tree
from rlpair.types import EnvSpec, Transition


class Frames(NamedTuple):
    """The state. N environments, F frames in a stream."""

    transitions: Tree  # the state of their own storage
    frames: jax.Array  # (F, N, *frame)
    head: jax.Array  # (N,) int32: next position; before the first lies a stack of zeros
    held: jax.Array  # () int32: rows, the newest ones, of which no frame is overwritten
    next_obs: jax.Array  # (N, *obs_shape) of the newest row


def frames_over(transitions: Storage) -> Storage:
    """Return the storage of frames whose transitions, of positions, are kept by another storage."""

    def init(capacity: int, num_envs: int, spec: EnvSpec) -> Frames:
        """Raise ConfigError where positions do not fit int32."""
        streams = streams_of(capacity, num_envs, spec)
        frames = jnp.zeros((streams.size, num_envs, *streams.frame), spec.obs_dtype)
        head, held = jnp.full(num_envs, streams.stack, jnp.int32), jnp.zeros((), jnp.int32)
        next_obs = jnp.zeros((num_envs, *spec.obs_shape), spec.obs_dtype)
        return Frames(transitions.init(capacity, num_envs, positions_of(spec)), frames, head, held, next_obs)

    def add(
        state: Frames, transition: Transition, truncated: jax.Array, vector_step: jax.Array
    ) -> tuple[Frames, jax.Array]:
        """Return the rows that lose a frame are counted off, the oldest first."""
        streams, envs = streams_in(state), jnp.arange(len(state.head))
        stack, obs, next_obs = streams.stack, transition.obs, transition.next_obs
        begins = (obs != state.next_obs).reshape(len(envs), -1).any(axis=1)  # (N,)
        following = (state.head + jnp.where(begins, stack, 0)) % streams.turn  # position of next_obs's frame
        position = (following - 1) % streams.turn
        stored, row = transitions.add(
            state.transitions, transition._replace(obs=position, next_obs=following), truncated, vector_step
        )
        written = jnp.concatenate([unstacked(obs, stack), unstacked(next_obs, stack)[:, -1:]], axis=1)  # (N, k + 1, ..)
        age = jnp.arange(stack, -1, -1)[None]  # of each of these frames
        slots = jnp.where(begins[:, None] | (age == 0), (following[:, None] - age) % streams.size, streams.size)
        frames = state.frames.at[slots, envs[:, None]].set(
            written.astype(state.frames.dtype), mode="drop"
        )  # beyond the end
        head = (following + 1) % streams.turn
        rows = transitions.span(stored, vector_step + 1).size // len(envs)

        def is_lost(held: jax.Array) -> jax.Array:
            oldest = (vector_step - held + 1) % rows * len(envs) + envs
            return streams.is_lost(transitions.take(stored, oldest).obs, head).any()

        held = jax.lax.while_loop(is_lost, lambda held: held - 1, jnp.minimum(state.held + 1, rows))
        return Frames(stored, frames, head, held, next_obs.astype(state.next_obs.dtype)), row

    def span(state: Frames, vector_steps: jax.Array) -> Span:
        """Return what the transitions' own storage offers of the rows whose frames are there."""
        own, num_envs = transitions.span(state.transitions, vector_steps), len(state.head)
        rows = own.size // num_envs
        lost = jnp.minimum(vector_steps, rows) - state.held
        start = (vector_steps - state.held) % rows * num_envs
        return Span(jnp.maximum(0, own.length - lost * num_envs), own.size, start)

    def take(state: Frames, indices: jax.Array) -> Transition:
        """Return the transitions (*indices.shape, ...)."""
        batch, envs = transitions.take(state.transitions, indices), indices % len(state.head)
        obs, next_obs = (stacked(state, position, envs) for position in (batch.obs, batch.next_obs))
        return batch._replace(obs=obs, next_obs=next_obs)

    return Storage(init, add, span, take, transitions.least)


def streams_in(state: Frames) -> Streams:
    """Return the streams' numbers."""
    size, _, *frame = state.frames.shape
    return Streams(state.next_obs.shape[-1] // frame[-1], tuple(frame), size)


def stacked(state: Frames, position: jax.Array, envs: jax.Array) -> jax.Array:
    """Return the observations (..., *obs_shape) whose newest frames are at these positions (...,) of streams."""
    size, num_envs, *frame = state.frames.shape
    ages = range(streams_in(state).stack - 1, -1, -1)
    slots = jnp.stack([(position - age) % size for age in ages], -1)
    frames = jnp.take(state.frames.reshape(-1, *frame), slots * num_envs + envs[..., None], axis=0, mode="clip")
    return jnp.moveaxis(frames, -1 - len(frame), -2).reshape(*position.shape, *state.next_obs.shape[1:])


def unstacked(obs: jax.Array, stack: int) -> jax.Array:
    """Shape observations (N, *axes, k * C) as frames (N, k, *axes, C)."""
    *axes, channels = obs.shape
    return jnp.moveaxis(obs.reshape(*axes, stack, channels // stack), -2, 1)


FRAMES = frames_over(RING)
