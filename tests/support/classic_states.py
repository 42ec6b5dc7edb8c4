"""States of the classic control tasks in which a step is tried: usual ones, and those at which something switches."""

import math
from typing import NamedTuple

import numpy as np

TRIALS = 600  # states from which a step is compared
PI = math.pi


class Ranges(NamedTuple):
    """Where states are tried: each coordinate's usual bound, and values at which something switches."""

    bound: tuple[float, ...]
    extremes: tuple[tuple[float, ...], ...]


RANGES = {
    "CartPole-v1": Ranges(
        (2.4, 3.0, 0.21, 3.0),
        ((-2.4, 2.4, 9.0, 0.0), (-60.0, 60.0, 0.0), (-0.20943951023931953, 0.20943951023931953, 3.0), (-80.0, 80.0)),
    ),
    "Pendulum-v1": Ranges((4.0, 8.0), ((-PI, PI, 0.0, 3 * PI, -300.0, 1e4), (-8.0, 8.0, 0.0, 7.99))),
    "Acrobot-v1": Ranges((PI, PI, 12.0, 28.0), ((-PI, PI, 0.0), (-PI, PI, 9.5), (-4 * PI, 4 * PI), (-9 * PI, 9 * PI))),
    "MountainCar-v0": Ranges((1.2, 0.07), ((-1.2, 0.6, 0.5, 0.45, -1.15), (-0.07, 0.07, 0.0))),
    "MountainCarContinuous-v0": Ranges((1.2, 0.07), ((-1.2, 0.6, 0.45, 0.449, -1.15), (-0.07, 0.07, 0.0))),
}


def states_of(env_id: str) -> np.ndarray:
    """(TRIALS, S) float64: half of them with some coordinates at an extreme. The cars' stay within their bounds."""
    rng, ranges = np.random.default_rng(1), RANGES[env_id]
    states = rng.uniform(-1, 1, (TRIALS, len(ranges.bound))) * ranges.bound
    for column, extremes in enumerate(ranges.extremes):
        rows = rng.choice(TRIALS // 2, TRIALS // 3, replace=False)
        states[rows, column] = rng.choice(extremes, len(rows))
    if env_id.startswith("MountainCar"):
        states[:, 0] = np.minimum(states[:, 0], 0.6)
    return states
