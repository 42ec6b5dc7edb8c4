"""Writes docs/learning.md and its figure whole, from the raw numbers in docs/results and from nothing else.

    python scripts/learning_page.py [--results docs/results] [--docs docs]

Each results.json in a folder below docs/results (and its results.csv) is python -m rlpair.benchmark's; where two
have a run of the same job, the later by name counts.
"""

import argparse
from pathlib import Path

from rlpair.benchmark.figure import draw
from rlpair.benchmark.report import page
from rlpair.benchmark.results import FORMAT, JSON, Results, load, merged

NOTE = "\nWritten by `python scripts/learning_page.py` from the raw numbers in [results](results).\n"


def all_results(folder: Path) -> Results:
    """Those of every benchmark in the folder, together."""
    together = Results(format=FORMAT, sessions=[], runs=[])
    for path in sorted(folder.glob(f"*/{JSON}")):
        results = load(path.parent)
        together = merged(together, results["runs"], None)
        together["sessions"] += results["sessions"]
    return together


def main() -> None:
    """Write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("docs/results"), help="where the raw numbers are")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where learning.md and learning.png go")
    arguments = parser.parse_args()
    results = all_results(arguments.results)
    if not results["runs"]:
        raise SystemExit(f"{arguments.results} has no {JSON}: python -m rlpair.benchmark writes them")
    draw(results, arguments.docs / "learning.png")
    (arguments.docs / "learning.md").write_text(page(results, "learning.png") + NOTE)
    print(f"{len(results['runs'])} runs: {arguments.docs / 'learning.md'}")


if __name__ == "__main__":
    main()
