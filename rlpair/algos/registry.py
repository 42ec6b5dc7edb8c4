"""The algorithms that there are, each one record. One from outside the package joins by ``register``."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlpair.algos import dqn, sac
from rlpair.algos.base import OffPolicyConfig
from rlpair.errors import ConfigError, name_and_text
from rlpair.nets.arch import Networks, draw_params
from rlpair.types import EnvSpec, State


def trained_once(config: OffPolicyConfig, networks: Networks) -> int:
    """Return the operations in an update that trains every network once and asks its target once."""
    archs = [arch for archs in networks.values() for arch in archs]
    return config.batch_size * sum(arch.training_flop + arch.forward_flop for arch in archs)


def no_scalars(config: OffPolicyConfig) -> State:
    """Return no parameters."""
    return {}


def no_noise(config: OffPolicyConfig, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return no arrays."""
    return ()


@dataclass(frozen=True)
class Algorithm:
    """All that rlpair asks of an algorithm.

    Its learners are found by name, when they are wanted: ``make_learner`` of the modules ``<module>_torch`` and
    ``<module>_jax``, of which one may be missing.
    """

    module: str
    """Of its equations, ``rlpair.algos.dqn``; the learners' begin with the same name."""
    config: type[OffPolicyConfig]
    """Its settings, whose ``name`` is its name."""
    hyperparameters: Callable[[Any, EnvSpec], Any]
    """(config, spec) -> a NamedTuple of the numbers in the equations."""
    networks: Callable[[Any, EnvSpec], Networks]
    """(config, spec) -> its networks, by net: what both learners are made with."""
    benchmark: OffPolicyConfig
    """What ``rlpair.compare`` measures: ``train_freq`` are the environment steps for each update."""
    parity: Mapping[str, OffPolicyConfig]
    """What ``rlpair.parity`` compares, by the heading of its table."""
    update_flop: Callable[[Any, Networks], float] = trained_once
    """(config, networks) -> the floating-point operations of the networks in an update, for ``rlpair.compare``."""
    scalars: Callable[[Any], State] = no_scalars
    """config -> what the parameters that are in no network begin as, by name."""
    num_noises: int = 0
    """How many standard-normal arrays (B, A) an update takes."""
    other_noise: Callable[[Any, tuple[int, ...], np.random.Generator], tuple[np.ndarray, ...]] = no_noise
    """(config, leading shape, rng) -> what else an update draws, after those: what ``rlpair.parity`` gives to both."""
    image_benchmark: OffPolicyConfig | None = None
    """The same where observations are images; None: no other."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings by environment, as presets.py has them of DQN and SAC; the row "*" names the default environment."""
    search: Mapping[str, str] = field(default_factory=dict)
    """What ``rlpair.tune`` looks through where it is told no key, by dotted key in Hydra's words."""

    @property
    def name(self) -> str:
        """What ``algo`` is to find it."""
        return self.config.name

    def initial_params(self, config: Any, spec: EnvSpec, rng: np.random.Generator) -> State:
        """Return the parameters that both twins begin with, by name."""
        return draw_params(self.networks(config, spec), rng) | self.scalars(config)

    def make_learner(self, backend: str) -> Callable[..., Any]:
        """Return what makes its learner in torch or jax; imports the module. Raises ConfigError where there is none."""
        module = f"{self.module}_{backend}"
        try:
            found: Callable[..., Any] = importlib.import_module(module).make_learner
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise ConfigError("backend", backend, f"one that algo={self.name} has: there is no {module}") from error
        return found


_algorithms: dict[str, Algorithm] = {}
_addresses: dict[str, str] = {}  # module:name by name, as they were asked for


def register(algorithm: Algorithm) -> Algorithm:
    """Add an algorithm, or put it in the place of the one of its name. Returns it."""
    _algorithms[algorithm.name] = algorithm
    return algorithm


def names() -> tuple[str, ...]:
    """Return the names of all that are registered, in their order."""
    return tuple(_algorithms)


def algorithms() -> tuple[Algorithm, ...]:
    """Return all that are registered, in their order."""
    return tuple(_algorithms.values())


def find(name: object) -> Algorithm:
    """Find the algorithm of a name, or of ``module:name``, which imports the module first, so that it registers it.

    Only for what a user has asked for: a name out of a file goes through ``registered``.

    Raises:
        ConfigError: there is none.
    """
    module, colon, own = name.rpartition(":") if isinstance(name, str) else ("", "", name)
    if colon:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
                raise ConfigError("algo", name, f"there is no module {error.name}") from error
            raise ConfigError("algo", name, f"importing {module} raised {name_and_text(error)}") from error
    if (found := registered(own)) is None:
        raise ConfigError("algo", name, f"one of {', '.join(names())}")
    if colon:
        _addresses[found.name] = f"{module}:{found.name}"
    return found


def address_of(name: str) -> str:
    """Return what finds the algorithm in another process too: ``module:name`` where it was found so, else its name."""
    return _addresses.get(name, name)


def registered(name: object) -> Algorithm | None:
    """Return the algorithm of a name, whatever that is; None if there is none. Imports nothing."""
    return _algorithms.get(name) if isinstance(name, str) else None


register(
    Algorithm(
        dqn.__name__,
        dqn.DQNConfig,
        dqn.hyperparameters,
        dqn.networks,
        benchmark=dqn.BENCHMARK,
        image_benchmark=dqn.IMAGE_BENCHMARK,
        parity=dqn.PARITY,
        search=dqn.SEARCH,
        update_flop=dqn.update_flop,
    )
)
register(
    Algorithm(
        sac.__name__,
        sac.SACConfig,
        sac.hyperparameters,
        sac.networks,
        benchmark=sac.BENCHMARK,
        parity=sac.PARITY,
        search=sac.SEARCH,
        update_flop=sac.update_flop,
        scalars=sac.scalars,
        num_noises=2,
        other_noise=sac.random_offsets,
    )
)
