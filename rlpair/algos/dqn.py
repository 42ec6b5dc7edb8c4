r"""DQN: the equations and the settings that both twins share. Backend-free.

Mnih et al. 2015, "Human-level control through deep reinforcement learning"; van Hasselt et al. 2016, "Deep
Reinforcement Learning with Double Q-learning". A transition is (s, a, r, s', terminated); w is its weight (1 if none
is given), theta are the parameters and theta' the target parameters.

(D1) discount   gamma_t = gamma * (1 - terminated), unless the batch brings its own. A truncated step bootstraps.
(D2) target     y = r + gamma_t * max_a Q(s', a; theta')                           vanilla
                y = r + gamma_t * Q(s', argmax_a Q(s', a; theta); theta')          double_q
                No gradient flows through y.
(D3) loss       L = mean_b w_b * huber(y_b - Q(s_b, a_b; theta)),   huber(x) = x^2 / 2 if |x| <= 1 else |x| - 1/2
(D4) clip       g <- g * min(1, max_grad_norm / (||g|| + 1e-6)), the norm taken over all parameters together
(D5) step       theta <- optimizer(theta, g): adam (betas 0.9, 0.999), rmsprop (decay 0.99, not centred), or sgd;
                eps = 1e-8, outside the root
(D6) target     after every target_update_interval updates: theta' <- (1 - tau) theta' + tau theta
(D7) epsilon    falls linearly from exploration_initial_eps to exploration_final_eps over exploration_steps environment
                steps; each environment tosses its own coin
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from rlpair.algos.base import OffPolicyConfig
from rlpair.errors import EnvError
from rlpair.nets.arch import Arch, Networks, mlp
from rlpair.nets.encoders import CHOICES, encoder_of
from rlpair.types import Array, EnvSpec


@dataclass(frozen=True)
class DQNConfig(OffPolicyConfig):
    """Settings of DQN. The defaults learn CartPole-v1 within 10,000 steps: tests/algos/test_learning.py."""

    name: ClassVar[str] = "dqn"
    encoders: ClassVar[tuple[str, ...]] = CHOICES

    learning_rate: float = 5e-4
    """Step size of the optimizer, > 0."""
    batch_size: int = 64
    """Transitions in a minibatch, drawn with replacement."""
    tau: float = 0.02
    """Target update: target <- (1 - tau) target + tau online, in (0, 1]; 1 is a hard copy."""
    train_freq: int = 4
    """Vector steps (one step of every environment) between two rounds of updates."""
    target_update_interval: int = 1
    """Gradient updates (not environment steps) between two updates of the target."""
    max_grad_norm: float | None = 10.0
    """Gradients of a larger global norm are scaled down to it; null turns it off."""
    encoder: str = "auto"
    """Of images: nature (from 36 x 36 on), minatar, impala, or none, which flattens them; auto takes by their size."""
    double_q: bool = False
    """Double Q-learning: the online network chooses the next action, the target network values it."""
    exploration_steps: int = 5_000
    """Environment steps over which epsilon falls."""
    exploration_initial_eps: float = 1.0
    """Epsilon at the first step, in [0, 1]."""
    exploration_final_eps: float = 0.05
    """Epsilon once it has fallen, in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("exploration_steps", lambda x: x >= 1, "a whole number >= 1")
        for key in ("exploration_initial_eps", "exploration_final_eps"):
            self._check(key, lambda x: 0 <= x <= 1, "a number in [0, 1]")

    def validate_spec(self, spec: EnvSpec) -> None:
        """Raise EnvError unless actions are Discrete."""
        if not spec.discrete:
            raise EnvError("dqn needs a Discrete action space and this environment has a Box: use algo=sac")


class Hyper(NamedTuple):
    """The numbers in the equations: float scalars, which JAX code may vmap over."""

    learning_rate: Array
    gamma: Array
    tau: Array
    max_grad_norm: Array  # inf: no clip
    initial_eps: Array
    final_eps: Array
    exploration_steps: Array


def hyperparameters(config: DQNConfig, spec: EnvSpec) -> Hyper:
    """Return the settings as numbers for the equations."""
    return Hyper(
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        tau=config.tau,
        max_grad_norm=np.inf if config.max_grad_norm is None else config.max_grad_norm,
        initial_eps=config.exploration_initial_eps,
        final_eps=config.exploration_final_eps,
        exploration_steps=float(config.exploration_steps),
    )


def networks(config: DQNConfig, spec: EnvSpec) -> Networks:
    """Return ``q``: one network from observation to a value per action; of an image, its encoder's layers first."""
    encoder = encoder_of(config.encoder, spec)
    features = encoder[-1].outputs if encoder else math.prod(spec.obs_shape)
    head = mlp(features, config.net_arch, spec.action_dim, config.activation)
    return {"q": [Arch((*encoder, *head.layers))]}


def update_flop(config: DQNConfig, networks: Networks) -> int:
    """Return the operations of the networks in an update: one is trained, its target and in (D2) itself are asked."""
    (q,) = networks["q"]
    return config.batch_size * (q.training_flop + (2 if config.double_q else 1) * q.forward_flop)


# What the peers' published benchmarks measure.
BENCHMARK = DQNConfig(
    learning_rate=1e-3,
    batch_size=128,
    net_arch=(120, 84),
    tau=1.0,
    target_update_interval=500,
    exploration_steps=5_000,
    train_freq=1,
)
# The same from images: Atari's, as CleanRL publishes it.
IMAGE_BENCHMARK = DQNConfig(
    learning_rate=1e-4,
    batch_size=32,
    net_arch=(),
    tau=1.0,
    target_update_interval=250,
    exploration_steps=1_000_000,
    train_freq=4,
)
PARITY = {
    "DQN": DQNConfig(learning_rate=1e-4, net_arch=(64, 64), tau=0.005),
    "double DQN": DQNConfig(learning_rate=1e-4, net_arch=(64, 64), double_q=True, tau=1.0, target_update_interval=10),
    "DQN, nature encoder": DQNConfig(learning_rate=1e-4, encoder="nature", net_arch=(), tau=0.005),
}
# What rlpair.tune looks through: what an update is, not how many there are, which is a price.
SEARCH = {
    "algo.learning_rate": "tag(log,interval(1e-4,3e-3))",
    "algo.batch_size": "choice(32,64,128,256)",
    "algo.gamma": "choice(0.98,0.99,0.995)",
    "algo.tau": "tag(log,interval(2e-3,5e-2))",
    "algo.exploration_final_eps": "interval(0.01,0.1)",
}
