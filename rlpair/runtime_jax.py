"""Settings of the whole process that suit small networks in JAX: a command applies them, an import never does."""

from typing import Any

import jax


def configure(config: Any) -> None:
    """Before the first array. On a CPU, an act is over sooner than another thread would wake up for it."""
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # type: ignore[no-untyped-call]


def has_gpu(device: str) -> bool:
    """Whether this device setting (auto, cpu or cuda) comes to a GPU here."""
    return device != "cpu" and jax.default_backend() != "cpu"
