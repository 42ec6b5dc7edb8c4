"""What ``rlpair.compare`` shows of its measurements: tables, a figure, TensorBoard runs, and sentences."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rlpair.cell import CHECKS, Cell
from rlpair.record import TensorBoardWriter
from rlpair.types import Record

COLOURS = {"torch": ("#d55e00", "#e69f00"), "jax": ("#0072b2", "#56b4e9", "#009e73")}
AXES = {"num_envs": "environments", "batch_size": "batch size", "num_seeds": "seeds"}
PARTS = {"env_us": "environment", "act_us": "acting", "sample_us": "sampling", "transfer_us": "transfer"}
# An update is said to be limited by products from this share of their peak on, or if it takes longer than a thousand
# dispatches would; what it has beside them is small then, and the peak is that of larger matrices.
PRODUCT_BOUND, SMALL_UPDATE = 0.4, 1_000  # microseconds


class Result(NamedTuple):
    """What was measured of a cell."""

    cell: Cell
    cores: int
    process: Any  # which measures it, as long as it lives
    repeats: list[dict[str, float | None]]
    greedy_return: float | None  # of the learning check
    compile_seconds: float  # until it stands and has acted and learned once
    settings: str  # of its process, as it told them

    @property
    def sound(self) -> bool:
        """Whether it learns, as far as that is known of its environment."""
        return self.greedy_return is None or self.greedy_return >= CHECKS[self.cell.env][1]

    def values(self, key: str) -> list[float]:
        """Of all repeats; [] where this variant has none."""
        return [value for repeat in self.repeats if (value := repeat.get(key)) is not None]

    def median(self, key: str) -> float:
        """Over the repeats."""
        return statistics.median(self.values(key))

    @property
    def rate(self) -> float:
        """Env steps per second of the loop."""
        return self.median("env_steps_per_second")

    def record(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        rest = {"sound": self.sound, "greedy_return": self.greedy_return, "repeats": self.repeats}
        told = {"cores": self.cores, "settings": self.settings, "compile_seconds": self.compile_seconds}
        return {**self.cell._asdict(), "name": self.cell.name, **told, **rest}


def by_workload(results: Sequence[Result]) -> dict[tuple[Any, ...], list[Result]]:
    """In their order."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(result.cell.workload, []).append(result)
    return groups


def peak(result: Result, results: Sequence[Result]) -> float:
    """The fastest matrix product, in FLOP/s, that any process of the run reached on as many cores of the device."""
    alike = [r for r in results if (r.cores, r.cell.device) == (result.cores, result.cell.device)]
    return max(max(r.values("peak_flop_per_second")) for r in alike)


def share_of_peak(result: Result, results: Sequence[Result]) -> float:
    """The roofline: the update's FLOP/s over that."""
    return result.median("flop_per_second") / peak(result, results)


Column = tuple[str, Callable[[Result, Sequence[Result]], str]]


def part(key: str, text: Callable[[float], str]) -> Callable[[Result, Sequence[Result]], str]:
    """The median of a value, where there is one."""
    return lambda r, _: text(r.median(key)) if r.values(key) else ""


def times_slowest(result: Result, results: Sequence[Result]) -> str:
    """How many times the rate of the slowest variant of its workload."""
    return f"{result.rate / min(r.rate for r in by_workload(results)[result.cell.workload]):.2f}"


def spread(result: Result, _: Sequence[Result]) -> str:
    """Median and extremes of the loop's rate."""
    rates = result.values("env_steps_per_second")
    return f"{result.rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


COLUMNS: tuple[Column, ...] = (
    ("", lambda r, _: r.cell.name),
    ("env steps/s (min to max)", spread),
    ("x slowest", times_slowest),
    ("env us", part("env_us", "{:.0f}".format)),
    ("act us", part("act_us", "{:.0f}".format)),
    ("samples/s", part("samples_per_second", lambda x: f"{x / 1e6:.1f}M")),
    ("update us", part("update_us", "{:,.0f}".format)),
    ("% of peak", lambda r, all_: f"{share_of_peak(r, all_):.0%}"),
    ("compile s", lambda r, _: f"{r.compile_seconds:.1f}"),
    ("MB", part("host_bytes", lambda x: f"{x / 1e6:,.0f}")),
    ("GPU MB", part("device_bytes", lambda x: f"{x / 1e6:,.0f}")),
    ("cores", lambda r, _: str(r.cores)),
    ("return", lambda r, _: "" if r.greedy_return is None else f"{r.greedy_return:.0f}"),
)


