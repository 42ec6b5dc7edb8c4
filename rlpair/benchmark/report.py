"""What is made of the raw numbers, and of them alone: tables, verdicts, what was not run, how it was done."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rlpair.aggregate import bootstrap_interval, interquartile_mean, stratified_interval
from rlpair.benchmark.measures import FAILED, LEVEL, MARGIN, Rows, improvement, pooled_iqm, profile, verdict
from rlpair.benchmark.results import Results, RunResult
from rlpair.benchmark.suites import SUITES, Task, task_of
from rlpair.config import CHOICES

RESAMPLES = 5_000  # of the bootstrap
THRESHOLDS = np.array([0.25, 0.5, 0.75, 0.9, 1.0])  # of the performance profile
# Of normal scores; a test measures it.
COVERAGE = "of 2 seeds it covers 50 %, of 3 75 %, of 5 90 %, of 10 94 %"
HEADS = ["task", "env steps", "backend", "seeds", "mean ± std", "IQM (95 %)", "lowest", "published", "aim", "the twins"]


class Cell(NamedTuple):
    """The runs of a task in a backend."""

    env: str
    algo: str
    backend: str
    env_steps: int
    runs: list[RunResult]

    @property
    def scores(self) -> np.ndarray:
        """The mean return of each seed's greedy episodes, (S,)."""
        return np.array([np.mean(run["returns"]) for run in self.runs])


def cells_of(results: Results) -> list[Cell]:
    """Put the seeds together: a cell for each task, number of steps and backend, in the order of the runs."""
    cells: dict[tuple[str, str, str, int], list[RunResult]] = {}
    for run in results["runs"]:
        cells.setdefault((run["env"], run["algo"], run["backend"], run["env_steps"]), []).append(run)
    return [Cell(*key, runs) for key, runs in cells.items()]


def tasks_of(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Put the backends of a task together."""
    tasks: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        tasks.setdefault((cell.env, cell.env_steps), []).append(cell)
    return list(tasks.values())


def rows_of(results: Results) -> list[list[str]]:
    """Return the rows under HEADS."""
    rows = []
    for cells in tasks_of(cells_of(results)):
        twins = str(verdict(cells[0].scores, cells[1].scores)) if len(cells) == 2 else ""
        for number, cell in enumerate(cells):
            rows.append([*row_of(cell), twins if number == 0 else ""])
    return rows


def row_of(cell: Cell) -> list[str]:
    """Return a cell's row but for the verdict."""
    scores, task = cell.scores, task_of(cell.env)
    low, high = bootstrap_interval(scores, interquartile_mean, RESAMPLES)
    spread = f" ± {shown(scores.std(ddof=1))}" if len(scores) > 1 else ""
    interval = f" ({shown(low)} to {shown(high)})" if len(scores) > 1 else ""
    return [
        f"{cell.env} ({cell.algo.upper()})",
        f"{cell.env_steps:,}",
        cell.backend,
        str(len(scores)),
        f"{shown(scores.mean())}{spread}",
        f"{shown(float(interquartile_mean(scores)))}{interval}",
        shown(scores.min()),
        published(task) if task else "",
        aim(cell, task),
    ]


def published(task: Task) -> str:
    """Return the score that ours is held against, and its source; say where none is known."""
    if not task.published:
        return "none known"
    first = task.published[0]
    return shown(first.mean) + (f" ± {shown(first.std)}" if first.std is not None else "") + f" ({first.source})"


def aim(cell: Cell, task: Task | None) -> str:
    """Say whether the mean is within one published standard deviation of the published mean, or above."""
    if task is None or task.aim is None:
        return ""
    if not is_whole(cell):
        length = "short" if cell.env_steps < task.total_env_steps else "long"
        return f"too {length}: {cell.env_steps:,} of {task.total_env_steps:,} steps"
    gap = task.aim - cell.scores.mean()
    return "reached" if gap <= 0 else f"missed by {shown(gap)}"


def is_whole(cell: Cell) -> bool:
    """Whether a cell is of a suite's task, and of as many steps: what was published is of these."""
    task = task_of(cell.env)
    return task is not None and cell.env_steps == task.total_env_steps


def shown(value: float) -> str:
    """Write a return: 9,634.9 or -0.43."""
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def normalized(cell: Cell, task: Task) -> np.ndarray:
    """Return a cell's scores where 0 is random actions and 1 is published, (S,)."""
    scores: np.ndarray = (cell.scores - task.random) / (task.published[0].mean - task.random)
    return scores


def whole_suite(results: Results, suite: str) -> list[str]:
    """Say in lines of Markdown how a suite's scores are as a whole; [] where nothing of it was run by both twins.

    Left out are runs of other lengths than the suite's, and single seeds, which say nothing of what others would give.
    """
    rows: dict[str, list[np.ndarray]] = {}
    for cells in tasks_of(cells_of(results)):
        task = task_of(cells[0].env)
        enough = len(cells) == 2 and all(is_whole(cell) and len(cell.runs) > 1 for cell in cells)
        if task in SUITES[suite] and task.published and enough:
            for cell in cells:
                rows.setdefault(cell.backend, []).append(normalized(cell, task))
    if not rows:
        return []
    count = len(next(iter(rows.values())))
    lines = [f"\nAs a whole, over {count} task{'s' * (count > 1)}, 0 being random actions and 1 the published score:\n"]
    heads = ["backend", "IQM (95 %)", *(f"above {threshold:g}" for threshold in THRESHOLDS)]
    lines += table(heads, [profile_row(backend, scores) for backend, scores in rows.items()])
    (name, ours), (other, theirs) = rows.items()
    low, high = improvement_interval(ours, theirs)
    chance = float(improvement(ours, theirs))
    lines.append(f"\nA seed of {name} is above one of {other} with probability {chance:.2f} ({low:.2f} to {high:.2f}).")
    return lines


def profile_row(backend: str, scores: Rows) -> list[str]:
    """Return a backend's interquartile mean and performance profile, each with its interval."""
    low, high = stratified_interval(scores, pooled_iqm, RESAMPLES)
    shares = profile(scores, THRESHOLDS)
    bands = stratified_interval(scores, lambda rows: profile(rows, THRESHOLDS), RESAMPLES).T
    cells = [f"{x:.0%} ({a:.0%} to {b:.0%})" for x, (a, b) in zip(shares, bands, strict=True)]
    return [backend, f"{float(pooled_iqm(scores)):.2f} ({low:.2f} to {high:.2f})", *cells]


def improvement_interval(ours: Rows, theirs: Rows) -> tuple[float, float]:
    """Return the 95 % interval of the probability of improvement."""
    count = len(ours)
    low, high = stratified_interval([*ours, *theirs], lambda rows: improvement(rows[:count], rows[count:]), RESAMPLES)
    return float(low), float(high)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *rows]]


