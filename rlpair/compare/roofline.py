"""How much arithmetic an update is, and how fast it could be at best: what a speed is measured against."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from rlpair.types import EnvSpec

SIZE = 512  # rows of the square matrices whose product is timed
ROUNDS = 30


def update_flop(config: Any, spec: EnvSpec) -> float:
    """Floating-point operations of the dense layers in one gradient update, two for a multiplication and its addition.

    A net that is trained costs its forward pass, as much again for the weights' gradients, and the same without the
    first layer for those of what is between the layers. The rest of an update is left out.
    """
    obs = int(np.prod(spec.obs_shape))

    def forward(inputs: int, outputs: int) -> float:
        return 2.0 * config.batch_size * sum(a * b for a, b in pairwise((inputs, *config.net_arch, outputs)))

    def trained(inputs: int, outputs: int) -> float:
        return 3 * forward(inputs, outputs) - 2 * config.batch_size * inputs * config.net_arch[0]

    if config.name == "dqn":
        return trained(obs, spec.action_dim) + (2 if config.double_q else 1) * forward(obs, spec.action_dim)
    critic, actor = (obs + spec.action_dim, 1), (obs, 2 * spec.action_dim)
    through = 2 * forward(*critic)  # the actor's loss, to the actions and not to the weights
    return config.n_critics * (trained(*critic) + forward(*critic) + through) + trained(*actor) + forward(*actor)


def product_rate(product: Callable[[], Any]) -> float:
    """Floating-point operations per second of a product of SIZE x SIZE float32 matrices; the best of some."""
    product()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(seconds)


def numpy_product() -> Callable[[], Any]:
    """One on the host."""
    a = np.ones((SIZE, SIZE), np.float32)
    return lambda: a @ a
