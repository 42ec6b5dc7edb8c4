"""The figure: a grid of tasks, the curves of both twins in each, the published score as a dotted line."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlpair.benchmark.report import Cell, cells_of, is_whole, tasks_of
from rlpair.benchmark.results import Results
from rlpair.benchmark.suites import task_of
from rlpair.disk import files
from rlpair.runs.curves import over_seeds

STYLES = {"torch": ("#d55e00", "--"), "jax": ("#0072b2", "-")}  # colours that all can tell apart, and print in grey
OTHER = ("#009e73", "-.")
MOST_COLUMNS, WIDTH, HEIGHT = 3, 3.4, 2.6  # of a panel, in inches


def make_figure(results: Results) -> Any:
    """Return the figure, a panel for each task."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcdefaults()  # a matplotlibrc in the current folder may be a stranger's
    matplotlib.rcParams.update({"font.size": 9, "text.parse_math": False})
    tasks = tasks_of(cells_of(results))
    # Four are two by two: no empty places.
    columns = 2 if len(tasks) == 4 else min(MOST_COLUMNS, max(1, len(tasks)))
    rows = max(1, math.ceil(len(tasks) / columns))
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, cells in zip(panels, tasks, strict=False):
        draw_task(axes, cells)
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    entries = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries), frameon=False)
    return figure


def draw_task(axes: Any, cells: Sequence[Cell]) -> None:
    """Draw the curve of each backend, and the published score."""
    from matplotlib.ticker import EngFormatter

    for cell in cells:
        lines = [(np.array(run["curve"])[:, 0], np.array(run["curve"])[:, 1]) for run in cell.runs if run["curve"]]
        if lines:
            curve, (colour, style) = over_seeds(cell.env, cell.backend, lines), STYLES.get(cell.backend, OTHER)
            axes.plot(curve.x, curve.middle, color=colour, linestyle=style, linewidth=1.5, label=cell.backend)
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
    task = task_of(cells[0].env)
    if task and task.published and any(is_whole(cell) for cell in cells):
        axes.axhline(task.published[0].mean, color="black", linestyle=":", linewidth=1.2, label="published")
    seeds = sorted({len(cell.runs) for cell in cells})
    count = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    axes.set_title(f"{cells[0].env}\n{cells[0].algo.upper()}, {count} seed{'s' * (seeds[-1] > 1)}", fontsize=9)
    axes.set(xlabel="environment steps", ylabel="greedy return")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)


def draw(results: Results, path: Path) -> None:
    """Write the figure as a PNG."""
    figure = make_figure(results)
    with files.replacing(path) as file:
        figure.savefig(file, format="png", dpi=200)
