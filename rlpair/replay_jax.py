"""The replay on the device: the ring of replay.py as pure functions, for loops that are compiled whole."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.types import EnvSpec, Transition


class Replay(NamedTuple):
    """The newest transitions of N environments."""

    data: Transition  # each (rows, N, ...)
    position: jax.Array  # () int32, of the next row
    filled: jax.Array  # () int32, rows


def empty(capacity: int, num_envs: int, spec: EnvSpec) -> Replay:
    """Room for ``capacity`` transitions, rounded down to a multiple of ``num_envs``."""
    shape = (capacity // num_envs, num_envs)
    action = jnp.zeros(shape, jnp.int32) if spec.discrete else jnp.zeros((*shape, spec.action_dim), jnp.float32)
    obs, next_obs = (jnp.zeros((*shape, *spec.obs_shape), spec.obs_dtype) for _ in range(2))
    reward, terminated = (jnp.zeros(shape, jnp.float32) for _ in range(2))
    zero = jnp.zeros((), jnp.int32)
    return Replay(Transition(obs, action, reward, next_obs, terminated), zero, zero)


def add(replay: Replay, transition: Transition) -> Replay:
    """Store one step of every environment, (N, ...), in place of the oldest where there is no room."""
    data = jax.tree.map(lambda array, x: array.at[replay.position].set(x.astype(array.dtype)), replay.data, transition)
    rows = replay.data.reward.shape[0]
    return Replay(data, (replay.position + 1) % rows, jnp.minimum(replay.filled + 1, rows))


def sample_indices(replay: Replay, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform, with replacement, over what is filled: int32 of that shape."""
    return jax.random.randint(key, shape, 0, replay.filled * replay.data.reward.shape[1])


def take(replay: Replay, indices: jax.Array) -> Transition:
    """The transitions (..., *) at these indices, which count environments within rows as replay.py does."""
    return jax.tree.map(lambda x: jnp.take(x.reshape(-1, *x.shape[2:]), indices, axis=0, mode="clip"), replay.data)
