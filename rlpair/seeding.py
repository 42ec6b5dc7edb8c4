"""One seed, many independent streams: each purpose has a generator of its own, equal in both backends."""

import zlib

import numpy as np


def stream(seed: int, purpose: str, *more: int) -> np.random.Generator:
    """Return the numpy generator of one purpose (``"parameters"``, ``"minibatch"``, ...), independent of all others."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *more])


def integer(seed: int, purpose: str, *more: int) -> int:
    """Return a seed in [0, 2**31) for what takes an integer: a framework's generator, an environment."""
    return int(stream(seed, purpose, *more).integers(2**31))
