"""What ``rlpair.compare`` is asked to measure, and the variants that come of it."""

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlpair.algos.registry import find
from rlpair.compare.variant import REPLAY, Variant, benchmark_of
from rlpair.config import check_choice
from rlpair.envs import families
from rlpair.errors import ConfigError, RLPairError, reason
from rlpair.make import open_playable
from rlpair.nets.encoders import names_of
from rlpair.presets import defaults
from rlpair.system.machine import has_gpu

MODES = {"eager": "torch", "compiled": "torch", "host": "jax", "fused": "jax", "seeds": "jax"}
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"num_envs": (1,), "num_seeds": (4,), "repeats": 3, "seconds": 1.0},
    "full": {"num_envs": (1, 8, 64), "num_seeds": (4, 16, 64), "repeats": 5, "seconds": 3.0},
}
QUICK = 155.0  # seconds to measure in: three minutes without the start, the last answers and the figure
MOST = {"num_envs": 10_000, "batch_size": REPLAY, "num_seeds": 10_000}
MOST_WEIGHTS = 2**26
FULL_BATCHES, FULL_NETS = (64, 1024), ((64, 64), (512, 512))  # beside the algorithm's own


@dataclass(frozen=True)
class CompareConfig:
    """Settings of ``python -m rlpair.compare``."""

    algo: tuple[str, ...] = ("dqn", "sac")
    """dqn, sac: a list."""
    backend: tuple[str, ...] = ("torch", "jax")
    """torch, jax: a list."""
    mode: tuple[str, ...] = ("eager", "compiled", "host", "fused", "seeds")
    """Of torch eager, compiled (torch.compile); of jax host (jitted), fused (the whole loop), seeds (many): a list."""
    device: tuple[str, ...] = ("cpu", "cuda")
    """cpu, cuda: a list; one that is not there is skipped with a line."""
    env: str | None = None
    """A Gymnasium id; null: CartPole-v1 for dqn, Pendulum-v1 for sac."""
    num_envs: tuple[int, ...] | None = None
    """Parallel environments: a list; null: the preset's. There is one update for each environment step."""
    batch_size: tuple[int, ...] | None = None
    """Transitions in a minibatch: a list; null: 128 for dqn, 256 for sac, and in the full preset 64 and 1024."""
    net_arch: tuple[Any, ...] | None = None
    """Hidden layers: a list of lists; null: [120,84] for dqn, [256,256] for sac, and in the full preset two more."""
    num_seeds: tuple[int, ...] | None = None
    """Seeds of mode seeds: a list; null: the preset's."""
    preset: str = "quick"
    """quick: under three minutes; what there is no time for is left out, and said. Lists of your own, repeats or
    seconds take as long as they need. full: an hour or more; it varies one list at a time around its first value."""
    repeats: int | None = None
    """Measurements of each variant, the variants in turns; null: the preset's."""
    seconds: float | None = None
    """Of each measurement of a loop; null: the preset's."""
    out: str | None = None
    """Folder for compare.json, compare.png, compare.md and TensorBoard, new or empty; null makes runs/compare/TIME."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError("preset", self.preset, "one of " + ", ".join(PRESETS))
        for algo in self._some("algo"):
            find(algo)
        for key, allowed in (("mode", tuple(MODES)), ("device", ("cpu", "cuda"))):
            for value in self._some(key):
                if value not in allowed:
                    raise ConfigError(key, value, "some of " + ", ".join(allowed))
        for backend in self._some("backend"):
            check_choice("backend", backend)
        for key, most in MOST.items():
            for value in self._some(key) if getattr(self, key) is not None else ():
                if not 1 <= value <= most:
                    raise ConfigError(key, value, f"whole numbers from 1 to {most}")
        for arch in self._some("net_arch") if self.net_arch is not None else ():
            if not isinstance(arch, tuple | list) or not arch or not all(type(x) is int and x >= 1 for x in arch):
                raise ConfigError("net_arch", arch, "lists of layer sizes >= 1, such as [[64,64],[256,256]]")
            if sum(a * b for a, b in itertools.pairwise((1, *arch))) > MOST_WEIGHTS:
                raise ConfigError("net_arch", arch, f"at most {MOST_WEIGHTS:,} weights between hidden layers")
        if self.repeats is not None and not 1 <= self.repeats <= 1_000:
            raise ConfigError("repeats", self.repeats, "a whole number from 1 to 1000")
        if self.seconds is not None and not 0 < self.seconds <= 3_600:  # a NaN is in no range
            raise ConfigError("seconds", self.seconds, "a number > 0, at most 3600")
        self._check_out()

    def _check_out(self) -> None:
        try:
            out = Path(self.out or ".")
            if self.out and out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise ConfigError("out", self.out, "a folder that is new or empty")
        except (OSError, ValueError) as error:  # a name too long, a byte that no name has, a folder that is not ours
            if isinstance(error, ConfigError):
                raise
            raise ConfigError("out", self.out, f"a folder that can be written to: {reason(error)}") from error

    @property
    def limit(self) -> float:
        """Seconds that measuring may take: the quick preset keeps its promise, what is asked for beyond it is done."""
        own = (self.num_envs, self.batch_size, self.net_arch, self.num_seeds, self.repeats, self.seconds)
        return QUICK if self.preset == "quick" and all(value is None for value in own) else math.inf

    def _some(self, key: str) -> Sequence[Any]:
        values: Sequence[Any] = getattr(self, key)
        if not values:
            raise ConfigError(key, list(values), "a list with something in it")
        return values

    def filled(self) -> "CompareConfig":
        """Return these settings with the preset's values where none are given."""
        return replace(self, **{k: v for k, v in PRESETS[self.preset].items() if getattr(self, k) is None})


