"""What a run is made of."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rlpair.algos.registry import find
from rlpair.algos.sac import SACConfig
from rlpair.errors import ConfigError, check_one_of
from rlpair.settings.groups import groups_of
from rlpair.types import DTYPES

CHOICES = {
    "backend": ("torch", "jax"),
    "vectorization": ("sync", "async"),
    "device": ("auto", "cpu", "cuda"),
    "dtype": DTYPES,
    "matmul_precision": ("highest", "high"),
    "mode": ("host", "fused"),
}
MOST_ENVS, MOST_SEEDS = 10_000, 100_000  # on the host each environment is an object; seeds have a record each
MOST_EPISODES = 100_000  # of an evaluation; the fused loop plays them all at once


def check_choice(key: str, value: object) -> None:
    """Raise ConfigError unless the value is one that the key takes."""
    check_one_of(key, value, CHOICES[key])


def check_compile(compile: bool, backend: str) -> None:
    """Raise ConfigError where there is nothing that torch.compile could do."""
    if compile and backend != "torch":
        raise ConfigError("compile", compile, f"false with backend={backend}, which is always compiled")


@dataclass(frozen=True)
class LoopConfig:
    """Settings of the training loop."""

    total_timesteps: int = 50_000
    """Environment steps, over all environments."""
    seed: int = 0
    """Of everything random."""
    eval_every: int = 0
    """Environment steps between greedy evaluations on environments of their own; 0 turns them off."""
    eval_episodes: int = 10
    """Episodes of an evaluation."""
    checkpoint_every: int = 0
    """Environment steps between checkpoints; 0 leaves the last one, which is always written."""
    log_every: int = 250
    """Environment steps between records of episodes, losses and speed."""

    def __post_init__(self) -> None:
        for key in ("total_timesteps", "eval_episodes", "log_every"):
            self._at_least(key, 1)
        for key in ("seed", "eval_every", "checkpoint_every"):
            self._at_least(key, 0)
        self._at_most("total_timesteps", 2**62)
        self._at_most("eval_episodes", MOST_EPISODES)

    def _at_least(self, key: str, least: int) -> None:
        if getattr(self, key) < least:
            raise ConfigError(key, getattr(self, key), f"a whole number >= {least}")

    def _at_most(self, key: str, most: int) -> None:
        if getattr(self, key) > most:
            raise ConfigError(key, getattr(self, key), f"at most {most:,}")


@dataclass(frozen=True)
class RunConfig(LoopConfig):
    """Settings of a run of ``python -m rlpair.train``."""

    algo: Any = field(default_factory=SACConfig)
    """The algorithm, dqn or sac; its own settings are algo.KEY."""
    backend: str = "jax"
    """torch or jax."""
    env: str = "Pendulum-v1"
    """Any Gymnasium id; module:id imports the module first, which registers it."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environment: env_kwargs.KEY=VALUE."""
    num_envs: int = 1
    """Environments that are stepped together."""
    vectorization: str = "sync"
    """sync: one after the other; async: each in a process of its own."""
    device: str = "auto"
    """auto (the GPU if there is one), cpu or cuda."""
    matmul_precision: str = "highest"
    """Of float32 matrix products: highest, or high, which lets a GPU use TF32."""
    compile: bool = False
    """backend=torch: torch.compile on the update, replayed as a CUDA graph on a GPU; the first update takes a while."""
    mode: str = "host"
    """host: Gymnasium's environments; fused: everything compiled (backend=jax, classic control)."""
    num_seeds: int = 1
    """Independent agents of seed, seed + 1, ... (mode=fused)."""
    run_dir: str | None = None
    """Folder for all that the run writes, new or empty; null makes runs/ENV/ALGO-BACKEND/seedN-TIME."""
    resume: str | None = None
    """A run_dir or one of its checkpoints: go on there, with its settings; what else is given changes them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("num_envs", 1)
        self._at_least("num_seeds", 1)
        self._at_most("num_envs", MOST_ENVS if self.mode == "host" else 2**31 - 1)
        self._at_most("num_seeds", MOST_SEEDS)
        if self.mode == "host" and self.num_seeds > 1:
            raise ConfigError("num_seeds", self.num_seeds, "1 in mode=host; mode=fused trains many")
        if self.mode == "fused":
            self._check_fused()
        for key in ("backend", "vectorization", "device", "matmul_precision", "mode"):
            check_choice(key, getattr(self, key))
        check_compile(self.compile, self.backend)
        starts, size = self.algo.learning_starts, self.algo.buffer_size
        if starts >= self.total_timesteps:
            raise ConfigError("algo.learning_starts", starts, f"less than total_timesteps={self.total_timesteps}")
        if size < self.num_envs:
            raise ConfigError("algo.buffer_size", size, f"at least num_envs={self.num_envs}")

    def _check_fused(self) -> None:
        """Raise ConfigError where the compiled loop cannot: it is JAX's, and counts in int32."""
        if self.backend != "jax":
            raise ConfigError("mode", self.mode, f"host with backend={self.backend}; fused needs backend=jax")
        if self.total_timesteps // self.num_envs >= 2**31:
            raise ConfigError("total_timesteps", self.total_timesteps, f"less than 2**31 * num_envs={self.num_envs}")
        if self.algo.buffer_size >= 2**31:
            raise ConfigError("algo.buffer_size", self.algo.buffer_size, "less than 2**31 with mode=fused")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as config.yaml has them: plain values, the algorithm's under ``algo`` with its name."""
        values = asdict(self)
        return values | {"algo": {"name": self.algo.name, **values["algo"]}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a configuration of what ``to_dict`` returns. Raises ConfigError for a value that is out of range."""
        algo = dict(values["algo"])
        groups = {name: group(**values[name]) for name, group in groups_of(cls).items()}
        return cls(**(values | groups | {"algo": find(algo.pop("name")).config(**algo)}))
