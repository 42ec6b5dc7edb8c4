"""SAC updates on a busy machine: by default, with one thread, and always with a thread a core. Prints a table.

    python scripts/bench_busy.py [--neighbours 0 1 8] [--repeats 5] [--seconds 1] [--variants torch jax]

A neighbour is a process that keeps a core busy without end. The contestants (256-256, batch 256, HalfCheetah's sizes)
are processes of their own that live until the end and take turns, A B C A B C; only one computes at a time. Each is
measured after a second in which it has computed already. In a cell are updates/s, the median of the repeats (least to
most); beside it the median of what the default got over what this contestant got in the same turn.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from rlpair import EnvSpec, SACConfig, Transition, make_agent
from rlpair.make import configure_process
from rlpair.system.workers import usable_cores

NEIGHBOUR = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"  # outlives nobody
SETTLE = 1.0  # seconds, in which a process finds out what its neighbours do
OURS: dict[str, dict[str, Any]] = {"torch": {}, "torch compiled": {"compile": True}, "jax": {}}
CORES = str(len(usable_cores()))
TORCH = {"default": {}, "one thread": {"OMP_NUM_THREADS": "1"}, "a thread a core": {"OMP_NUM_THREADS": CORES}}
JAX = {"default": {}, "one thread": {"NPROC": "1"}}
CHOICES = ("OMP_NUM_THREADS", "NPROC")  # that a contestant makes, or nobody


def serve(variant: str) -> None:
    """Build an agent; for each line, a number of seconds, print how many updates a second it makes."""
    backend, config = variant.split()[0], SACConfig()
    configure_process(backend, config)
    low, high = (-1.0,) * 6, (1.0,) * 6
    spec = EnvSpec((17,), "float32", False, 6, action_low=low, action_high=high)
    agent = make_agent("sac", backend=backend, env=spec, config=config, **OURS[variant])
    rng, size = np.random.default_rng(0), config.batch_size
    obs, next_obs = rng.standard_normal((2, size, 17)).astype(np.float32)
    action = rng.uniform(-1, 1, (size, 6)).astype(np.float32)
    batch = Transition(obs, action, np.ones(size, np.float32), next_obs, np.zeros(size, np.float32))

    def rate(seconds: float) -> float:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            agent.update(batch)
            agent.synchronize()
            count += 1
        return count / (time.perf_counter() - start)

    agent.update(batch)  # which compiles
    print("ready", flush=True)
    for line in sys.stdin:
        rate(SETTLE)
        print(rate(float(line)), flush=True)


class Contestant:
    """A process that measures when it is asked to."""

    def __init__(self, variant: str, choices: dict[str, str]) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in CHOICES} | choices
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"{self._process.args!r} ended, exit code {self._process.wait()}")
        return line

    def rate(self, seconds: float) -> float:
        """Updates a second."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        return float(self._read())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that each keep a core busy."""
    busy = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def cell(rates: list[float], default: list[float]) -> str:
    """Updates/s, and what the default gets over it."""
    ratio = statistics.median(a / b for a, b in zip(default, rates, strict=True))
    return f"{statistics.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f}) | {ratio:.2f}"


def table(variant: str, counts: list[int], repeats: int, seconds: float) -> str:
    """Markdown: a row a contestant, a column a number of neighbours."""
    contestants = {name: Contestant(variant, choices) for name, choices in (TORCH, JAX)[variant == "jax"].items()}
    found = {name: list[list[float]]() for name in contestants}
    for count in counts:
        with neighbours(count):
            for name in contestants:
                found[name].append([])
            for _ in range(repeats):
                for name, contestant in contestants.items():
                    found[name][-1].append(contestant.rate(seconds))
    for contestant in contestants.values():
        contestant.close()
    lines = [f"| {variant} |" + "".join(f" {count} neighbours | default is |" for count in counts)]
    lines.append("|---" * (1 + 2 * len(counts)) + "|")
    for name, rates in found.items():
        lines.append(f"| {name} | " + " | ".join(map(cell, rates, found["default"])) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 8])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--variants", nargs="+", choices=list(OURS), default=list(OURS))
    args = parser.parse_args()
    for variant in args.variants:
        print(table(variant, args.neighbours, args.repeats, args.seconds), end="\n\n", flush=True)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1:2] == ["serve"] else main()
