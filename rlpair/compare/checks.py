"""The learning check of ``rlpair.compare``: what a loop has to reach before its speed is reported.

Measured by ``scripts/learning_check.py`` (docs/compare.md has the table), with the fused loop and the workloads' own
settings, each evaluation of ten greedy episodes. DQN: all of 64 sound seeds reach 100 (the least 122), and none of 20
with a learning rate of 0, the wrong sign, a target that never moves, random actions or ``terminated`` ignored: they
reach at most 59. It cannot see that rewards are lost: CartPole's are all 1, and what ends an episode teaches enough.
SAC: all of 16 sound seeds reach -600 (the least passes with -546); of 25 with such faults the best reaches -1,177.
"""

from collections.abc import Callable
from typing import NamedTuple


class Check(NamedTuple):
    """A greedy return, and how long a loop has for it."""

    env_steps: int  # before the first evaluation
    least: float  # the mean return of an evaluation that passes
    evaluations: int  # at most: one that passes is the last
    between: int  # env steps


CHECKS = {"CartPole-v1": Check(4_000, 100.0, 6, 2_000), "Pendulum-v1": Check(3_000, -600.0, 4, 500)}


def best_return(check: Check, env_steps: int, advance: Callable[[int], None], evaluate: Callable[[], float]) -> float:
    """Return the best mean return of its evaluations, the last of which passes or is the last that there is.

    ``advance`` trains up to so many steps, ``env_steps`` are those so far.
    """
    best, begin = float("-inf"), max(check.env_steps, env_steps)
    for k in range(check.evaluations):
        advance(begin + k * check.between)
        best = max(best, evaluate())
        if best >= check.least:
            break
    return best
