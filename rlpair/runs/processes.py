"""A training in a process of its own, ``python -m rlpair.train``, for the commands that run many of them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rlpair.disk import files
from rlpair.system.children import ending_with_this

TRAIN = ending_with_this("rlpair.train")
Process = subprocess.Popen[bytes]


def start(arguments: Sequence[str], log: Path, threads: int) -> Process:
    """Start a training of so many threads; what it prints is added to ``log``. Raises OSError.

    A terminal's Ctrl-C does not reach it: whoever started it passes signals on.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "NPROC": str(threads)}
    files.make_folders(log.parent)
    with files.naming(log), open(log, "ab") as file:
        return subprocess.Popen(
            [*TRAIN, *arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, process_group=0
        )


def last_words(log: Path, code: int) -> str:
    """Say on one line why a training that ended with this code failed: what it said last, and where the rest is."""
    lines = [line.strip() for line in log.read_text(errors="backslashreplace").splitlines() if line.strip()]
    last = lines[-1].removeprefix("rlpair: ") if lines else f"exit code {code}"
    return f"{last} (all that it said: {log})"


def places_of(cores: int, jobs: int | None, threads: int) -> int:
    """Return how many trainings run at a time; ``jobs`` None: as many as there are cores for."""
    return jobs or max(1, cores // threads)
