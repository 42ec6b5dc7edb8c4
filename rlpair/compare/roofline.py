"""How much arithmetic an update is, and how fast it could be at best: what a speed is measured against."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rlpair.algos.registry import find
from rlpair.types import EnvSpec

SIZE = 512  # rows of the square matrices whose product is timed
ROUNDS = 30


def update_flop(config: Any, spec: EnvSpec) -> float:
    """Return the floating-point operations of the networks in one gradient update; the rest of it is left out."""
    algorithm = find(config.name)
    return float(algorithm.update_flop(config, algorithm.networks(config, spec)))


def product_rate(product: Callable[[], Any]) -> float:
    """Measure the FLOP/s of a product of SIZE x SIZE float32 matrices: the best of some."""
    product()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(seconds)


def numpy_product() -> Callable[[], Any]:
    """Multiply two of these matrices on the host."""
    a = np.ones((SIZE, SIZE), np.float32)
    return lambda: a @ a
