"""The replay of the fused loop: a storage times a sampler, as values."""

from typing import NamedTuple

from rlpair.replay.samplers_jax import UNIFORM, Sampler
from rlpair.replay.storage_jax import RING, Storage


class Replay(NamedTuple):
    """What a fused loop learns from; storage and sampler of one's own go in the place of these."""

    storage: Storage = RING
    sampler: Sampler = UNIFORM


UNIFORM_RING = Replay()
