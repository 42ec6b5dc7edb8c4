"""What ``rlpair.compare`` found out about a variant, and how the variants of a workload relate."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from rlpair.compare.checks import CHECKS
from rlpair.compare.variant import Variant

STEADY = 1.5  # the fastest turn over the slowest: beyond this a variant is measured again, and marked
RATE = "env_steps_per_second"


class Result(NamedTuple):
    """What was measured of a variant."""

    variant: Variant
    cores: int
    process: Any  # which measures it, as long as it lives
    repeats: list[dict[str, float | None]]  # those that count; as many in every result of a workload, turn by turn
    greedy_return: float | None  # of the learning check
    compile_seconds: float  # until it stands and has acted and learned once
    settings: str  # of its process, as it told them
    set_aside: list[dict[str, float | None]]  # earlier repeats, while a variant of the workload was unsteady

    @property
    def sound(self) -> bool:
        """Whether it learns, as far as that is known of its environment."""
        return self.greedy_return is None or self.greedy_return >= CHECKS[self.variant.env].least

    @property
    def unchecked(self) -> bool:
        """Whether there was no time for its learning check."""
        return self.greedy_return is None and self.variant.env in CHECKS

    def values(self, key: str) -> list[float]:
        """Return a value of every repeat; [] where this variant has none."""
        return [value for repeat in self.repeats if (value := repeat.get(key)) is not None]

    def median(self, key: str) -> float:
        """Return the median of a value over the repeats."""
        return statistics.median(self.values(key))

    @property
    def rate(self) -> float:
        """Env steps per second of the loop."""
        return self.median(RATE)

    @property
    def spread(self) -> float:
        """The fastest repeat over the slowest."""
        return max(self.values(RATE)) / min(self.values(RATE))

    @property
    def steady(self) -> bool:
        """Whether the repeats are near each other."""
        return self.spread <= STEADY

    def record(self) -> dict[str, Any]:
        """Return all of it, as JSON holds it."""
        summary = {"cores": self.cores, "settings": self.settings, "compile_seconds": self.compile_seconds}
        rest = {"sound": self.sound, "greedy_return": self.greedy_return, "spread": self.spread, "steady": self.steady}
        rest["unchecked"] = self.unchecked
        repeats = {"repeats": self.repeats, "set_aside": self.set_aside}
        return {**self.variant._asdict(), "name": self.variant.name, **summary, **rest, **repeats}


def ratios(result: Result, other: Result) -> list[float]:
    """Return how many times as fast it was as the other in each turn, when both met the same machine."""
    return [a / b for a, b in zip(result.values(RATE), other.values(RATE), strict=True)]


def overlap(result: Result, other: Result) -> bool:
    """Return whether the ranges of two rates overlap, so that it is open which is the faster."""
    ours, theirs = result.values(RATE), other.values(RATE)
    return min(ours) <= max(theirs) and min(theirs) <= max(ours)


def by_workload(results: Sequence[Result]) -> dict[tuple[Any, ...], list[Result]]:
    """Group results by workload, in their order."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(result.variant.workload, []).append(result)
    return groups


def peak(result: Result, results: Sequence[Result]) -> float:
    """Return the rate, in FLOP/s, of the fastest matrix product that any process had on as many cores of the device."""
    alike = [r for r in results if (r.cores, r.variant.device) == (result.cores, result.variant.device)]
    return max(max(r.values("peak_flop_per_second")) for r in alike)


def share_of_peak(result: Result, results: Sequence[Result]) -> float:
    """Return the update's FLOP/s as a share of the peak: the roofline."""
    return result.median("flop_per_second") / peak(result, results)


def title(variant: Variant) -> str:
    """Return the heading of a workload."""
    num_envs, every = variant.num_envs, variant.config.train_freq
    envs = "1 environment" if num_envs == 1 else f"{num_envs} environments"
    if every > 1:
        envs += f", an update every {every} steps"
    elif num_envs > 1:
        envs += f", {num_envs} updates a vector step"
    what = f"{envs}, batch {variant.batch_size}, {variant.network}, {variant.device}"
    return f"{variant.algo.upper()}, {variant.env}, {what}"