def page(results: Results, figure: str, title: str = "Learning") -> str:
    """Return the whole report in Markdown. ``figure``: the file that it shows."""
    lines = [f"# {title}\n"]
    lines.append(
        "A score is the mean return of a seed's 20 greedy episodes after its last step: no best checkpoint is picked. "
        "IQM is the interquartile mean over the seeds, with its 95 % bootstrap interval, which is too narrow where "
        f"they are few: {COVERAGE}. The aim is to be within one published standard deviation of the published mean, or "
        f"above. The twins are equal if two one-sided tests say so (Yuen's, at {LEVEL:.0%} each), that their "
        f"interquartile means are less than {MARGIN:.0%} apart, and a third, of the seeds that fail (more than "
        f"{FAILED:.0%} away), that these are too few to move it so far.\n"
    )
    rows = rows_of(results)
    for suite, tasks in SUITES.items():
        of_suite = [row for row in rows if row[0].partition(" ")[0] in {task.env for task in tasks}]
        if of_suite:
            lines += [f"## {suite}\n", *table(HEADS, of_suite), *whole_suite(results, suite), ""]
    lines += [f"![Greedy return during training, both twins]({figure})\n"]
    lines.append(
        "Curves: interquartile mean over the seeds of the evaluations along the way; the band is its 95 % bootstrap "
        "interval; dotted: the published score.\n"
    )
    return "\n".join([*lines, *sources(results), *not_run(results), *how(results)]) + "\n"


def sources(results: Results) -> list[str]:
    """Return the table of all published scores of what was run."""
    rows = []
    for env in dict.fromkeys(run["env"] for run in results["runs"]):
        task = task_of(env)
        for score in task.published if task else ():
            spread = f" ± {shown(score.std)}" if score.std is not None else ""
            rows.append([env, shown(score.mean) + spread, f"[{score.source}]({score.url})", score.protocol])
    return ["## Published scores\n", *table(["task", "score", "source", "protocol"], rows), ""]


def not_run(results: Results) -> list[str]:
    """Name the tasks that have no run of all their steps, or in one backend alone."""
    there = {(cell.env, cell.backend) for cell in cells_of(results) if is_whole(cell)}
    lines = []
    for suite, tasks in SUITES.items():
        lacking = {task.env: [name for name in CHOICES["backend"] if (task.env, name) not in there] for task in tasks}
        left = [env if len(names) > 1 else f"{env} ({names[0]})" for env, names in lacking.items() if names]
        lines += [f"- {suite}: {', '.join(left)}"] * bool(left)
    return ["## Not run\n", *lines, ""] if lines else []


def how(results: Results) -> list[str]:
    """Say how the numbers were made: commands, machines, hours, versions."""
    lines = ["## How\n"]
    for session in results["sessions"]:
        machine = session["machine"]
        where = ", ".join(str(machine[key]) for key in ("processor", "system") if key in machine)
        cores = f", {machine['cores']} cores" if "cores" in machine else ""
        lines.append(
            f"- `{session['command']}`: {session['date']}, {session['finished']} trainings in {session['hours']:.2f} "
            f"hours, on {where}{cores}; {', '.join(f'{k} {v}' for k, v in session['versions'].items())}"
        )
    hours = sum(run["seconds"] for run in results["runs"]) / 3600
    lines.append(f"\nAll {len(results['runs'])} trainings took {hours:.1f} hours in sum.")
    return lines
