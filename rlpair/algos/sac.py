r"""SAC: the equations and the settings that both twins share. Backend-free.

Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications". A transition is (s, a, r, s', terminated); w is
its weight (1 if none is given); theta_i are the parameters of critic i, theta_i' those of its target, and alpha is the
temperature. xi' and xi are the two standard-normal noises of an update. Critics see, and log-probabilities are of,
actions in [-1, 1]; an affine map leads to the environment's box.

(S1) discount   gamma_t = gamma * (1 - terminated), unless the batch brings its own. A truncated step bootstraps.
(S2) policy     mean, log_std = actor(s), log_std clipped to [-20, 2];  u = mean + exp(log_std) * xi;  a = tanh(u)
                log_prob = sum_d [-xi^2 / 2 - log_std - log(2 pi) / 2 - 2 (log 2 - u - softplus(-2 u))]
                The last term is log(1 - tanh(u)^2) in a form that never underflows.
(S3) target     y = r + gamma_t * (min_i Q(s', a'; theta_i') - alpha * log_prob(a')),  a' from (S2) with xi'
                No gradient flows through y.
(S4) critics    L = sum_i mean_b w_b * (Q(s_b, a_b; theta_i) - y_b)^2 / 2
(S5) actor      L = mean_b w_b * (alpha * log_prob_b - min_i Q(s_b, a_b; theta_i)),  a from (S2) with xi. The critics
                are those after their step and get no gradient; critics that tie in the minimum share it.
(S6) alpha      L = mean_b w_b * -log_alpha * (log_prob_b + target_entropy), log_prob from (S5), detached; only if
                ent_coef is auto. In (S3) and (S5) alpha is the value before this step.
(S7) clip       off by default; else as in (D4), for actor and critics apart
(S8) step       optimizers as in (D5); order: critics, actor, alpha, targets
(S9) targets    after every target_update_interval updates: theta_i' <- (1 - tau) theta_i' + tau theta_i
(S10) encoder   of images: in (S2) to (S5) f(s; phi) stands for s, phi being an encoder's parameters. The critics' loss
                alone trains it: L of (S4) falls along theta_i and phi together, each with an optimizer of its own. The
                actor sees f detached, in (S5) that after its step. The target has an encoder of its own:
                y = r + gamma_t * (min_i Q(f(s'; phi'), a'; theta_i') - alpha * log_prob(a')),  a' from f(s'; phi),
                phi' <- (1 - tau) phi' + tau phi  with (S9). theta_i' fit the features that phi' remembers: with
                f(s'; phi), y would move at once with every step of phi. The policy in y is the actor's of now, trained
                on f(s'; phi).
(S11) shift     with random_shift = p > 0 every image of a batch, s and s' apart, is padded by p pixels that repeat its
                border, and cut to its size d rows from the top and e columns from the left, d and e drawn uniformly
                from 0 to 2 p: before all else in an update, never in acting (DrQ with K = M = 1; Kostrikov et al. 2020,
                "Image Augmentation Is All You Need")
"""

import math
import re
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from rlpair.algos.base import OffPolicyConfig
from rlpair.errors import ConfigError, EnvError
from rlpair.nets.arch import Arch, Networks, mlp
from rlpair.nets.encoders import CHOICES, encoder_of
from rlpair.types import Array, EnvSpec, State

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0


