"""Settings of the whole process that suit small networks in JAX: a command applies them, an import never does."""

import os
from typing import Any

import jax


def configure(config: Any) -> None:
    """Before the first array.

    On a CPU, an act is over sooner than another thread would wake up for it; and where all of a network is, XLA gets a
    pool of one thread, whose size it takes from NPROC: that is worth a fifth of a fused loop of DQN.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # type: ignore[no-untyped-call]
    if config.threads == 1:
        os.environ.setdefault("NPROC", "1")


def has_gpu(device: str) -> bool:
    """Whether this device setting (auto, cpu or cuda) comes to a GPU here."""
    return device != "cpu" and jax.default_backend() != "cpu"
