"""rlpair plot RUN_DIR ...: the curves of runs, over seeds, as a PNG and as a sketch on the terminal."""

import importlib.util
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlpair.advice import install_command
from rlpair.cli.command import Command
from rlpair.disk import files
from rlpair.errors import ConfigError, MetricsError, MissingExtraError, reason
from rlpair.runs.curves import SECONDS, STEPS, Curve, Line, find_runs, group, read_lines
from rlpair.runs.saved_config import Values

AXES, LABELS = {"steps": STEPS, "seconds": SECONDS}, {"steps": "environment steps", "seconds": "seconds"}
MARKERS = "*o+x#@%&"  # of curves where there are no colours
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")


@dataclass(frozen=True)
class PlotConfig:
    """Settings of ``rlpair plot``."""

    run_dirs: tuple[str, ...] = ()
    """What RUN_DIR ... stands for: folders of runs, or folders above them; the seeds of equal runs are put together."""
    tag: str = "eval/mean_return"
    """What to draw: a tag of metrics.jsonl, such as rollout/episodic_return or loss/q."""
    x: str = "steps"
    """Over what: steps (of one agent's environments) or seconds (since a run began)."""
    out: str = "plot.png"
    """The PNG; an older one is replaced."""

    def __post_init__(self) -> None:
        if not self.run_dirs:
            raise ConfigError("RUN_DIR", "", "the folder of a run, or one above some, such as runs")
        if self.x not in AXES:
            raise ConfigError("x", self.x, "one of " + ", ".join(AXES))
        if Path(self.out).suffix != ".png" or not Path(self.out).parent.is_dir():
            raise ConfigError("out", self.out, "a name that ends in .png, in a folder that there is")


def curves_of(config: PlotConfig) -> list[Curve]:
    """Return the curves that are asked for; say on stderr which runs have no such tag.

    Raises:
        MetricsError: no run has it.
        CheckpointError: one cannot be read.
    """
    tags, found, without = set[str](), dict[Path, dict[str, Line]](), list[Path]()
    for run in find_runs(config.run_dirs):
        lines, others = read_lines(run, config.tag, AXES[config.x])
        tags |= others
        if lines:
            found[run] = lines
        else:
            without.append(run)
    if not found:
        there = sorted(tag[:60] for tag in tags if tag.isprintable() and not tag.startswith("seed_"))
        raise MetricsError(f"tag={config.tag!r} is in none of the runs; there are {', '.join(there[:30]) or 'none'}")
    for run in without:
        print(f"rlpair: {run} has no {config.tag}: it is left out", file=sys.stderr)
    return group(found)


def task(values: Values, given: set[str]) -> int:
    """Draw the figure and the sketch, and print each curve's last value. Returns 0."""
    config = PlotConfig(**values)
    for package in ("matplotlib", "plotext"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"plot needs {package}, which is not installed: {install_command('plot')}")
    curves = curves_of(config)
    draw(curves, config)
    sketch(curves, config)
    for curve in curves:
        print(f"{curve.env} {curve.name}: {last(curve)} at {curve.x[-1]:,.0f} {config.x}".strip())
    print(f"all in {config.out}")
    return 0


def last(curve: Curve) -> str:
    """Return the last value as text, with its interval where there are several seeds."""
    if curve.seeds == 1:
        return f"{curve.middle[-1]:.5g}"
    return f"{curve.middle[-1]:.5g} ({curve.low[-1]:.5g} to {curve.high[-1]:.5g}, {curve.seeds} seeds)"


def panels_of(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Group the curves by environment."""
    panels: dict[str, list[Curve]] = {}
    for curve in curves:
        panels.setdefault(curve.env, []).append(curve)
    return panels


def draw(curves: Sequence[Curve], config: PlotConfig) -> None:
    """Write the PNG, a panel for each environment. Raises ConfigError where it cannot be written."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcdefaults()  # a matplotlibrc in the current folder may be a stranger's
    matplotlib.rcParams["text.parse_math"] = False  # as may be a name with dollar signs
    panels = panels_of(curves)
    figure = Figure(figsize=(5.4 * len(panels), 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (env, some) in zip(axes, panels.items(), strict=True):
        for number, curve in enumerate(some):
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(curve.x, curve.middle, color=colour, label=f"{curve.name} ({curve.seeds})")
            axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        axis.set(title=textwrap.fill(env, 40), xlabel=LABELS[config.x], ylabel=config.tag)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, title="(seeds)")
    try:
        with files.replacing(Path(config.out)) as file:
            figure.savefig(file, format="png", dpi=130)
    except OSError as error:
        raise ConfigError("out", config.out, f"a file that can be written: {reason(error)}") from error


def sketch(curves: Sequence[Curve], config: PlotConfig) -> None:
    """Print the curves, an environment below the other."""
    import plotext

    figure, colours = plotext.figure, sys.stdout.isatty()
    for env, some in panels_of(curves).items():
        figure.clear()
        figure.theme("simple")
        for number, curve in enumerate(some):
            known = ~np.isnan(curve.middle)
            marker = None if colours else MARKERS[number % len(MARKERS)]
            signal = figure.signal(curve.x[known].tolist(), curve.middle[known].tolist(), marker=marker)
            figure.draw(signal.lines().label(curve.name))
        figure.plot_size(min(shutil.get_terminal_size().columns, 100), 18)
        figure.title(f"{env} {config.tag} over {config.x}".strip())
        text = str(figure.build()).rstrip("\n")
        print(text if colours else plotext.uncolorize(text))


def main() -> None:
    """Run the command; exit with its code."""
    sys.exit(Command("plot", PlotConfig, task, operands="run_dirs").main())


if __name__ == "__main__":
    main()
