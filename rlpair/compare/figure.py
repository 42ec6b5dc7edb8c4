"""The figure of ``rlpair.compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlpair.compare.result import RATE, Result, by_workload, title
from rlpair.compare.variant import Variant
from rlpair.disk import files

COLOURS = {"torch": ("#d55e00", "#e69f00"), "jax": ("#0072b2", "#56b4e9", "#009e73")}
AXES = {"num_envs": "environments", "batch_size": "batch size", "num_seeds": "seeds"}


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw bars with their ranges, a panel for each workload's base; then curves over what was varied."""
    import matplotlib.pyplot as plt

    groups = list(by_workload(results).values())
    bases = [
        group for i, group in enumerate(groups) if group[0].variant.algo not in {g[0].variant.algo for g in groups[:i]}
    ]
    scalings = [(base, axis) for base in bases for axis in AXES if len(line_values(base[0].variant, axis, results)) > 1]
    columns = max(len(bases), len(scalings) // len(bases))
    rows = 1 + -(-len(scalings) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(5.5 * columns, 3.8 * rows), layout="constrained", squeeze=False
    )
    flat = list(panels.flat)
    for axes, base in zip(flat, bases, strict=False):
        draw_bars(axes, base)
    for axes, (base, axis) in zip(flat[columns:], scalings, strict=False):
        draw_scaling(axes, base[0].variant, axis, results)
    for axes in (*flat[len(bases) : columns], *flat[columns + len(scalings) :]):
        axes.set_axis_off()
    with files.replacing(path) as file:
        figure.savefig(file, format="png", dpi=130)
    plt.close(figure)


def draw_bars(axes: Any, group: Sequence[Result]) -> None:
    """Draw the env steps per second of each variant."""
    rates = [r.rate for r in group]
    names = [r.variant.name if r.steady else f"{r.variant.name} (unsteady)" for r in group]
    spans = [r.values(RATE) for r in group]
    errors = [
        [rate - min(s) for rate, s in zip(rates, spans, strict=True)],
        [max(s) - rate for rate, s in zip(rates, spans, strict=True)],
    ]
    axes.barh(names, rates, xerr=errors, color=[colour(r.variant) for r in group], error_kw={"linewidth": 1})
    for i, rate in enumerate(rates):
        axes.annotate(f" {rate:,.0f}", (max(spans[i]), i), va="center", fontsize=8)
    axes.margins(x=0.18)
    axes.invert_yaxis()
    axes.set(title=title(group[0].variant).replace(", batch", ",\nbatch"), xlabel="env steps per second")
    axes.title.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)


def draw_scaling(axes: Any, base: Variant, axis: str, results: Sequence[Result]) -> None:
    """Draw the env steps per second of each variant over one axis, all else as in the base."""
    for name, points in line_values(base, axis, results).items():
        xs, ys = [getattr(r.variant, axis) for r in points], [r.rate for r in points]
        axes.plot(xs, ys, marker="o", label=name, color=colour(points[0].variant))
    axes.set(xscale="log", yscale="log", xlabel=AXES[axis], ylabel="env steps per second", title=f"{base.algo.upper()}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def line_values(base: Variant, axis: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results that differ from the base in that axis alone, by variant, where there are several."""
    lines: dict[str, list[Result]] = {}
    for result in results:
        variant = result.variant
        like = variant._replace(**{axis: getattr(base, axis)})
        if like.workload == base.workload and (axis == "num_seeds" or variant.num_seeds == 1):
            name = f"{variant.backend} {variant.mode}"
            if axis != "num_seeds" or variant.mode == "seeds":
                lines.setdefault(name, []).append(result)
    return {
        name: sorted(points, key=lambda r: getattr(r.variant, axis))
        for name, points in lines.items()
        if len({getattr(r.variant, axis) for r in points}) > 1
    }


def colour(variant: Variant) -> str:
    """Return the colour of a variant, the same in every panel."""
    order = {"eager": 0, "compiled": 1, "host": 0, "fused": 1, "seeds": 2}
    return COLOURS[variant.backend][order[variant.mode]]
