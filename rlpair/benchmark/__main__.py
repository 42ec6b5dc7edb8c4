"""python -m rlpair.benchmark: trains a suite in both frameworks, and holds it against what others published."""

import importlib.util
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rlpair.advice import install_command
from rlpair.benchmark.figure import draw
from rlpair.benchmark.plan import BenchmarkConfig, Job, check_results, jobs_of
from rlpair.benchmark.pool import Pool
from rlpair.benchmark.progress import Progress
from rlpair.benchmark.report import HEADS, page, rows_of
from rlpair.benchmark.results import (
    JSON,
    Results,
    Session,
    collect,
    load,
    merged,
    of_report,
    save,
    save_csv,
    session_of,
)
from rlpair.cli.command import Command
from rlpair.disk import files
from rlpair.disk.out import hold_out
from rlpair.errors import ConfigError, MissingExtraError
from rlpair.make import backend_module, open_playable
from rlpair.runs.processes import places_of
from rlpair.runs.saved_config import Values
from rlpair.system.interrupts import passing_on
from rlpair.system.workers import usable_cores

REPORT, FIGURE = "report.md", "figure.png"


def task(values: Values, given: set[str]) -> int:
    """Train what is not finished, and report. Returns 0, 1 where a job failed, 128 and the signal that stopped it."""
    config = BenchmarkConfig(**values)
    for package in ("matplotlib", "scipy"):
        if importlib.util.find_spec(package) is None:
            missing = f"benchmark needs {package}, which is not installed"
            raise MissingExtraError(f"{missing}: {install_command('benchmark')}")
    if config.report is not None:
        if other := sorted(given - {"report"}):
            raise ConfigError(other[0], values[other[0]], "left out with report=, which trains nothing")
        results = of_report(config.report)
        save_csv(Path(config.report), results)
        show(results, Path(config.report))
        return 0
    jobs = jobs_of(config)
    check_playable(config, jobs)
    with ExitStack() as stack:
        return train(config, jobs, hold_out(config.out, stack))


def check_playable(config: BenchmarkConfig, jobs: Sequence[Job]) -> None:
    """Raise MissingExtraError or EnvError before anything runs: for a backend or an environment that is not there."""
    for backend in config.backend:
        backend_module("agents.agent", backend)
    for job in {job.config.env: job for job in jobs}.values():
        open_playable(job.config.env, job.config.env_kwargs).close()


def train(config: BenchmarkConfig, jobs: Sequence[Job], out: Path) -> int:
    """Train the jobs, keep the raw numbers of each as soon as it is finished, and report."""
    earlier = load(out) if files.is_there(out / JSON) else None
    if earlier:
        check_results(jobs, earlier, config.out)
    places = places_of(len(usable_cores()), config.jobs, config.threads)
    pool = Pool(jobs, places, config.threads, lambda text: print(f"rlpair: {text}", file=sys.stderr, flush=True))
    before, began = len(pool.finished), time.monotonic()
    progress = Progress(jobs, pool, places)

    def results() -> Results:
        count = len(pool.finished) - before
        session: Session | None = session_of(command(), time.monotonic() - began, count) if pool.begun else None
        return merged(earlier, collect(out), session)

    def keep() -> Results:
        found = results()
        if found["runs"] or (found["sessions"] and pool.stopped_by):  # hours that go into what others finish
            save(out, found)
        return found

    def watch(ended: bool) -> None:
        if ended:
            keep()
        progress.show(at_once=ended)

    try:
        with passing_on(pool.stop):
            pool.run(watch)
    finally:
        progress.close()
    if (found := keep())["runs"]:
        show(found, out)
    if pool.stopped_by:
        number, done = signal.Signals(pool.stopped_by), f"{len(pool.finished)} of {len(jobs)} jobs are finished"
        print(f"stopped by {number.name}: {done}; go on with: {command()}")
        return 128 + number
    if pool.failed:
        print(f"{len(pool.failed)} of {len(jobs)} jobs failed; the same command tries them again: {command()}")
    return int(bool(pool.failed))


def command() -> str:
    """Return what was called, for a shell."""
    return f"python -m rlpair.benchmark {shlex.join(sys.argv[1:])}".strip()


def show(results: Results, out: Path) -> None:
    """Write report and figure into a folder, and print the table."""
    files.write(out / REPORT, page(results, FIGURE, "Benchmark").encode())
    draw(results, out / FIGURE)
    print_table(results)
    print(f"all in {out}")


def print_table(results: Results) -> None:
    """Print the scores, a row for each task and backend."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADS, box=None, pad_edge=False)
    for row in rows_of(results):
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1_000  # lines of a log are not broken
    console.print(table)


def main() -> None:
    """Run the command; exit with its code."""
    sys.exit(Command("benchmark", BenchmarkConfig, task).main())


if __name__ == "__main__":
    main()
