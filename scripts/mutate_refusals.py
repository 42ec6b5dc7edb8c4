"""Is every refusal seen by a test? Takes one ``raise`` of the package away after the other, and runs the tests.

    python scripts/mutate_refusals.py [--only WORD] [--tests PATH ...]     (needs pip install coverage)

The quick tests run once, and it is noted which of them come by each ``raise`` and each call of ``refuse``. Then one
after the other gives way to ``pass``, and the tests that came by run again: one has to fail. NEVER RUN is what no test
comes by in its own process: processes that it starts are not followed. What was found last: docs/mutants.md.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coverage import CoverageData
from forked import ROOT, Mutant, run

Tests = dict[tuple[str, int], set[str]]  # by file and line


def refusals(file: str) -> Iterator[Mutant]:
    """The file without one of its refusals, for each."""
    text = (ROOT / "rlpair" / file).read_text()
    lines = text.splitlines()
    nodes: Iterator[Any] = ast.walk(ast.parse(text))
    for node in nodes:
        call = node.value if isinstance(node, ast.Expr) else None
        name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
        if isinstance(node, ast.Raise) or name.startswith("refuse"):
            first, last = node.lineno - 1, node.end_lineno or 0
            mutated = [*lines[:first], f"{lines[first][: node.col_offset]}pass", *lines[last:]]
            yield Mutant(file, "NoRefusal", "\n".join(mutated), node.lineno, lines[first].strip(), "pass")


def covered(tests: list[str]) -> Tests:
    """Which tests come by each line of the package."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        options = ["-m", "coverage", "run", "--source=rlpair", f"--data-file={data}"]
        pytest = ["-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "coverage_contexts", *tests]
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"}
        subprocess.run([sys.executable, *options, *pytest], cwd=ROOT, env=environment, check=False)
        read = CoverageData(str(data))
        read.read()
        by_line: Tests = defaultdict(set)
        for path in read.measured_files():
            file = Path(path).relative_to(ROOT / "rlpair").as_posix()
            for line, contexts in read.contexts_by_lineno(path).items():
                by_line[file, line] |= {context for context in contexts if context}
        return by_line


def main() -> None:
    """Look, take away, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="files of rlpair/ that have this in their name")
    parser.add_argument("--tests", nargs="*", default=["tests"], metavar="PATH", help="the tests that are asked")
    arguments = parser.parse_args()
    files = sorted(path.relative_to(ROOT / "rlpair").as_posix() for path in (ROOT / "rlpair").rglob("*.py"))
    mutants = [mutant for file in files if arguments.only in file for mutant in refusals(file)]
    by_line = covered(arguments.tests)
    print(f"# {len(mutants)} refusals")

    def tests_of(mutant: Mutant) -> list[str]:
        return sorted(by_line.get((mutant.file, mutant.line), ()))

    print(f"# {dict(run(mutants, tests_of))}")


if __name__ == "__main__":
    main()
