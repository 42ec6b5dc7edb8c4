"""Does the learning check of ``rlpair.compare`` tell sound learners from broken ones?

    python scripts/learning_check.py [--only WORD]

Runs the check in the variants of ``compare`` (variant.py and checks.py of rlpair/compare) over many seeds: of sound
learners in each loop, and in the fused loop of learners with a fault each. Prints the table of docs/compare.md, row by
row: how many of the seeds pass, the upper 95 % bound of how often they fail (sound) or pass (faulty), and the least,
median and greatest of the returns that the check judged by.
"""

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from rlpair.algos.registry import find
from rlpair.compare import variant as variant_module
from rlpair.compare.checks import CHECKS, best_return
from rlpair.compare.variant import FusedVariant, HostVariant, Variant
from rlpair.loops.fused import make_seeds
from rlpair.make import configure_process
from rlpair.system.workers import Workers, usable_cores

ENVS = {"dqn": "CartPole-v1", "sac": "Pendulum-v1"}
BACKENDS = {"host": "jax", "eager": "torch", "seeds": "jax"}  # by mode
LOOPS = {"host": "jax, host loop", "eager": "torch, host loop", "seeds": "jax, fused loop"}
SOUND = "sound"


class Row(NamedTuple):
    """Seeds of one kind."""

    algo: str
    mode: str
    fault: str
    seeds: int


def with_hyper(learner: Any, **factors: float) -> Any:
    """The learner with hyperparameters multiplied by these."""

    def init(params: Any, hyper: Any) -> Any:
        return learner.init(params, hyper._replace(**{key: getattr(hyper, key) * x for key, x in factors.items()}))

    return learner._replace(init=init)


def with_batches(learner: Any, **factors: float) -> Any:
    """The learner that is handed batches whose fields are multiplied by these."""

    def update(state: Any, batch: Any, noise: Any) -> Any:
        changed = batch._replace(**{key: getattr(batch, key) * x for key, x in factors.items()})
        return learner.update(state, changed, noise)

    return learner._replace(update=update)


def with_random_actions(learner: Any, spec: Any) -> Any:
    """The learner whose greedy actions are random: drawn by a key that is made of the observations."""
    import jax
    import jax.numpy as jnp

    from rlpair.loops.fused_jax import random_actions

    def greedy(state: Any, obs: Any) -> Any:
        seed = jax.lax.bitcast_convert_type(obs.astype(jnp.float32), jnp.int32).sum()
        return random_actions(spec, jax.random.key(seed), obs.shape[:1])

    return learner._replace(greedy=greedy)


FAULTS: dict[str, Callable[[Any, Any], Any]] = {  # (learner, spec) -> learner
    SOUND: lambda learner, spec: learner,
    "learning rate 0": lambda learner, spec: with_hyper(learner, learning_rate=0.0),
    "wrong sign of every loss": lambda learner, spec: with_hyper(learner, learning_rate=-1.0),
    "target never moves": lambda learner, spec: with_hyper(learner, tau=0.0),
    "greedy actions are random": with_random_actions,
    "`terminated` ignored": lambda learner, spec: with_batches(learner, terminated=0.0),
    "rewards are 0": lambda learner, spec: with_batches(learner, reward=0.0),
}
ROWS = [
    *(Row("dqn", "seeds", fault, 64 if fault == SOUND else 20) for fault in FAULTS),
    *(Row("sac", "seeds", fault, 16 if fault == SOUND else 5) for fault in FAULTS),
    *(Row("dqn", mode, SOUND, 10) for mode in ("host", "eager")),
    *(Row("sac", mode, SOUND, 4) for mode in ("host", "eager")),
]


def returns_of(row: Row) -> np.ndarray:
    """The return (seeds,) that each seed's check judges by."""
    variant = Variant(row.algo, ENVS[row.algo], BACKENDS[row.mode], row.mode, "cpu", 1, 256, (256, 256), row.seeds)
    settings = find(row.algo).benchmark
    variant = variant._replace(batch_size=settings.batch_size, net_arch=settings.net_arch)
    check = CHECKS[variant.env]
    if row.mode == "seeds":
        return returns_of_many(variant, row.fault)
    configure_process(variant.backend, variant.config, variant.device)
    return np.array([HostVariant(variant._replace(num_seeds=1), seed).check(check) for seed in range(row.seeds)])


def returns_of_many(variant: Variant, fault: str) -> np.ndarray:
    """The same for seeds with a fault, which train together in this process."""
    learners: Any = importlib.import_module(f"{find(variant.algo).module}_jax")

    def make_learner(make: Callable[..., Any], config: Any, spec: Any, networks: Any, **kind: Any) -> Any:
        return FAULTS[fault](make(config, spec, networks, **kind), spec)

    def here(config: Any) -> Workers:
        return Workers(make_seeds, [(config, range(config.num_seeds))], [usable_cores()])

    vars(variant_module)["make_workers"] = here
    configure_process(variant.backend, variant.config, variant.device)
    learners.make_learner = partial(make_learner, learners.make_learner)
    built, check, judged = FusedVariant(variant), CHECKS[variant.env], np.full(variant.num_seeds, -np.inf)

    def evaluate() -> float:
        """The return of the seed that is worst so far; one that has passed is not looked at any more."""
        waiting = judged < check.least
        judged[waiting] = np.fmax(judged, built.greedy_returns())[waiting]
        return float(judged.min())

    best_return(check, built.env_steps, built.advance, evaluate)
    return judged


def line(row: Row, returns: np.ndarray) -> str:
    """Of the table."""
    passed = int((returns >= CHECKS[ENVS[row.algo]].least).sum())
    is_sound = row.fault == SOUND
    wrong = row.seeds - passed if is_sound else passed
    bound = binomtest(wrong, row.seeds, alternative="less").proportion_ci(0.95).high
    judged = " / ".join(f"{x:.0f}" for x in np.quantile(returns, [0, 0.5, 1]))
    what = "fail" if is_sound else "pass"
    kind = f"{row.algo.upper()} | {LOOPS[row.mode]} | {row.fault}"
    return f"| {kind} | {passed} of {row.seeds} | at most {100 * bound:.0f} % {what} | {judged} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows that have this in them, such as 'dqn seeds sound'")
    only = parser.parse_args().only
    print("| | loop | learner | pass | 95 % bound | return: least / median / greatest |\n|---|---|---|---|---|---|")
    rows = [row for row in ROWS if only in " ".join(map(str, row))]
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:  # frameworks are configured once a process
        for row, returns in zip(rows, pool.imap(returns_of, rows), strict=True):
            print(line(row, returns), flush=True)


if __name__ == "__main__":
    main()
