"""Do the tests see it when something goes astray? Plants one known bug after the other and runs them.

    python scripts/mutate.py [--only WORD] [--sample N --seed S] [--shard I/N]

The bugs stand in scripts/mutants/, a table for each room. Each goes into a copy of its own, in one twin or in both, and
the test that is to catch it runs there. Prints which test caught which bug, and how many were caught; exits with 1
where one was not.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import Bug, tables

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("equations", "reference", "parity", "noise", "crossing", "loop")  # of a bug that names none
COPIED = ("rlpair", "tests", "scripts", "examples", "docs", "README.md", "CONTRIBUTING.md", "pyproject.toml")


def with_edits(bug: Bug) -> dict[str, str]:
    """The bug's files with the bug in them."""
    texts: dict[str, str] = {}
    for file, old, new in bug.edits:
        text = texts.get(file) or (ROOT / "rlpair" / file).read_text()
        if text.count(old) != 1:
            raise SystemExit(f"{bug.what}: {old!r} stands {text.count(old)} times in {file}: mend scripts/mutants")
        texts[file] = text.replace(old, new)
    return texts


def plant(bug: Bug, folder: Path) -> None:
    """A copy of the package and its tests with the bug in it."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    for file, text in with_edits(bug).items():
        (folder / "rlpair" / file).write_text(text)


def found(test: str) -> str:
    """The path of a test file, or of a test in it, in the folder of its room."""
    file, *names = test.split("::")
    return "::".join([next((ROOT / "tests").rglob(file)).relative_to(ROOT).as_posix(), *names])


def caught_by(bug: Bug) -> tuple[Bug, str, float]:
    """The bug, the first test that fails with it ("" if none does), and the seconds that it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        plant(bug, Path(folder))
        tests = map(found, [bug.test] if bug.test else [f"test_{name}.py" for name in TESTS])
        options = ["-x", "-q", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        environment = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    failed = re.search(r"^(?:FAILED|ERROR) tests/\S*?(test_\S+)", result.stdout, re.M)
    if result.returncode not in (0, 1, 2) or (result.returncode and failed is None):
        raise SystemExit(f"{bug.what}: the tests did not run:\n{result.stdout}\n{result.stderr}")
    return bug, failed.group(1) if failed else "", time.perf_counter() - began


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


def report(bugs: Iterable[Bug]) -> int:
    """Plant them, print what came of each, and return how many were not caught."""
    survivors = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for bug, test, seconds in pool.map(caught_by, bugs):
            survivors += not test
            where = " and ".join(dict.fromkeys(file for file, _, _ in bug.edits))
            print(f"{bug.what}, {where}: {test or 'NOT CAUGHT'} ({seconds:.0f} s)", flush=True)
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
    with tempfile.TemporaryDirectory() as folder:  # what JAX compiles is much the same for all
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        survivors = report(bugs)
    print(f"{len(bugs) - survivors} of {len(bugs)} planted bugs caught in {time.perf_counter() - began:.0f} s")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
