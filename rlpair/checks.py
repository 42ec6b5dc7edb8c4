"""The learning check of ``rlpair.compare``: what a loop has to reach before its speed is reported.

Measured with the fused loop and the workloads' own settings, each evaluation of ten greedy episodes: of 48 sound seeds
of DQN all reach 100 after 4,000 steps (the least 122) and after 5,000 (108); later single evaluations dip, a twentieth
of them below 95 after 10,000 steps, which is why there are several. Of 8 sound seeds of SAC the least has -1,038 after
3,000 steps and -378 after 3,500. Random actions get 22 and -1,200. How often a loop that is broken in other ways passes
(no learning, a target that never moves, a wrong sign) has not been measured.
"""

from collections.abc import Callable
from typing import NamedTuple


class Check(NamedTuple):
    """A greedy return, and how long a loop has for it."""

    env_steps: int  # before the first evaluation
    least: float  # the mean return of an evaluation that passes
    evaluations: int  # at most: one that passes is the last
    between: int  # env steps


CHECKS = {"CartPole-v1": Check(4_000, 100.0, 6, 2_000), "Pendulum-v1": Check(3_000, -400.0, 4, 500)}


def best_return(check: Check, env_steps: int, advance: Callable[[int], None], evaluate: Callable[[], float]) -> float:
    """The best mean return of its evaluations, the last of which passes or is the last that there is.

    ``advance`` trains up to so many steps, ``env_steps`` are those so far.
    """
    best, begin = float("-inf"), max(check.env_steps, env_steps)
    for k in range(check.evaluations):
        advance(begin + k * check.between)
        best = max(best, evaluate())
        if best >= check.least:
            break
    return best
