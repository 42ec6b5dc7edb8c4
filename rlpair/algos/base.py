"""What DQN and SAC share, backend-free: their common settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rlpair.errors import ConfigError, EnvError
from rlpair.nets.arch import ACTIVATIONS, Arch, Dense, threads_worth
from rlpair.nets.encoders import ENCODERS, PUBLISHED
from rlpair.types import EnvSpec

OPTIMIZERS = ("adam", "rmsprop", "sgd")
MOST_LAYERS = 100  # hidden ones; making and compiling thousands takes hours


@dataclass(frozen=True)
class OffPolicyConfig:
    """Settings of every off-policy learner, under Stable-Baselines3's names."""

    name: ClassVar[str]
    encoders: ClassVar[tuple[str, ...]] = ("none",)
    """What ``encoder`` may be; an algorithm that has networks for images takes nets/encoders.py's CHOICES."""
    before: ClassVar[Mapping[str, Any]] = {"encoder": "none"}
    """What settings were when there were none of their names: files of earlier versions lack them."""

    learning_rate: float = 3e-4
    """Step size of every optimizer, > 0."""
    buffer_size: int = 1_000_000
    """Transitions that the replay keeps, over all environments."""
    learning_starts: int = 100
    """Environment steps of uniformly random actions before the first update."""
    batch_size: int = 256
    """Transitions in a minibatch, drawn with replacement."""
    tau: float = 0.005
    """Target update: target <- (1 - tau) target + tau online, in (0, 1]; 1 is a hard copy."""
    gamma: float = 0.99
    """Discount factor, in [0, 1]."""
    train_freq: int = 1
    """Vector steps (one step of every environment) between two rounds of updates."""
    gradient_steps: int = 1
    """Updates in a round; -1 means as many as transitions were added since the last round."""
    target_update_interval: int = 1
    """Gradient updates between two updates of the target."""
    max_grad_norm: float | None = None
    """Gradients of a larger global norm are scaled down to it; null turns it off."""
    optimizer: str = "adam"
    """adam, rmsprop or sgd; the same equations in both backends."""
    net_arch: tuple[int, ...] = (256, 256)
    """Units of each hidden layer; after an encoder's own layers, where [] adds none."""
    activation: str = "relu"
    """relu, tanh, elu or silu, after each hidden layer; an encoder's own have relu."""
    encoder: str = "none"
    """What images go through first: none flattens them."""

    def __post_init__(self) -> None:
        check = self._check
        check("learning_rate", lambda x: 0 < x < float("inf"), "a number > 0")
        for key in ("buffer_size", "batch_size", "train_freq", "target_update_interval"):
            check(key, lambda x: x >= 1, "a whole number >= 1")
        check("learning_starts", lambda x: x >= 0, "a whole number >= 0")
        check("tau", lambda x: 0 < x <= 1, "a number in (0, 1]")
        check("gamma", lambda x: 0 <= x <= 1, "a number in [0, 1]")
        check("gradient_steps", lambda x: x >= 1 or x == -1, "a whole number >= 1, or -1 (one per new transition)")
        check("max_grad_norm", lambda x: x is None or 0 < x < float("inf"), "a number > 0, or null")
        check("optimizer", lambda x: x in OPTIMIZERS, "one of " + ", ".join(OPTIMIZERS))
        check("activation", lambda x: x in ACTIVATIONS, "one of " + ", ".join(ACTIVATIONS))
        object.__setattr__(self, "net_arch", tuple(self.net_arch))
        check("net_arch", lambda x: min(x, default=1) >= 1, "layer sizes >= 1, such as [256,256], or [] for none")
        check("net_arch", lambda x: len(x) <= MOST_LAYERS, f"at most {MOST_LAYERS} layers")
        check("encoder", lambda x: x in self.encoders, "one of " + ", ".join(self.encoders))
        allowed = f"at most algo.buffer_size={self.buffer_size}"
        check("batch_size", lambda x: x <= self.buffer_size, allowed)

    @property
    def threads(self) -> int:
        """How many threads of a CPU an update keeps busy: a process sets them before it knows the environment.

        So it is asked of the widest layer, as if as many inputs went in, and of an encoder that is named, with the
        images that it was published with.
        """
        widest = max(self.net_arch, default=1)
        encoder = ENCODERS[self.encoder](PUBLISHED[self.encoder]) if self.encoder in ENCODERS else ()
        return threads_worth(Arch((Dense(widest, widest), *encoder)), self.batch_size)

    def _check(self, key: str, accepts: Callable[[Any], Any], allowed: str) -> None:
        value = getattr(self, key)
        if not accepts(value):
            raise ConfigError(f"algo.{key}", value, allowed)

    def validate_spec(self, spec: EnvSpec) -> None:
        """Raise EnvError where this algorithm cannot act in such an environment."""
        raise EnvError(f"{self.name} does not say which action spaces it takes")
