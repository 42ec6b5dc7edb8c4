"""What is said of scores (Agarwal et al. 2021), and whether two sets of them are equal (Schuirmann 1987, Yuen 1974).

A score is the mean return of one seed's greedy episodes. ``rows`` are scores by task: (..., S) each, where a bootstrap
puts its resamples in front.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlpair.aggregate import interquartile_mean

MARGIN = 0.05  # of the interquartile mean of both: what is nearer than that counts as equal
LEVEL = 0.05  # of each of the two tests, and of that for a difference
FEWEST = 3  # seeds of each: of fewer not even their order can be unlikely enough, 1 / (4 over 2) > LEVEL
FEWEST_ALIKE = 10  # seeds without any spread that a verdict can stand on: see verdict
NODES, WEIGHTS = np.polynomial.legendre.leggauss(100)
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
    interquartile mean of both together. A middle half without any spread has no error that t could be in units of, and
    N seeds that all succeed are no proof that each would: if a share f of them fails, N succeed with probability
    (1 - f)^N, and where a failure costs all of the return, f = 0.275 lowers the interquartile mean by MARGIN. Since
    0.725^10 = 0.04, ten seeds are asked for there.
    """
    seeds = (len(x), len(y))
    unknown = Verdict("unknown", math.nan, math.nan, seeds)
    if min(seeds) < FEWEST:
        return unknown
    (centre, variance, freedom), (other, other_variance, other_freedom) = trimmed(x), trimmed(y)
    if 0.0 in (variance, other_variance) and min(seeds) < FEWEST_ALIKE:
        return unknown
    margin, gap = MARGIN * abs(float(pooled_iqm([x, y]))), abs(centre - other)
    total = variance + other_variance
    if total == 0.0:
        p_equal, p_different = (0.0, 1.0) if gap <= margin else (1.0, 0.0)
    else:
        degrees = total**2 / (variance**2 / freedom + other_variance**2 / other_freedom)  # Welch's
        p_equal = student_tail((margin - gap) / math.sqrt(total), degrees)
        p_different = student_tail((gap - margin) / math.sqrt(total), degrees)
    kind = "equal" if p_equal <= LEVEL else "different" if p_different <= LEVEL else "unknown"
    return Verdict(kind, p_equal, p_different, seeds)


def trimmed(scores: np.ndarray) -> tuple[float, float, int]:
    """Return the interquartile mean of (S,), the square of its standard error, and its degrees of freedom (Yuen)."""
    count = len(scores)
    cut = count // 4
    kept, ordered = count - 2 * cut, np.sort(scores)
    winsorized = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    alike = winsorized[0] == winsorized[-1]  # whose variance is 0, whatever rounding makes of it
    variance = 0.0 if alike else (count - 1) * float(winsorized.var(ddof=1)) / (kept * (kept - 1))
    return float(interquartile_mean(scores)), variance, kept - 1


def student_tail(t: float, degrees: float) -> float:
    """Return P(T > t) of Student's distribution.

    With T = sqrt(degrees) tan(a) its density is that of cos(a)^(degrees - 1), which is summed by Gauss and Legendre.
    """
    if t < 0:
        return 1.0 - student_tail(-t, degrees)
    begin, end = math.atan(t / math.sqrt(degrees)), math.pi / 2
    angles = begin + (end - begin) * (NODES + 1) / 2
    area = float(WEIGHTS @ np.cos(angles) ** (degrees - 1)) * (end - begin) / 2
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi) / 2
    return area * math.exp(log_scale)
