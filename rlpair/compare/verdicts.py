"""The sentences of ``rlpair.compare``: what won, by how much, what cannot be told, and what limits each."""

from collections.abc import Sequence

from rlpair.compare.result import Result, by_workload, overlap, ratios, share_of_peak, title

PARTS = {"env_us": "environment", "act_us": "acting", "sample_us": "sampling", "transfer_us": "transfer"}
# An update is said to be limited by products from this share of their peak on, or if it takes longer than a thousand
# dispatches would; what it has beside them is small then, and the peak is that of larger matrices.
PRODUCT_BOUND, SMALL_UPDATE = 0.4, 1_000  # microseconds


def verdicts(results: Sequence[Result]) -> list[str]:
    """Return a verdict in plain words for each workload."""
    return [verdict(group, results) for group in by_workload(results).values()]


def verdict(group: Sequence[Result], results: Sequence[Result]) -> str:
    """Say what won, by how much, what limits each, what many seeds sum up to. ``results``: of all workloads."""
    single = [r for r in group if r.variant.num_seeds == 1]
    ranked = sorted(single or group, key=lambda r: r.rate, reverse=True)
    sentences = [*standing(ranked), *unsteady(group)]
    if unchecked := ", ".join(r.variant.name for r in group if r.unchecked):
        sentences.append(f"There was no time to check that these learn: {unchecked}.")
    sentences += [f"{r.variant.name} is limited by {limit(r, results)}." for r in ranked]
    for many in (r for r in group if r.variant.num_seeds > 1):
        sentences.append(
            f"{many.variant.num_seeds} seeds on {many.cores} cores sum up to {many.rate:,.0f} env steps/s."
        )
    return f"{title(group[0].variant)}: {' '.join(sentences)}"


def standing(ranked: Sequence[Result]) -> list[str]:
    """Say which is the fastest, or which cannot be told from it, and how many times as fast it is as the others."""
    best, *others = ranked
    near = [r for r in others if overlap(best, r)]
    far = ", ".join(f"{times(best, r)} {r.variant.name}" for r in others if r not in near)
    speed = f"{best.variant.name} is the fastest with {best.rate:,.0f} env steps/s"
    turns = len(best.repeats)
    if turns == 1:
        return [speed + (f", {far}" if far else "") + "; each was measured once, which says nothing of its spread."]
    if not near:
        return [speed + (f", {far} (lowest to highest of {turns} turns)" if far else "") + "."]
    rates = ", ".join(f"{r.variant.name} {r.rate:,.0f}" for r in (best, *near))
    says = [f"the fastest cannot be told apart: {rates} env steps/s, and their ranges over {turns} turns overlap."]
    return says + ([f"{best.variant.name} is {far} (lowest to highest of {turns} turns)."] if far else [])


def times(result: Result, other: Result) -> str:
    """Write a ratio of medians with the range of the ratios within a turn: 2.01 (1.95 to 2.10) times."""
    each = ratios(result, other)
    ratio = f"{result.rate / other.rate:.2f}"
    return f"{ratio} times" if len(each) == 1 else f"{ratio} ({min(each):.2f} to {max(each):.2f}) times"


def unsteady(group: Sequence[Result]) -> list[str]:
    """Say of each variant whose repeats are far apart that they are."""
    return [
        f"{r.variant.name} is unsteady: its fastest turn is {r.spread:.1f} times its slowest"
        + (f", also after {len(r.set_aside)} more turns." if r.set_aside else ".")
        for r in group
        if not r.steady
    ]


def limit(result: Result, results: Sequence[Result]) -> str:
    """Say what takes the most of its time."""
    share, envs = share_of_peak(result, results), result.variant.num_envs
    every = result.variant.config.train_freq
    steps = {"env_us": envs, "act_us": envs, "sample_us": envs * every, "transfer_us": every}  # that each is of
    if result.values("update_us"):
        update = result.median("update_us") / every
    else:
        update = 1e6 * result.variant.num_seeds / result.rate
    times = {name: result.median(key) / steps[key] for key, name in PARTS.items() if result.values(key)}
    whole = update + sum(times.values())
    if times and (most := max(times, key=lambda name: times[name])) and times[most] > update:
        return f"{most} ({times[most] / whole:.0%} of a step)"
    if share < PRODUCT_BOUND and update * every < SMALL_UPDATE:
        kind = "dispatch" if times else "small operations"
        return f"{kind} (the update, {update / whole:.0%} of a step, is at {share:.0%} of the matrix-product peak)"
    return f"matrix products (the update, {update / whole:.0%} of a step, is at {share:.0%} of their peak)"
