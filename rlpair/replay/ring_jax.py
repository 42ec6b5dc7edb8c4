"""The replay on the device: the ring of buffer.py as pure functions, for loops that are compiled whole.

It has no counters of its own: how many vector steps it has seen is the loop's to know. So that number stays one number
where the replays of many seeds are vmapped, and adding to them is one write at one place.
"""

import jax
import jax.numpy as jnp

from rlpair.types import EnvSpec, Transition

Ring = Transition  # of arrays (rows, N, ...)


def empty(capacity: int, num_envs: int, spec: EnvSpec) -> Ring:
    """Room for ``capacity`` transitions of N environments, rounded down to a multiple of N."""
    shape = (capacity // num_envs, num_envs)
    action = jnp.zeros(shape, jnp.int32) if spec.discrete else jnp.zeros((*shape, spec.action_dim), jnp.float32)
    obs, next_obs = (jnp.zeros((*shape, *spec.obs_shape), spec.obs_dtype) for _ in range(2))
    reward, terminated = (jnp.zeros(shape, jnp.float32) for _ in range(2))
    return Transition(obs, action, reward, next_obs, terminated)


def add(ring: Ring, transition: Transition, vector_step: jax.Array) -> Ring:
    """Store vector step ``vector_step`` () int32 from 0 on, (N, ...), in place of the oldest where there is no room."""
    row = vector_step % ring.reward.shape[0]
    return jax.tree.map(lambda array, x: array.at[row].set(x.astype(array.dtype)), ring, transition)


def sample_indices(ring: Ring, vector_steps: jax.Array, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform, with replacement, over what ``vector_steps`` () steps have filled: int32 of that shape."""
    rows, num_envs = ring.reward.shape
    return jax.random.randint(key, shape, 0, jnp.minimum(vector_steps, rows) * num_envs)


def take(ring: Ring, indices: jax.Array) -> Transition:
    """The transitions (*indices.shape, ...); an index counts environments within rows, as in buffer.py."""
    return jax.tree.map(lambda x: jnp.take(x.reshape(-1, *x.shape[2:]), indices, axis=0, mode="clip"), ring)
