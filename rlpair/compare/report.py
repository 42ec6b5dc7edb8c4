"""The tables of ``rlpair.compare``, for a terminal, for a document and for TensorBoard."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlpair.compare.result import RATE, Result, by_workload, share_of_peak, title
from rlpair.runs.record import TensorBoardWriter
from rlpair.types import Record

Column = tuple[str, Callable[[Result, Sequence[Result]], str]]


def part(key: str, text: Callable[[float], str]) -> Callable[[Result, Sequence[Result]], str]:
    """Return the median of a value as text, "" where there is none."""
    return lambda r, _: text(r.median(key)) if r.values(key) else ""


def times_slowest(result: Result, results: Sequence[Result]) -> str:
    """Return how many times as fast it is as the slowest variant of its workload."""
    return f"{result.rate / min(r.rate for r in by_workload(results)[result.variant.workload]):.2f}"


def speed(result: Result, _: Sequence[Result]) -> str:
    """Return the loop's rate as text: median and extremes, with a mark where these are far apart."""
    rates = result.values(RATE)
    return f"{result.rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})" + ("" if result.steady else " !")


def greedy_return(result: Result, _: Sequence[Result]) -> str:
    """Return the greedy return of the learning check as text."""
    if result.greedy_return is None:
        return "unchecked" if result.unchecked else ""
    return f"{result.greedy_return:.0f}"


COLUMNS: tuple[Column, ...] = (
    ("", lambda r, _: r.variant.name),
    ("env steps/s (min to max)", speed),
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
    ("return", greedy_return),
)


def heads_and_rows(group: Sequence[Result], results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of a workload's table, without columns that are empty."""
    rows = [[text(result, results) for _, text in COLUMNS] for result in group]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    return [COLUMNS[i][0] for i in kept], [[row[i] for i in kept] for row in rows]


def console_table(results: Sequence[Result]) -> None:
    """Print a table to the terminal, whatever its width."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 150)
    for group in by_workload(results).values():
        heads, rows = heads_and_rows(group, results)
        table = Table(title=title(group[0].variant), title_justify="left")
        for head in heads:
            table.add_column(head, justify="right" if head else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(results: Sequence[Result], sentences: Sequence[str], head: dict[str, Any]) -> str:
    """Return the tables and the verdicts as Markdown, to be pasted."""
    lines = ["# Comparison\n", *sentences, ""]
    for group in by_workload(results).values():
        heads, rows = heads_and_rows(group, results)
        lines += [f"## {title(group[0].variant)}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    machine, versions = head["machine"], ", ".join(f"{name} {x}" for name, x in head["versions"].items())
    lines.append(
        f"{head['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}.\n"
    )
    for setting in dict.fromkeys(f"{r.variant.backend}, {r.cores} cores: {r.settings}" for r in results):
        lines.append(f"- {setting}")
    lines.append(EXPLANATION)
    return "\n".join(lines)


EXPLANATION = """
One update for each environment step, in all variants, or as the heading says. Rates are of the whole loop, after
compiling and warming up, the seeds' summed; median, lowest and highest of the repeats, in which the variants take
turns. `!`: the highest is over 1.5 times the lowest, even though the workload was measured again. A ratio is that of
the medians, and in brackets the lowest and the highest ratio within one turn. That is a range and no more: of turns
that know nothing of each other it holds the ratio's median in 75 % of all cases with three, in 94 % with five. Where
the ranges of two variants' rates overlap, they cannot be told apart.

Parts are measured alone: a step of all environments, an act, one update, sampled transitions. `% of peak`:
floating-point operations of the updates over those of the fastest 512x512 float32 product that any process of the run
reached on as many cores. `compile`: until the agent is built and has acted and learned once. `return`: the best of the
learning check's greedy evaluations, the last of which passed it.

The spread is that within this run. Two threads that share a product also depend on how near their cores are: where the
host of a virtual machine moves them apart, variants of several threads slow down together, from one run to the next.
"""


def write_tensorboard(results: Sequence[Result], out: Path) -> None:
    """Write a run for each variant, with equal tags and the variant as hyperparameters; a step is a repeat."""
    for number, result in enumerate(results):
        hparams = {**result.variant._asdict(), "cores": result.cores}
        folder = out / "tensorboard" / f"{number:02}-{result.variant.algo}-{result.variant.name.replace(' ', '-')}"
        with TensorBoardWriter(folder, hparams) as writer:
            for step, repeat in enumerate(result.repeats):
                values = {f"compare/{key}": value for key, value in repeat.items() if value is not None}
                writer.write(Record(step, values))
