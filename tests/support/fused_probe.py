"""An environment and a learner that write down every random number they are given: what the fused loop draws.

The environment's observation holds the keys of its last reset and of its last step, byte by byte, so the replay holds
every key that was ever used. The learner's parameters are a log of the batches and the noise that it was given.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlpair.algos.learner_jax import Learner, LearnerState
from rlpair.types import EnvSpec, Transition, UpdateInfo

PROBE_DISCRETE = EnvSpec((17,), "uint8", True, 5, action_start=-2)
PROBE_BOX = EnvSpec((17,), "uint8", False, 2, (-1.0, 10.0), (3.0, 30.0))


class ProbeState(NamedTuple):
    """All that has happened to an episode."""

    reset: jax.Array  # (8,) uint8, the key that began it
    step: jax.Array  # (8,) uint8, the key of its last step; zeros before the first
    steps: jax.Array  # () uint8


class ProbeEnv:
    """Never terminal; truncated after ``time_limit`` steps. A step pays a number made of its key, or of its reset's."""

    def __init__(self, spec: EnvSpec = PROBE_DISCRETE, time_limit: int | None = 4, pays: str = "step") -> None:
        self.spec, self.time_limit, self.pays = spec, time_limit, pays

    def initial(self, key: jax.Array) -> ProbeState:
        return ProbeState(key_bytes(key), jnp.zeros(8, jnp.uint8), jnp.zeros((), jnp.uint8))

    def transition(self, state: ProbeState, action: jax.Array, key: jax.Array) -> ProbeState:
        return ProbeState(state.reset, key_bytes(key), state.steps + jnp.uint8(1))

    def observation(self, state: ProbeState) -> jax.Array:
        return jnp.concatenate([state.reset, state.step, state.steps[None]])

    def reward(self, state: ProbeState, action: jax.Array, next_state: ProbeState) -> jax.Array:
        low, middle, high = getattr(next_state, self.pays)[:3].astype(jnp.float32)
        return low + 2**8 * middle + 2**16 * high  # exact in float32

    def terminal(self, state: ProbeState) -> jax.Array:
        return jnp.zeros((), bool)


class Log(NamedTuple):
    """What the learner was given, update by update. U of all updates of the run."""

    batch: jax.Array  # (U, B, 8) uint8: the keys of the steps that it was handed, which name them
    noise: jax.Array  # (U, B, 3) uint32: a random number, and the key that it was drawn by


def probe_learner(batch_size: int, num_updates: int, action: Any) -> Learner:
    """Acts as ``action(obs, key, env_steps)`` says; learns nothing and writes down what it is given."""

    def init(params: Any, hyper: Any) -> LearnerState:
        shape = num_updates, batch_size
        log = Log(jnp.zeros((*shape, 8), jnp.uint8), jnp.zeros((*shape, 3), jnp.uint32))
        return LearnerState({"log": log}, {}, {}, {}, (), jnp.zeros((), jnp.int32))

    def act(state: LearnerState, obs: jax.Array, key: jax.Array, env_steps: jax.Array) -> jax.Array:
        return action(obs, key, env_steps)

    def act_noise(key: jax.Array, n: int) -> jax.Array:
        return key

    def greedy(state: LearnerState, obs: jax.Array) -> jax.Array:
        return jnp.zeros(len(obs), jnp.int32)

    def sample_noise(key: jax.Array, leading_shape: tuple[int, ...]) -> jax.Array:
        its_key = jnp.broadcast_to(jax.random.key_data(key), (*leading_shape, 2))
        return jnp.concatenate([jax.random.bits(key, (*leading_shape, 1), jnp.uint32), its_key], -1)

    def update(state: LearnerState, batch: Transition, noise: jax.Array) -> tuple[LearnerState, UpdateInfo]:
        log, number = state.params["log"], state.num_updates
        log = Log(log.batch.at[number].set(batch.next_obs[:, 8:16]), log.noise.at[number].set(noise))
        info = UpdateInfo({"loss/number": number.astype(jnp.float32)}, jnp.zeros(len(batch.reward)))
        return state._replace(params={"log": log}, num_updates=number + 1), info

    return Learner(init, act, act_noise, greedy, sample_noise, update)


def key_bytes(key: jax.Array) -> jax.Array:
    """(8,) uint8 of a threefry key."""
    return jax.lax.bitcast_convert_type(jax.random.key_data(key), jnp.uint8).reshape(-1)


def words(data: Any) -> np.ndarray:
    """Keys (..., 8) uint8 -> (...,) uint64, one number each."""
    return np.ascontiguousarray(data).view(np.uint64)[..., 0]
