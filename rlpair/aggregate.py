"""Many returns as a few numbers: means and their bootstrap intervals (Agarwal et al. 2021, section 4)."""

from collections.abc import Callable, Sequence

import numpy as np

from rlpair.seeding import stream


def mean(scores: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, (..., S) -> (...)."""
    return np.asarray(scores.mean(axis=-1))


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half of (..., S), as (...): a quarter, rounded down, is cut off at each side."""
    cut = scores.shape[-1] // 4
    return mean(np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut])


def bootstrap_interval(
    scores: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], resamples: int
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of (S,): percentiles 2.5 and 97.5 of those of resampled scores.

    It asks for no normality, which returns at their ceiling do not have.
    """
    low, high = stratified_interval([scores], lambda rows: statistic(rows[0]), resamples)
    return float(low), float(high)


def stratified_interval(
    rows: Sequence[np.ndarray], statistic: Callable[[Sequence[np.ndarray]], np.ndarray], resamples: int
) -> np.ndarray:
    """Return the 95 % interval of a statistic of several samples, (S,) each: every one is resampled by itself.

    Returns (2, ...), the lower and the upper end of each number that the statistic has.
    """
    rng = stream(0, "bootstrap")
    resampled = [rng.choice(scores, (resamples, len(scores))) for scores in rows]
    return np.asarray(np.percentile(statistic(resampled), (2.5, 97.5), axis=0))
