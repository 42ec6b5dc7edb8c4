"""What a run will take of memory, estimated before anything is allocated, and refused where it cannot fit."""

import os
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from rlpair.algos.base import Network
from rlpair.errors import ConfigError
from rlpair.replay import replay_bytes
from rlpair.types import EnvSpec

COPIES = 8  # of the parameters, at most: initial and own ones, targets, gradients, moments, what an update is given back
PROCESS_BYTES = 2**26  # of an environment in a process of its own: Python, numpy and Gymnasium


def host_bytes() -> int:
    """Of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_networks(config: Any, networks: Iterable[Network], available: int | None = None) -> None:
    """Raises ConfigError where the networks, their targets, gradients and moments do not fit into memory."""
    check_sum([("algo.net_arch", config.net_arch, network_bytes(networks))], host_bytes() if available is None else available)


def check_run(config: Any, spec: EnvSpec, networks: Iterable[Network], available: int) -> None:
    """Raises ConfigError where a run does not fit into the bytes there are; names the setting that takes the most.

    Args:
        config: a RunConfig.
        spec: of its environment.
        networks: of its algorithm.
        available: bytes, of all devices that share the seeds.
    """
    algo, seeds, networks = config.algo, config.num_seeds, list(networks)
    new = algo.train_freq * config.num_envs
    updates = new if algo.gradient_steps == -1 else algo.gradient_steps
    key = "algo.batch_size" if updates == 1 else "algo.train_freq" if algo.gradient_steps == -1 else "algo.gradient_steps"
    processes = config.num_envs * PROCESS_BYTES if config.vectorization == "async" else 0
    check_sum(
        [
            ("algo.buffer_size", algo.buffer_size, seeds * replay_bytes(algo.buffer_size, config.num_envs, spec)),
            (key, getattr(algo, key[5:]), seeds * batch_bytes(algo.batch_size, updates, spec, networks)),
            ("algo.net_arch", algo.net_arch, seeds * network_bytes(networks)),
            ("num_envs", config.num_envs, processes),
        ],
        available,
    )


def check_sum(parts: list[tuple[str, Any, int]], available: int) -> None:
    """Raises ConfigError, of the part that takes the most, where the sum of (key, value, bytes) is beyond what there is."""
    if (total := sum(count for _, _, count in parts)) <= available:
        return
    key, value, most = max(parts, key=lambda part: part[2])
    whole = "" if most == total else f", all of the run {in_units(total)}"
    raise ConfigError(key, value, f"less: it takes {in_units(most)} of memory{whole}, and there are {in_units(available)}")


def network_bytes(networks: Iterable[Network]) -> int:
    """Of all that is kept of the parameters, in float64."""
    return COPIES * 8 * sum((a + 1) * b for network in networks for a, b in pairwise(network.sizes))


def batch_bytes(batch_size: int, updates: int, spec: EnvSpec, networks: Iterable[Network]) -> int:
    """Of the minibatches of a round, on the host and on the device, and of what one update computes from them."""
    activations = 4 * sum(sum(network.sizes) for network in networks)
    return 2 * updates * replay_bytes(batch_size, 1, spec) + 3 * batch_size * activations


def in_units(count: float) -> str:
    """Bytes for people: 34.0 TiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
