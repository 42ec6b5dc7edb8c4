"""What a run will take of memory, estimated before anything is allocated, and refused where it cannot fit."""

import math
import os
from typing import Any

from rlpair.errors import ConfigError
from rlpair.nets.arch import Networks, named_arrays
from rlpair.replay.buffer import replay_bytes
from rlpair.replay.storage import ring_bytes
from rlpair.types import EnvSpec

COPIES = 8  # of the parameters, at most: initial and own ones, targets, gradients, moments, what an update gives back
PROCESS_BYTES = 2**26  # of an environment in a process of its own: Python, numpy and Gymnasium


def host_bytes() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_networks(config: Any, networks: Networks) -> None:
    """Raise ConfigError where an agent's networks, targets, gradients and moments do not fit into this machine."""
    check_sum([("algo.net_arch", config.net_arch, network_bytes(networks))], host_bytes())


def check_run(config: Any, spec: EnvSpec, networks: Networks, available: int) -> None:
    """Raise ConfigError where a run does not fit into the bytes there are; it names the setting that takes the most.

    Args:
        config: a RunConfig.
        spec: of its environment.
        networks: of its algorithm.
        available: bytes, of all devices that share the seeds.
    """
    algo, seeds = config.algo, config.num_seeds
    updates = algo.train_freq * config.num_envs if algo.gradient_steps == -1 else algo.gradient_steps
    minibatch = 2 * ring_bytes(algo.batch_size, 1, spec)  # on the host and on the device
    activations = 4 * algo.batch_size * sum(arch.units for archs in networks.values() for arch in archs)
    processes = config.num_envs * PROCESS_BYTES if config.vectorization == "async" else 0
    parts = [
        ("algo.buffer_size", algo.buffer_size, seeds * replay_bytes(algo.buffer_size, config.num_envs, spec)),
        ("algo.batch_size", algo.batch_size, seeds * (minibatch + activations)),
        ("algo.gradient_steps", algo.gradient_steps, seeds * (updates - 1) * minibatch),
        ("algo.net_arch", algo.net_arch, seeds * network_bytes(networks)),
        ("num_envs", config.num_envs, processes),
    ]
    check_sum(parts, available)


def check_sum(parts: list[tuple[str, Any, int]], available: int) -> None:
    """Raise ConfigError of the largest part, (key, value, bytes), where their sum is more than what there is."""
    if (total := sum(count for _, _, count in parts)) <= available:
        return
    key, value, most = max(parts, key=lambda part: part[2])
    text = f"less: it takes {in_units(most)} of {in_units(total)}, and there are {in_units(available)}"
    raise ConfigError(key, value, text)


def network_bytes(networks: Networks) -> int:
    """Return the bytes of all that is kept of the parameters, in float64."""
    return COPIES * 8 * sum(math.prod(array.shape) for array in named_arrays(networks).values())


def in_units(count: float) -> str:
    """Write bytes for people: 34.0 TiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
