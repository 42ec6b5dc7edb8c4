"""Many seeds as a few numbers: interquartile mean with its bootstrap interval (Agarwal et al. 2021, section 4)."""

import numpy as np

from rlpair.seeding import stream

RESAMPLES = 2_000


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """The mean of the middle half of (..., S): a quarter, rounded down, is cut off at each side. (...)."""
    cut = scores.shape[-1] // 4
    return np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def bootstrap_interval(scores: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the interquartile mean of (S,): of the seeds resampled, percentiles 2.5 and 97.5."""
    resampled = stream(0, "bootstrap").choice(scores, (RESAMPLES, len(scores)))
    low, high = np.percentile(interquartile_mean(resampled), (2.5, 97.5))
    return float(low), float(high)
