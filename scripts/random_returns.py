"""What uniformly random actions get on each task of the benchmark: the zero of its normalised scores.

    python scripts/random_returns.py [suite ...]

Prints the mean return of 100 episodes (Atari: 20) of each task; rlpair/benchmark/suites.py holds these numbers.
"""

import sys
from typing import Any

import numpy as np

from rlpair.benchmark.suites import SUITES, Task
from rlpair.envs.make import make_envs
from rlpair.loops.host import evaluate
from rlpair.seeding import stream

EPISODES, ATARI_EPISODES = 100, 20


class RandomAgent:
    """Acts uniformly at random; of the rest of the contract an evaluation asks for nothing."""

    def __init__(self, envs: Any) -> None:
        self._envs, self._rng = envs, stream(0, "random returns")

    def act(self, obs: np.ndarray, explore: bool = False) -> np.ndarray:
        """An action for each environment, whatever it shows."""
        actions: np.ndarray = self._envs.sample_actions(self._rng)
        return actions


def random_return(task: Task) -> float:
    """The mean return of its episodes."""
    own = {key.removeprefix("env_kwargs."): value for key, value in task.settings.items()}
    envs = make_envs(task.env, 10, "sync", own)
    try:
        agent: Any = RandomAgent(envs)
        episodes = ATARI_EPISODES if task.env.startswith("ALE/") else EPISODES
        return float(evaluate(agent, envs, episodes, seed=0).returns.mean())
    finally:
        envs.close()


def main() -> None:
    """Print a line for each task of the suites that are named, or of all."""
    for suite in sys.argv[1:] or SUITES:
        for task in SUITES[suite]:
            print(f"{task.env} {random_return(task):.4g}", flush=True)


if __name__ == "__main__":
    main()