def grid(
    config: CompareConfig, devices: Mapping[str, Sequence[str]], encoders: Mapping[str, str] | None = None
) -> list[list[Variant]]:
    """Return the variants, workload by workload. ``devices``: each with the backends that compute there; ``encoders``:
    what the images of each algorithm's environment go through.
    """
    workloads = []
    for algo, device in itertools.product(config.algo, devices):
        encoder = (encoders or {}).get(algo, "none")
        base = benchmark_of(algo, encoder)
        full = config.preset == "full"
        batches = config.batch_size or (base.batch_size, *(FULL_BATCHES if full else ()))
        nets = config.net_arch or (base.net_arch, *(FULL_NETS if full else ()))
        env = config.env or defaults(find(algo).name, None)["env"]
        axes = [config.num_envs or (), batches, nets]
        first = tuple(axis[0] for axis in axes)
        for point in itertools.product(*axes):
            if full and sum(a != b for a, b in zip(point, first, strict=True)) > 1:
                continue
            workload = variants_of(config, algo, env, device, point, is_first=point == first)
            here = [variant for variant in workload if variant.backend in devices[device]]
            workloads.append([variant._replace(encoder=encoder) for variant in here])
    return [workload for workload in workloads if workload]


def variants_of(
    config: CompareConfig, algo: str, env: str, device: str, point: tuple[Any, ...], is_first: bool
) -> Iterator[Variant]:
    """Return the variants of one workload, in modes that its family has; the first alone has all numbers of seeds."""
    family = families.find(env)
    for mode in config.mode:
        backend = MODES[mode]
        can = family.functional is not None if mode in ("fused", "seeds") else family.on_host
        if backend not in config.backend or not can:
            continue
        seeds = (config.num_seeds or ()) if mode == "seeds" else (1,)
        for num_seeds in seeds if is_first else seeds[:1]:
            num_envs, batch_size, net_arch = point
            yield Variant(algo, env, backend, mode, device, num_envs, batch_size, net_arch, num_seeds)


def check_envs(config: CompareConfig) -> dict[str, str]:
    """Return the encoder that each algorithm's observations go through, or ``none``.

    Raises:
        EnvError: an environment is not there, or not one for its algorithm.
        ConfigError: its images are none for the encoders that there are.
    """
    encoders = {}
    for algo in config.algo:
        envs = open_playable(config.env or defaults(find(algo).name, None)["env"])
        envs.close()
        benchmark = find(algo).benchmark
        benchmark.validate_spec(envs.spec)
        encoders[algo] = names_of(benchmark.encoder, envs.spec) if "auto" in benchmark.encoders else "none"
    return encoders


def present(devices: Sequence[str], backends: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the devices that are there, each with the backends that find it; say on stderr what is skipped."""
    found = {}
    for device in devices:
        having = tuple(backend for backend in backends if device == "cpu" or finds_gpu(backend))
        if having:
            found[device] = having
        for backend in backends if having else ():
            if backend not in having:
                print(f"rlpair: device={device} is skipped in backend={backend}: it finds no GPU here", file=sys.stderr)
        if not having:
            print(f"rlpair: device={device} is skipped: there is no GPU here", file=sys.stderr)
    if not found:
        raise ConfigError("device", list(devices), "one that is here, such as cpu")
    return found


def finds_gpu(backend: str) -> bool:
    """Return whether the backend finds a GPU; say on stderr why it could not be asked."""
    try:
        return has_gpu(backend)
    except RLPairError as error:
        print(f"rlpair: {error}", file=sys.stderr)
        return False