@dataclass(frozen=True)
class SACConfig(OffPolicyConfig):
    """Settings of SAC."""

    name: ClassVar[str] = "sac"
    encoders: ClassVar[tuple[str, ...]] = CHOICES

    ent_coef: float | str = "auto"
    """Entropy temperature alpha: auto learns it from 1, auto_0.1 learns it from 0.1, a number > 0 fixes it."""
    target_entropy: float | str = "auto"
    """Entropy that a learned alpha aims at; auto is -action_dim."""
    n_critics: int = 2
    """Critics whose minimum is taken."""
    encoder: str = "auto"
    """Of images: nature (from 36 x 36 on), minatar, impala, or none, which flattens them; auto takes by their size."""
    random_shift: int = 0
    """Pixels by which the images of a minibatch are shifted at most, at random; 0: not at all. DrQ's are 4."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("random_shift", lambda x: x >= 0, "a whole number of pixels >= 0")
        self._check("n_critics", lambda x: 1 <= x <= 100, "a whole number from 1 to 100")
        self._check("ent_coef", lambda x: initial_alpha(x) is not None, "auto, auto_X or a number X, with X > 0")
        self._check("target_entropy", lambda x: x == "auto" or not isinstance(x, str), "auto or a number")

    @property
    def learns_alpha(self) -> bool:
        """Whether the temperature is learned."""
        return isinstance(self.ent_coef, str)

    def validate_spec(self, spec: EnvSpec) -> None:
        """Raise EnvError unless actions are a Box."""
        if spec.discrete:
            raise EnvError("sac needs a Box action space and this environment has a Discrete one: use algo=dqn")


def initial_alpha(ent_coef: float | str) -> float | None:
    """Return the temperature at the start; None where ``ent_coef`` has none of the allowed forms."""
    if isinstance(ent_coef, str):
        ent_coef = {"auto": "auto_1"}.get(ent_coef, ent_coef)
        match = re.fullmatch(r"auto_(\d*\.?\d+(?:e-?\d+)?)", ent_coef)
        ent_coef = float(match[1]) if match else 0.0
    return ent_coef if 0 < ent_coef < np.inf else None


class Hyper(NamedTuple):
    """The numbers in the equations: float scalars, which JAX code may vmap over."""

    learning_rate: Array
    gamma: Array
    tau: Array
    max_grad_norm: Array  # inf: no clip
    target_entropy: Array


def hyperparameters(config: SACConfig, spec: EnvSpec) -> Hyper:
    """Return the settings as numbers for the equations."""
    return Hyper(
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        tau=config.tau,
        max_grad_norm=np.inf if config.max_grad_norm is None else config.max_grad_norm,
        target_entropy=-float(spec.action_dim) if config.target_entropy == "auto" else float(config.target_entropy),
    )


def networks(config: SACConfig, spec: EnvSpec) -> Networks:
    """Return ``actor``, a network whose output is mean and log_std side by side, and ``critic``, some of observation
    and action; of images ``encoder`` before them, whose features both take for the observation.
    """
    layers = encoder_of(config.encoder, spec)
    if config.random_shift and (spec.parts or not layers):
        raise ConfigError("algo.random_shift", config.random_shift, "0 but for an image, alone, that has an encoder")
    size = layers[-1].outputs if layers else math.prod(spec.obs_shape)
    actor = mlp(size, config.net_arch, 2 * spec.action_dim, config.activation)
    critic = mlp(size + spec.action_dim, config.net_arch, 1, config.activation)
    encoder = {"encoder": [Arch(layers)]} if layers else {}
    return {**encoder, "actor": [actor], "critic": [critic] * config.n_critics}


def scalars(config: SACConfig) -> State:
    """Return what ``log_alpha`` begins as."""
    return {"log_alpha": np.log(np.asarray(initial_alpha(config.ent_coef)))}


def random_offsets(config: SACConfig, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the offsets of (S11), of s' and of s, (*shape, 2) int32 each; none without a shift."""
    if not config.random_shift:
        return ()
    return tuple(rng.integers(2 * config.random_shift + 1, size=(2, *shape, 2), dtype=np.int32))


def update_flop(config: SACConfig, networks: Networks) -> int:
    """Return the operations of the networks in an update.

    The actor is trained and gives the next action; of each critic the target is asked, it is trained, and the actor's
    gradient goes through it to the action, which costs a forward pass and as much again. An encoder is trained, gives
    the actor its features, and those of what comes next, which its target gives too.
    """
    actors, critics, encoders = networks["actor"], networks["critic"], networks.get("encoder", ())
    through = sum(critic.training_flop + 3 * critic.forward_flop for critic in critics)
    if encoders:  # whose gradient is that of the critics' inputs
        through += sum(2 * critic.layers[0].multiply_adds for critic in critics)
    seen = sum(encoder.training_flop + 3 * encoder.forward_flop for encoder in encoders)
    return config.batch_size * (through + seen + sum(actor.training_flop + actor.forward_flop for actor in actors))


BENCHMARK = SACConfig(learning_rate=1e-3)  # as the peers' published benchmarks, but for the rate, RL-Zoo's for Pendulum
PARITY = {
    "SAC": SACConfig(),
    "SAC, fixed alpha": SACConfig(ent_coef=0.2),
    "SAC, nature encoder": SACConfig(encoder="nature", random_shift=4),
}
# What rlpair.tune looks through: what an update is, not how many there are, which is a price.
SEARCH = {
    "algo.learning_rate": "tag(log,interval(1e-4,3e-3))",
    "algo.batch_size": "choice(64,128,256,512)",
    "algo.gamma": "choice(0.98,0.99,0.995)",
    "algo.tau": "tag(log,interval(2e-3,5e-2))",
}
