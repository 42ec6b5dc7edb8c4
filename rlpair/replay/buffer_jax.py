"""The replay of the fused loop: a storage times a sampler, as values."""

from typing import NamedTuple

from rlpair.replay.frames import has_frames
from rlpair.replay.frames_jax import FRAMES
from rlpair.replay.samplers_jax import UNIFORM, Sampler
from rlpair.replay.storage_jax import RING, Storage
from rlpair.types import EnvSpec


class Replay(NamedTuple):
    """What a fused loop learns from; storage and sampler of one's own go in the place of these."""

    storage: Storage = RING
    sampler: Sampler = UNIFORM


UNIFORM_RING = Replay()


def default_replay(spec: EnvSpec) -> Replay:
    """Choose a replay: images are kept frame by frame, all else transition by transition."""
    return Replay(FRAMES) if has_frames(spec) else UNIFORM_RING
