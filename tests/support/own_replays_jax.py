"""own_replays.py's storage and sampler, as a user would bring them to the fused loop: values with pure functions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.replay.samplers_jax import Sampler
from rlpair.replay.span import Span
from rlpair.replay.storage_jax import RING, Storage
from rlpair.types import EnvSpec, Transition


class Windows(NamedTuple):
    """The state of an n-step storage."""

    ring: Transition  # (rows, N, ...)
    ends: jax.Array  # (rows, N) bool


def n_step(n: int, gamma: float) -> Storage:
    """n-step returns, cut at the first end of an episode."""

    def init(capacity: int, num_envs: int, spec: EnvSpec) -> Windows:
        ring = RING.init(capacity, num_envs, spec)
        return Windows(ring, jnp.zeros(ring.reward.shape, bool))

    def add(
        state: Windows, transition: Transition, truncated: jax.Array, vector_step: jax.Array
    ) -> tuple[Windows, jax.Array]:
        ring, row = RING.add(state.ring, transition, truncated, vector_step)
        return Windows(ring, state.ends.at[row].set(truncated | (transition.terminated > 0))), row

    def span(state: Windows, vector_steps: jax.Array) -> Span:
        """Not the newest n - 1 rows, whose windows would run beyond the newest."""
        rows, num_envs = state.ends.shape
        filled = jnp.minimum(vector_steps, rows)
        return Span((filled - n + 1) * num_envs, rows * num_envs, (vector_steps - filled) % rows * num_envs)

    def take(state: Windows, indices: jax.Array) -> Transition:
        num_envs = state.ends.shape[1]
        reward, steps = jnp.zeros(indices.shape), jnp.zeros(indices.shape)
        goes_on, last = jnp.ones(indices.shape, bool), indices
        for k in range(n):
            at = (indices + k * num_envs) % state.ends.size
            reward += jnp.where(goes_on, gamma**k * state.ring.reward.ravel()[at], 0)
            steps, last = steps + goes_on, jnp.where(goes_on, at, last)
            goes_on &= ~state.ends.ravel()[at]
        first, end = RING.take(state.ring, indices), RING.take(state.ring, last)
        return first._replace(
            reward=reward,
            next_obs=end.next_obs,
            terminated=end.terminated,
            discount=gamma**steps * (1 - end.terminated),
        )

    return Storage(init, add, span, take, least=n)


class Priorities(NamedTuple):
    """The state of a prioritized sampler."""

    priorities: jax.Array  # (rows, N)
    largest: jax.Array  # () so far


def prioritized(alpha: float, beta: float) -> Sampler:
    """Proportional to (|td| + 1e-6)^alpha; new transitions have the largest priority so far."""

    def init(rows: int, num_envs: int) -> Priorities:
        return Priorities(jnp.zeros((rows, num_envs)), jnp.ones(()))

    def add(state: Priorities, row: jax.Array) -> Priorities:
        return state._replace(priorities=state.priorities.at[row].set(state.largest))

    def sample(
        state: Priorities, span: Span, key: jax.Array, shape: tuple[int, ...]
    ) -> tuple[jax.Array, jax.Array, Priorities]:
        p = jnp.where(span.holds(jnp.arange(span.size)), state.priorities.ravel() ** alpha, 0)
        p /= p.sum()
        indices = jnp.searchsorted(jnp.cumsum(p), jax.random.uniform(key, shape), side="right")
        weights = (span.length * p[indices]) ** -beta
        return indices, weights / weights.max(axis=-1, keepdims=True), state

    def feedback(state: Priorities, indices: jax.Array, td_error: jax.Array) -> Priorities:
        def hear(state: Priorities, update: tuple[jax.Array, jax.Array]) -> tuple[Priorities, None]:
            index, priority = update[0], jnp.abs(update[1]) + 1e-6
            flat = state.priorities.ravel().at[index].set(priority)
            return Priorities(flat.reshape(state.priorities.shape), jnp.maximum(state.largest, priority.max())), None

        return jax.lax.scan(hear, state, (indices, td_error))[0]  # update by update: the last word counts

    return Sampler(init, add, sample, feedback)
