"""The jobs of a sweep, each in a process of its own: a framework's settings and memory are a process's."""

import subprocess
import sys
from collections.abc import Sequence

from rlpair.overrides import Pair


def run_jobs(command: str, jobs: Sequence[Sequence[Pair]]) -> int:
    """Run the jobs one after the other. Returns the first exit code that is not 0, else 0."""
    exit_codes = []
    for job in jobs:
        arguments = [f"{key}={text}" for key, text in job]
        print(f"rlpair: {' '.join(arguments)}", file=sys.stderr)
        exit_codes.append(
            subprocess.run([sys.executable, "-m", f"rlpair.{command}", *arguments], check=False).returncode
        )
    return next((code for code in exit_codes if code), 0)
