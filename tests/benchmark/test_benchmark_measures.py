"""The statistics of the benchmark: against numbers that rliable and scipy gave, and against both where they are."""

import importlib
import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from rlpair.aggregate import stratified_interval
from rlpair.benchmark.measures import improvement, of_failures, pooled_iqm, profile, verdict

# Three tasks, six seeds each; the first seeds of the first task tie.
X = [[1.09, 0.84, 0.57, 1.63, 1.06, 1.42], [-0.07, 0.66, 0.91, 0.76, 0.51, 0.67], [2.08, 2.16, 1.88, 1.89, 2.07, 2.33]]
Y = [[1.09, 0.43, 1.33, 0.66, 1.12, 1.03], [0.51, 0.7, 0.29, 0.39, 0.24, 0.77], [1.19, 2.08, 1.83, 0.89, 1.77, 1.27]]
ROWS, OTHERS = [np.array(row) for row in X], [np.array(row) for row in Y]
THRESHOLDS = np.array([0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
SHARES = np.array([17, 17, 13, 10, 7, 4]) / 18  # of X above them


def test_what_rliable_says_of_the_same_scores() -> None:
    assert float(pooled_iqm(ROWS)) == pytest.approx(1.215, abs=1e-12)
    assert float(pooled_iqm(OTHERS)) == pytest.approx(0.923, abs=1e-12)
    assert float(improvement(ROWS, OTHERS)) == pytest.approx(0.7083333333333334, abs=1e-12)
    np.testing.assert_allclose(profile(ROWS, THRESHOLDS), SHARES, atol=1e-12)


def test_the_intervals_that_rliable_gave() -> None:
    """With 50,000 and 20,000 resamples (rliable 1.2.0, arch 7.2.0); a percentile of 20,000 is 0.01 off at the most."""
    interval = stratified_interval(ROWS, pooled_iqm, 20_000)
    np.testing.assert_allclose(interval, [1.055, 1.383], atol=0.01)
    interval = stratified_interval([*ROWS, *OTHERS], lambda rows: improvement(rows[:3], rows[3:]), 20_000)
    np.testing.assert_allclose(interval, [0.53240741, 0.875], atol=0.01)
    low, high = stratified_interval(ROWS, lambda rows: profile(rows, THRESHOLDS), 20_000)
    np.testing.assert_allclose(low, np.array([15, 15, 10, 8, 6, 2]) / 18, atol=1e-9)
    np.testing.assert_allclose(high, np.array([18, 18, 16, 12, 9, 6]) / 18, atol=1e-9)


def test_what_rliable_says_here() -> None:
    pytest.importorskip("rliable", reason="not installed: pip install rliable 'pandas<3'")
    metrics = importlib.import_module("rliable.metrics")
    rng = np.random.default_rng(1)
    for seeds in range(1, 12):
        x, y = (rng.normal(size=(seeds, 4)).round(1) for _ in range(2))
        assert float(pooled_iqm(list(x.T))) == pytest.approx(metrics.aggregate_iqm(x), abs=1e-12)
        assert float(improvement(list(x.T), list(y.T))) == pytest.approx(
            metrics.probability_of_improvement(x, y), abs=1e-12
        )


def test_tasks_are_resampled_by_themselves() -> None:
    """Two tasks far apart, no spread in either: an interval without width, where pooled seeds would have one."""
    rows = [np.zeros(5), np.full(5, 100.0)]
    np.testing.assert_array_equal(stratified_interval(rows, pooled_iqm, 1_000), [50.0, 50.0])


def test_a_tie_is_half_a_win_and_pairs_are_of_one_task() -> None:
    assert float(improvement([np.array([1.0, 2.0])], [np.array([1.0, 3.0])])) == 0.375  # (.5 + 0 + 1 + 0) / 4
    assert float(improvement([np.array([1.0]), np.array([9.0])], [np.array([0.0]), np.array([10.0])])) == 0.5


def test_two_one_sided_tests_have_the_larger_p_of_both_unless_failures_have_a_larger_one() -> None:
    rng = np.random.default_rng(2)
    for size, other in ((3, 5), (3, 3), (4, 7), (10, 10), (11, 9), (40, 8)):
        x, y = rng.normal(100.0, 3.0, size), rng.normal(101.0, 5.0, other)
        found, margin = verdict(x, y), 0.05 * float(pooled_iqm([x, y]))
        options = {"equal_var": False, "trim": 0.25}
        above = ttest_ind(x + margin, y, alternative="greater", **options).pvalue
        below = ttest_ind(x - margin, y, alternative="less", **options).pvalue
        assert found.p_equal == pytest.approx(max(above, below, of_failures(x), of_failures(y)), abs=1e-9)
        assert found.p_different == pytest.approx(1 - max(above, below), abs=1e-9)


def test_failures_are_held_against_a_share_of_0_275_of_seeds_that_fail() -> None:
    """Two of ten by hand: .725^10 + 10 * .275 * .725^9 + 45 * .275^2 * .725^8 = .0401 + .1522 + .2598."""
    assert of_failures(np.full(10, 500.0)) == pytest.approx(0.0401, abs=1e-4)
    assert of_failures(np.array([500.0] * 8 + [20, 20])) == pytest.approx(0.4521, abs=1e-4)
    assert of_failures(np.array([-100.0] * 9 + [-110.1])) == pytest.approx(0.1923, abs=1e-4)  # a tenth away is one
    assert of_failures(np.array([-100.0] * 9 + [-109.9])) == pytest.approx(0.0401, abs=1e-4)


def test_verdicts() -> None:
    """With p as scipy.stats.ttest_ind(trim=0.25) and scipy.stats.binom have it."""
    near, spread = np.array([100.0, 101.0, 99.0, 100.5, 99.5] * 2), np.array([60.0, 140.0, 100.0, 90.0, 110.0])
    assert str(verdict(near, near + 1)) == "equal within ±5% (p = 0.04)"
    assert str(verdict(near, near + 4.7)) == "cannot be told with 10 seeds"
    assert str(verdict(near[:5], near[:5] + 20)) == "more than 5% apart (p = 7.5e-06)"
    assert str(verdict(-near, -near - 1)) == "equal within ±5% (p = 0.04)"
    assert str(verdict(near[:5], near[:5] + 1)) == "cannot be told with 5 seeds"
    assert str(verdict(near[:5], spread)) == "cannot be told with 5 seeds"
    assert str(verdict(near[:2], near + 50)) == "cannot be told with 2 and 10 seeds"
    assert str(verdict(near[:1], near[:1])) == "cannot be told with 1 seed"


@pytest.mark.parametrize(("seeds", "kind"), [(3, "unknown"), (9, "unknown"), (10, "equal")])
def test_seeds_without_spread_are_no_proof_until_they_are_ten(seeds: int, kind: str) -> None:
    assert verdict(np.full(seeds, 500.0), np.full(seeds, 500.0)).kind == kind
    assert verdict(np.full(seeds, 500.0), np.full(seeds, 500.0) + np.arange(seeds) / 10).kind == kind


def test_ten_seeds_without_spread_that_are_apart_are_different_and_nine_may_be_so_by_luck() -> None:
    found = verdict(np.full(10, 500.0), np.full(10, 400.0))
    assert (found.kind, found.p_equal) == ("different", 1.0)
    assert found.p_different == pytest.approx(0.0401, abs=1e-4)
    assert verdict(np.full(9, 500.0), np.full(9, 400.0)).kind == "unknown"
    assert verdict(np.full(9, 500.0), np.linspace(380.0, 420.0, 9)).kind == "unknown"


@pytest.mark.parametrize("seeds", [10, 20])
@pytest.mark.parametrize(("noise", "share"), [(1e-9, 0.275), (1.0, 0.275), (3.0, 0.275), (1e-9, 0.0)])
def test_a_twin_that_fails_too_often_is_found_equal_at_most_one_time_in_twenty(
    seeds: int, noise: float, share: float
) -> None:
    """Where 27.5 % of one twin's seeds get nothing, its interquartile mean is 95 of the other's 100: of 1,000
    experiments at most 5 % (p < 1e-4: 78). Where none fails, all are found equal.
    """
    rng, equal = np.random.default_rng(5), 0
    for _ in range(1_000):
        x, y = rng.normal(100.0, noise, (2, seeds))
        equal += verdict(np.where(rng.random(seeds) < share, 0.0, x), y).kind == "equal"
    assert equal <= 78 if share else equal == 1_000


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
def test_equality_is_claimed_wrongly_at_most_one_time_in_twenty(seeds: int) -> None:
    """Twins that are exactly 5 % apart: of 1,000 experiments at most 5 % (p < 1e-4: 78) may find them equal."""
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(1_000):
        x, y = rng.normal(97.5, 2.0, seeds), rng.normal(102.5, 2.0, seeds)
        wrong += verdict(x, y).kind == "equal"
    assert wrong <= 78


def test_power() -> None:
    """Equal twins with a spread of 3 % are found equal by ten seeds nearly always, by nine never."""
    rng = np.random.default_rng(4)
    found = {n: sum(verdict(*rng.normal(100.0, 3.0, (2, n))).kind == "equal" for _ in range(300)) for n in (9, 10)}
    assert found[10] >= 240
    assert found[9] == 0


def test_nothing_is_said_without_numbers() -> None:
    found = verdict(np.array([1.0]), np.array([1.0, 2.0]))
    assert found.kind == "unknown"
    assert math.isnan(found.p_equal)
