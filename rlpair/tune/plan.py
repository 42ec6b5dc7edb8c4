"""What ``rlpair.tune`` is asked for, and the trainings of a trial."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rlpair.cli.arguments import resolve
from rlpair.config import RunConfig
from rlpair.envs.families import find as family_of
from rlpair.errors import ConfigError
from rlpair.runs.saved_run import resolve_config
from rlpair.settings.overrides import Pair
from rlpair.tune.config import TuneConfig
from rlpair.tune.space import Space, corners, split

EVALUATIONS = 10  # along the way: after each a trial may be given up
EPISODES = 20  # of each
FIRST_SEED = 1_000  # of a trial; what trains with the settings afterwards, from seed 0 on, was not what chose them
OWN = ("seed", "num_seeds", "run_dir", "resume", "eval_every", "eval_episodes", "checkpoint_every")  # not for the user


class Plan(NamedTuple):
    """A search, as its trials' trainings need it."""

    config: TuneConfig
    base: RunConfig  # the settings that the search begins from
    fixed: list[Pair]  # of train, as they were given
    space: Space

    @property
    def trainings(self) -> int:
        """How many of a trial come one after the other."""
        return 1 if self.base.mode == "fused" else self.config.seeds

    def run_dir(self, number: int, seed: int) -> Path:
        """Return the folder of a trial's training, OUT/trialN/seedK."""
        return Path(self.config.out, f"trial{number}", f"seed{seed}")

    def log(self, number: int, seed: int) -> Path:
        """Return what that training prints into, beside its folder."""
        return self.run_dir(number, seed).with_suffix(".log")

    def pairs(self, drawn: Sequence[Pair], number: int, seed: int) -> list[Pair]:
        """Return the arguments of train."""
        own = {"seed": str(FIRST_SEED + seed), "run_dir": str(self.run_dir(number, seed))}
        if self.base.mode == "fused":
            own["num_seeds"] = str(self.config.seeds)
        steps = {"eval_every": max(1, self.base.total_timesteps // EVALUATIONS), "eval_episodes": EPISODES}
        return [*self.fixed, *drawn, *own.items(), *((k, str(x)) for k, x in steps.items()), ("checkpoint_every", "0")]


def plan_of(config: TuneConfig, pairs: Sequence[Pair]) -> Plan:
    """Make the plan of a search from the settings that were given for train.

    ``mode`` is fused, where it is not given and the environment has a functional form.

    Raises:
        RLPairError: one that train does not take, or at some corner of the space.
    """
    given = dict(pairs)
    for key in OWN:
        if key in given:
            raise ConfigError(key, given[key], "left to tune; seeds=N says how many")
    algo = given.get("algo", "sac")
    fixed, space = split(pairs, algo)
    first = resolved(fixed)
    if "mode" not in given and first.backend == "jax" and family_of(first.env).functional:
        fixed = [*fixed, ("mode", "fused")]
    for drawn in corners(space):
        resolved([*fixed, *drawn])
    return Plan(config, resolved(fixed), fixed, space)


def resolved(pairs: Sequence[Pair]) -> RunConfig:
    """Return train's whole configuration. Raises ConfigError."""
    return resolve_config(*resolve(pairs, RunConfig, has_algo=True))
