"""What is searched: the keys that are given several values in Hydra's words, as Optuna's distributions."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from rlpair.algos.registry import find
from rlpair.cli.help import written
from rlpair.errors import ConfigError, first_line
from rlpair.settings.overrides import Pair, Sweep, sweep_of

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
Space = Mapping[str, Distribution]  # by dotted key
MOST_VALUES = 10_000  # of a range
WORDS = "interval(0.9,0.99), tag(log,interval(1e-4,1e-2)), int(interval(1,8)), range(1,9,2) or choice(a,b)"


def split(pairs: Sequence[Pair], algo: str) -> tuple[list[Pair], Space]:
    """Split settings of train into those that are fixed and the space of those that have several values.

    Where none has, the space is the algorithm's own, without what is fixed.

    Raises:
        ConfigError: there is nothing to search in, or a key is given twice.
    """
    keys = [key for key, _ in pairs]
    if twice := [pair for pair in pairs if keys.count(pair[0]) > 1]:
        raise ConfigError(*twice[-1], "a key is given once")
    searched = {key: text for key, text in pairs if sweep_of(key, text) is not None}
    if "env" in searched:
        raise ConfigError("env", searched["env"], "one environment: returns of several are not to be compared")
    fixed = [(key, text) for key, text in pairs if key not in searched]
    searched = searched or {key: text for key, text in find(algo).search.items() if key not in keys}
    if not searched:
        raise ConfigError("algo", algo, f"one that has keys to search left, or give a key {WORDS}")
    return fixed, {key: distribution(key, text) for key, text in searched.items()}


def distribution(key: str, text: str) -> Distribution:
    """Return what Optuna draws a key from. Raises ConfigError where there is nothing to draw."""
    try:
        return _distribution(sweep_of(key, text))
    except (ValueError, IndexError) as error:
        raise ConfigError(key, text, f"{WORDS}, with something in it ({first_line(error)})") from error


def _distribution(sweep: Sweep | None) -> Distribution:
    match sweep:
        case ChoiceSweep():
            return CategoricalDistribution([written(value) for value in sweep.list])
        case RangeSweep():
            values = list(itertools.islice(sweep.range(), MOST_VALUES))
            kind: Any = IntDistribution if all(isinstance(value, int) for value in values) else FloatDistribution
            found: Distribution = kind(values[0], values[-1], step=sweep.step)
            return found
        case IntervalSweep(start=int(low), end=int(high), tags=tags):
            return IntDistribution(low, high, log="log" in tags)
        case IntervalSweep(start=float(low), end=float(high), tags=tags):
            return FloatDistribution(low, high, log="log" in tags)
    raise ValueError("it is one value")


def as_pairs(values: Mapping[str, Any]) -> list[Pair]:
    """Return drawn values as they are written on a command line, of numbers four digits."""
    return [(key, f"{value:.4g}" if isinstance(value, float) else written(value)) for key, value in values.items()]


def corners(space: Space) -> list[list[Pair]]:
    """Return settings in which every key has each of its choices, or its least and its most, once at least."""
    ends = {key: _ends(its) for key, its in space.items()}
    longest = max(map(len, ends.values()))
    return [as_pairs({key: values[min(i, len(values) - 1)] for key, values in ends.items()}) for i in range(longest)]


def _ends(its: Distribution) -> list[Any]:
    return list(its.choices) if isinstance(its, CategoricalDistribution) else [its.low, its.high]


def point_of(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return these settings as Optuna has them: a choice as it is written, a number of an interval as it is."""
    choices = {key for key, its in space.items() if isinstance(its, CategoricalDistribution)}
    return {key: written(values[key]) if key in choices else values[key] for key in space}


def outside(space: Space, point: Mapping[str, Any]) -> list[str]:
    """Return the keys whose value there is none of the choices, or in no interval."""
    return [key for key, its in space.items() if not _has(its, point[key])]


def _has(its: Distribution, value: Any) -> bool:
    if isinstance(its, CategoricalDistribution):
        return value in its.choices
    return isinstance(value, int | float) and bool(its.low <= value <= its.high)