def cells_of(group: Sequence[Result], results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a workload's table, without columns that are empty."""
    rows = [[text(result, results) for _, text in COLUMNS] for result in group]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    return [COLUMNS[i][0] for i in kept], [[row[i] for i in kept] for row in rows]


def title(cell: Cell) -> str:
    """Of a workload."""
    layers, envs = "-".join(map(str, cell.net_arch)), "1 environment" if cell.num_envs == 1 else ""
    envs = envs or f"{cell.num_envs} environments, {cell.num_envs} updates a vector step"
    return f"{cell.algo.upper()}, {cell.env}, {envs}, batch {cell.batch_size}, {layers}, {cell.device}"


def console_table(results: Sequence[Result]) -> None:
    """To the terminal, whatever its width."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 150)
    for group in by_workload(results).values():
        heads, rows = cells_of(group, results)
        table = Table(title=title(group[0].cell), title_justify="left")
        for head in heads:
            table.add_column(head, justify="right" if head else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(results: Sequence[Result], sentences: Sequence[str], head: dict[str, Any]) -> str:
    """The same with its sentences, to be pasted."""
    lines = ["# Comparison\n", *sentences, ""]
    for group in by_workload(results).values():
        heads, rows = cells_of(group, results)
        lines += [f"## {title(group[0].cell)}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    machine, versions = head["machine"], ", ".join(f"{name} {x}" for name, x in head["versions"].items())
    lines.append(
        f"{head['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}.\n"
    )
    for setting in dict.fromkeys(f"{r.cell.backend}, {r.cores} cores: {r.settings}" for r in results):
        lines.append(f"- {setting}")
    lines.append(EXPLANATION)
    return "\n".join(lines)


EXPLANATION = """
One update for each environment step, in all variants. Rates are of the whole loop, after compiling and warming up, the
seeds' summed; median, lowest and highest of the repeats, in which the variants take turns. Parts are measured alone: a
step of all environments, an act, one update, sampled transitions. `% of peak`: floating-point operations of the updates
over those of the fastest 512x512 float32 product that any process of the run reached on as many cores. `compile`: until
the agent is built and has acted and learned once. `return`: greedy, after the steps of the learning check.

The spread is that within this run. Two threads that share a product also depend on how near their cores are: where the
host of a virtual machine moves them apart, cells of several threads slow down together, from one run to the next.
"""


def verdicts(results: Sequence[Result]) -> list[str]:
    """In plain words, for each workload: what won, by how much, and what limits each."""
    sentences = []
    for group in by_workload(results).values():
        single = [r for r in group if r.cell.num_seeds == 1]
        ranked = sorted(single or group, key=lambda r: r.rate, reverse=True)
        best, *others = ranked
        text = f"{title(best.cell)}: {best.cell.name} is the fastest with {best.rate:,.0f} env steps/s"
        if others:
            text += ", " + ", ".join(f"{best.rate / r.rate:.2f} times {r.cell.name}" for r in others)
            low, high = min(best.values("env_steps_per_second")), max(others[0].values("env_steps_per_second"))
            if low <= high:
                text += f"; its lead over {others[0].cell.name} is within the spread of the repeats"
        text += ". " + " ".join(f"{r.cell.name} is limited by {limit(r, results)}." for r in ranked)
        for many in (r for r in group if r.cell.num_seeds > 1):
            text += f" {many.cell.num_seeds} seeds on {many.cores} cores sum up to {many.rate:,.0f} env steps/s."
        sentences.append(text)
    return sentences


def limit(result: Result, results: Sequence[Result]) -> str:
    """What takes the most of its time."""
    share, envs = share_of_peak(result, results), result.cell.num_envs
    update = result.median("update_us") if result.values("update_us") else 1e6 * result.cell.num_seeds / result.rate
    times = {name: result.median(key) / envs for key, name in PARTS.items() if result.values(key)}
    whole = update + sum(times.values())
    if times and (most := max(times, key=lambda name: times[name])) and times[most] > update:
        return f"{most} ({times[most] / whole:.0%} of a step)"
    if share < PRODUCT_BOUND and update < SMALL_UPDATE:
        kind = "dispatch" if times else "small operations"
        return f"{kind} (the update, {update / whole:.0%} of a step, is at {share:.0%} of the matrix-product peak)"
    return f"matrix products (the update, {update / whole:.0%} of a step, is at {share:.0%} of their peak)"


def write_tensorboard(results: Sequence[Result], out: Path) -> None:
    """A run for each cell, with equal tags and the cell as hyperparameters; a step is a repeat."""
    for number, result in enumerate(results):
        hparams = {**result.cell._asdict(), "cores": result.cores}
        folder = out / "tensorboard" / f"{number:02}-{result.cell.algo}-{result.cell.name.replace(' ', '-')}"
        with TensorBoardWriter(folder, hparams) as writer:
            for step, repeat in enumerate(result.repeats):
                values = {f"compare/{key}": value for key, value in repeat.items() if value is not None}
                writer.write(Record(step, values))


def draw(results: Sequence[Result], path: Path) -> None:
    """Bars with their spread, a panel for each workload's base; then curves over what was varied."""
    import matplotlib.pyplot as plt

    groups = list(by_workload(results).values())
    bases = [group for i, group in enumerate(groups) if group[0].cell.algo not in {g[0].cell.algo for g in groups[:i]}]
    scalings = [(base, axis) for base in bases for axis in AXES if len(line_values(base[0].cell, axis, results)) > 1]
    columns = max(len(bases), len(scalings) // len(bases))
    rows = 1 + -(-len(scalings) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(5.5 * columns, 3.8 * rows), layout="constrained", squeeze=False
    )
    flat = list(panels.flat)
    for axes, base in zip(flat, bases, strict=False):
        draw_bars(axes, base)
    for axes, (base, axis) in zip(flat[columns:], scalings, strict=False):
        draw_scaling(axes, base[0].cell, axis, results)
    for axes in (*flat[len(bases) : columns], *flat[columns + len(scalings) :]):
        axes.set_axis_off()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_bars(axes: Any, group: Sequence[Result]) -> None:
    """Env steps per second of each variant."""
    names, rates = [r.cell.name for r in group], [r.rate for r in group]
    spans = [r.values("env_steps_per_second") for r in group]
    errors = [
        [rate - min(s) for rate, s in zip(rates, spans, strict=True)],
        [max(s) - rate for rate, s in zip(rates, spans, strict=True)],
    ]
    axes.barh(names, rates, xerr=errors, color=[colour(r.cell) for r in group], error_kw={"linewidth": 1})
    for i, rate in enumerate(rates):
        axes.annotate(f" {rate:,.0f}", (max(spans[i]), i), va="center", fontsize=8)
    axes.margins(x=0.18)
    axes.invert_yaxis()
    axes.set(title=title(group[0].cell).replace(", batch", ",\nbatch"), xlabel="env steps per second")
    axes.title.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)


def draw_scaling(axes: Any, base: Cell, axis: str, results: Sequence[Result]) -> None:
    """Env steps per second of each variant over one axis, all else as in the base."""
    for name, points in line_values(base, axis, results).items():
        xs, ys = [getattr(r.cell, axis) for r in points], [r.rate for r in points]
        axes.plot(xs, ys, marker="o", label=name, color=colour(points[0].cell))
    axes.set(xscale="log", yscale="log", xlabel=AXES[axis], ylabel="env steps per second", title=f"{base.algo.upper()}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)


def line_values(base: Cell, axis: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results that differ from the base in that axis alone, by variant, where there are several."""
    lines: dict[str, list[Result]] = {}
    for result in results:
        cell = result.cell
        like = cell._replace(**{axis: getattr(base, axis)})
        if like.workload == base.workload and (axis == "num_seeds" or cell.num_seeds == 1):
            name = f"{cell.backend} {cell.mode}"
            if axis != "num_seeds" or cell.mode == "seeds":
                lines.setdefault(name, []).append(result)
    return {
        name: sorted(points, key=lambda r: getattr(r.cell, axis))
        for name, points in lines.items()
        if len({getattr(r.cell, axis) for r in points}) > 1
    }


def colour(cell: Cell) -> str:
    """Of a variant."""
    order = {"eager": 0, "compiled": 1, "host": 0, "fused": 1, "seeds": 2}
    return COLOURS[cell.backend][order[cell.mode]]
