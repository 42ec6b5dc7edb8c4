"""What is said of scores (Agarwal et al. 2021), and whether two sets of them are equal (Schuirmann 1987, Yuen 1974).

A score is the mean return of one seed's greedy episodes. ``rows`` are scores by task: (..., S) each, where a bootstrap
puts its resamples in front.
"""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlpair.aggregate import interquartile_mean

MARGIN = 0.05  # of the interquartile mean of both: what is nearer than that counts as equal
LEVEL = 0.05  # of each of the two tests, and of that for a difference
FEWEST = 3  # seeds of each: of fewer not even their order can be unlikely enough, 1 / (4 over 2) > LEVEL
FAILED = 2 * MARGIN  # of the interquartile mean: a seed that is further from it has failed
FAILING = 0.25 + MARGIN / 2  # the share of failures, 0.275, that lowers an interquartile mean by MARGIN, if they get 0
Rows = Sequence[np.ndarray]


def pooled_iqm(rows: Rows) -> np.ndarray:
    """Return the interquartile mean over all seeds of all tasks, (...)."""
    return interquartile_mean(np.concatenate(rows, axis=-1))


def improvement(rows: Rows, others: Rows) -> np.ndarray:
    """Return the probability that a seed of ``rows`` scores higher than one of ``others``, mean over tasks, (...).

    A tie counts half: Mann and Whitney's U over the number of pairs.
    """
    pairs = [(x[..., :, None], y[..., None, :]) for x, y in zip(rows, others, strict=True)]
    wins = [((x > y) + 0.5 * (x == y)).mean(axis=(-2, -1)) for x, y in pairs]
    return np.asarray(np.mean(wins, axis=0))


def profile(rows: Rows, thresholds: np.ndarray) -> np.ndarray:
    """Return the performance profile: the share of all seeds of all tasks above each threshold, (..., T)."""
    return np.asarray((np.concatenate(rows, axis=-1)[..., None, :] > thresholds[:, None]).mean(axis=-1))


class Verdict(NamedTuple):
    """Whether two backends' interquartile means are equal."""

    kind: str  # equal, different, unknown
    p_equal: float  # of two one-sided tests that they are MARGIN apart or more; NaN where there can be none
    p_different: float  # of a test that they are MARGIN apart or less
    seeds: tuple[int, int]

    def __str__(self) -> str:
        if self.kind == "equal":
            return f"equal within ±{MARGIN:.0%} (p = {self.p_equal:.2g})"
        if self.kind == "different":
            return f"more than {MARGIN:.0%} apart (p = {self.p_different:.2g})"
        count = f"{self.seeds[0]}" if self.seeds[0] == self.seeds[1] else f"{self.seeds[0]} and {self.seeds[1]}"
        return f"cannot be told with {count} seed{'s' * (max(self.seeds) > 1)}"


def verdict(x: np.ndarray, y: np.ndarray) -> Verdict:
    """Say whether the interquartile means of two backends' scores, (S,) each, are equal.

    They are trimmed means, which Yuen's t test compares: once against -MARGIN and once against +MARGIN of the
    interquartile mean of both together. That test knows of the middle half alone: where seeds either succeed or fail,
    it may see nothing but successes. So "equal" asks of each twin that its failures are too few as well (of_failures),
    and so does "different" of a middle half without any spread, which has no error that t could be in units of.
    """
    seeds = (len(x), len(y))
    if min(seeds) < FEWEST:
        return Verdict("unknown", math.nan, math.nan, seeds)
    flat = [np.ptp(middle(scores)) == 0 for scores in (x, y)]
    upper, lower = sorted((x, y), key=interquartile_mean, reverse=True)
    margin = MARGIN * abs(float(pooled_iqm([x, y])))
    if all(flat):
        p_apart = float(interquartile_mean(upper) - interquartile_mean(lower) > margin)
    else:  # the other of the two, that the upper one is not MARGIN below, has a smaller p
        p_apart = yuen(upper - margin, lower)
    luck = max(of_failures(x), of_failures(y))
    p_equal, p_different = max(p_apart, luck), max(1.0 - p_apart, luck if any(flat) else 0.0)
    kind = "equal" if p_equal <= LEVEL else "different" if p_different <= LEVEL else "unknown"
    return Verdict(kind, p_equal, p_different, seeds)


def of_failures(scores: np.ndarray) -> float:
    """Return the p of a test that a share of FAILING or more fails, by how many of (S,) are FAILED away from the rest.

    N seeds that all succeed are no proof that each would: if a share f fails, at most k of N do with a probability that
    the binomial distribution says. Ten seeds without a failure are enough, 0.725^10 = 0.04, or 16 with one.
    """
    from scipy.stats import binom

    centre = float(interquartile_mean(scores))
    failures = np.sum(np.abs(scores - centre) > FAILED * abs(centre))
    return float(binom.cdf(failures, len(scores), FAILING))


def middle(scores: np.ndarray) -> np.ndarray:
    """Return those that an interquartile mean is of, in order: (S,) without a quarter at each end."""
    cut = len(scores) // 4
    return np.sort(scores)[cut : len(scores) - cut]


def yuen(x: np.ndarray, y: np.ndarray) -> float:
    """Return the p of Yuen's test that the interquartile mean of (S,) is below that of another, (T,)."""
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)  # of one without any spread
        return float(ttest_ind(x, y, equal_var=False, trim=0.25, alternative="less").pvalue)
