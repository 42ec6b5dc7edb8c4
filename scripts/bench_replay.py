"""How long the replay of images takes for what the host loop asks of it, beside copying as many bytes.

    python scripts/bench_replay.py [--rows N] [--rounds N]

Atari's frames, 84 x 84, in stacks of four, one environment. Everything is timed in turn, round by round; printed are
medians in microseconds, and the ratio to the copies that the same stacks cost, whole, from as large an array.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from rlpair.replay.frames import Frames
from rlpair.types import EnvSpec, Transition

ATARI = EnvSpec((84, 84, 4), "uint8", True, 6, frame_stack=4)
BATCH, STEPS = 32, 250  # steps of an episode


def filled(rows: int) -> Frames:
    """A storage of random frames, full."""
    rng, storage = np.random.default_rng(0), Frames(rows, 1, ATARI)
    for t in range(rows):
        if t % STEPS == 0:
            obs = rng.integers(0, 256, (1, 84, 84, 4), np.uint8)
        frame = rng.integers(0, 256, (1, 84, 84, 1), np.uint8)
        next_obs = np.concatenate([obs[..., 1:], frame], -1)
        storage.add(Transition(obs, np.zeros(1, np.int32), np.zeros(1), next_obs, np.zeros(1)), np.zeros(1, bool))
        obs = next_obs
    return storage


def medians(timed: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Microseconds of each, taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, call in timed.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {name: 1e6 * statistics.median(x) for name, x in seconds.items()}


def main() -> None:
    """Measure, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=300)
    arguments = parser.parse_args()
    storage, rng = filled(arguments.rows), np.random.default_rng(1)
    whole = storage.frames[: len(storage.frames) // 4 * 4].reshape(-1, 4 * 84 * 84)  # stacks as a naive replay has them
    obs = np.full((1, 84, 84, 4), 7, np.uint8)
    step = Transition(obs, np.zeros(1, np.int32), np.zeros(1), obs, np.zeros(1)), np.zeros(1, bool)

    def sampled() -> Transition:
        return storage.take(storage.span().index_of(rng.integers(len(storage), size=BATCH)))

    def copied() -> np.ndarray:
        return whole.take(rng.integers(len(whole), size=BATCH), axis=0, mode="clip")

    times = medians(
        {
            "sample 32: obs and next_obs": lambda: storage.take(
                storage.span().index_of(rng.integers(len(storage), size=BATCH))
            ),
            "copy 32 whole stacks": copied,
            "copy 64 whole stacks": lambda: (copied(), copied()),
            "look whether an episode begins": lambda: (step[0].obs != storage.next_obs).reshape(1, -1).any(axis=1),
            "add a step": lambda: storage.add(*step),
        },
        arguments.rounds,
    )
    sample, stacks, pairs = list(times.values())[:3]
    for name, microseconds in times.items():
        print(f"{name:32}{microseconds:8.1f} us")
    print(f"a sample takes {sample / stacks:.2f} of copying 32 stacks, {sample / pairs:.2f} of copying all 64")


if __name__ == "__main__":
    main()
