r"""TD3, an algorithm from outside the package: settings, equations and the record. Its learners are beside it.

    cd examples; python -m rlpair.train algo=td3:td3 backend=jax env=Pendulum-v1

Fujimoto et al. 2018, "Addressing Function Approximation Error in Actor-Critic Methods". Actions are in [-1, 1]; xi is
the standard-normal noise of an update.

(T1) smoothing  a' = clip(pi(s'; phi') + clip(target_noise * xi, -noise_clip, noise_clip), -1, 1)
(T2) target     y = r + gamma_t * min_i Q(s', a'; theta_i'),  gamma_t as in (S1). No gradient flows through y.
(T3) critics    L = sum_i mean_b w_b * (Q(s_b, a_b; theta_i) - y_b)^2 / 2
(T4) actor      L = -mean_b w_b * Q(s_b, pi(s_b; phi); theta_0), every policy_delay updates, after the critics' step
(T5) targets    at the same updates: theta' <- (1 - tau) theta' + tau theta, and phi' likewise
(T6) exploring  a = clip(pi(s; phi) + exploration_noise * xi, -1, 1)
"""

import math
from collections import namedtuple
from dataclasses import dataclass
from typing import ClassVar

import rlpair
from rlpair.algos.base import OffPolicyConfig
from rlpair.errors import EnvError
from rlpair.nets.arch import Networks, mlp
from rlpair.types import EnvSpec


@dataclass(frozen=True)
class TD3Config(OffPolicyConfig):
    """Settings of TD3."""

    name: ClassVar[str] = "td3"

    learning_rate: float = 1e-3
    """Step size of every optimizer, > 0."""
    policy_delay: int = 2
    """Updates of the critics for each one of the actor and of the targets."""
    target_noise: float = 0.2
    """Standard deviation of the noise on the target's action."""
    noise_clip: float = 0.5
    """The most of it."""
    exploration_noise: float = 0.1
    """Standard deviation of the noise on the actions that explore."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("policy_delay", lambda x: x >= 1, "a whole number >= 1")
        for key in ("target_noise", "noise_clip", "exploration_noise"):
            self._check(key, lambda x: 0 <= x < math.inf, "a number >= 0")

    def validate_spec(self, spec: EnvSpec) -> None:
        """Raises EnvError unless actions are a Box."""
        if spec.discrete:
            raise EnvError("td3 needs a Box action space and this environment has a Discrete one: use algo=dqn")


Hyper = namedtuple("Hyper", "learning_rate gamma tau target_noise noise_clip exploration_noise")  # in the equations


def hyperparameters(config: TD3Config, spec: EnvSpec) -> Hyper:
    """The settings as numbers for the equations."""
    return Hyper(**{name: getattr(config, name) for name in Hyper._fields})


def networks(config: TD3Config, spec: EnvSpec) -> Networks:
    """Returns ``actor``, a network from observation to action, and ``critic``, two of observation and action."""
    obs_size = math.prod(spec.obs_shape)
    actor = mlp(obs_size, config.net_arch, spec.action_dim, config.activation)
    return {"actor": [actor], "critic": [mlp(obs_size + spec.action_dim, config.net_arch, 1, config.activation)] * 2}


rlpair.register(
    rlpair.Algorithm(
        module=__name__,
        config=TD3Config,
        hyperparameters=hyperparameters,
        networks=networks,
        benchmark=TD3Config(),
        parity={"TD3": TD3Config()},
        num_noises=1,
        presets={"*": {"env": "Pendulum-v1", "total_timesteps": 20_000, "algo.learning_starts": 1_000}},
    )
)
