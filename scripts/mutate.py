"""Do the tests see it when something goes astray? Plants one known bug after the other and runs them.

    python scripts/mutate.py [--only WORD] [--sample N --seed S] [--shard I/N]

The bugs stand in scripts/mutants/, a table for each room. Each goes into a copy of the tree, in one twin or in both,
and the test that is to catch it runs there, in a process forked from one that has imported the frameworks. Prints which
test caught which bug, and how many were caught; exits with 1 where one was not.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from forked import HANGS, ROOT, SURVIVED, copy_tree, found, outcome, warm_up
from mutants import Bug, tables


def with_edits(bug: Bug) -> dict[str, str]:
    """The bug's files with the bug in them."""
    texts: dict[str, str] = {}
    for file, old, new in bug.edits:
        text = texts.get(file) or (ROOT / "rlpair" / file).read_text()
        if text.count(old) != 1:
            raise SystemExit(f"{bug.what}: {old!r} stands {text.count(old)} times in {file}: mend scripts/mutants")
        texts[file] = text.replace(old, new)
    return texts


def caught_by(bug: Bug, folder: Path) -> tuple[str, float]:
    """What came of the bug in this process's copy of the tree: the first test that fails; the seconds that it took."""
    began, copy = time.perf_counter(), folder / str(os.getpid())
    if not copy.exists():
        copy.mkdir()
        copy_tree(copy)
    what = outcome(copy, with_edits(bug), [found(bug.test)])
    if what.startswith("exit code"):
        raise SystemExit(f"{bug.what}: the tests did not run, {what}:\n{(copy / 'log').read_text()}")
    return what, time.perf_counter() - began


def chosen(arguments: argparse.Namespace) -> list[Bug]:
    """The bugs that the arguments ask for; all where they ask for none."""
    bugs = [
        bug
        for room, table in tables().items()
        for bug in table
        if arguments.only in f"{room} {bug.what} {' '.join(file for file, _, _ in bug.edits)}"
    ]
    if arguments.sample:
        bugs = random.Random(arguments.seed).sample(bugs, min(arguments.sample, len(bugs)))
    number, count = map(int, arguments.shard.split("/"))
    return bugs[number - 1 :: count]


def report(bugs: list[Bug], folder: Path) -> int:
    """Plant them, print what came of each, and return how many were not caught."""
    survivors = 0
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        for bug, (what, seconds) in zip(bugs, pool.map(caught_by, bugs, repeat(folder)), strict=True):
            missed = what in (SURVIVED, HANGS)
            survivors += missed
            where = " and ".join(dict.fromkeys(file for file, _, _ in bug.edits))
            print(f"{bug.what}, {where}: {f'NOT CAUGHT, {what}' if missed else what} ({seconds:.0f} s)", flush=True)
    return survivors


def main() -> int:
    """Plant what is asked for, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="those whose room, description or file has this in it")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N of them, by the seed")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts")
    bugs, began = chosen(parser.parse_args()), time.perf_counter()
    for bug in bugs:
        with_edits(bug)
    with tempfile.TemporaryDirectory() as folder:
        warm_up(f"{folder}/cache")  # what JAX compiles is much the same for all
        survivors = report(bugs, Path(folder))
    print(f"{len(bugs) - survivors} of {len(bugs)} planted bugs caught in {time.perf_counter() - began:.0f} s")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
