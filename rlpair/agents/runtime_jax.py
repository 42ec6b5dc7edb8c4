"""Settings of the whole process that suit small networks in JAX, and what a benchmark asks of the framework.

A command applies the settings, an import never does.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rlpair.types import Transition

PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


def configure(config: Any, device: str) -> str:
    """Set JAX up for this process, before the first array.

    On a CPU, an act is over sooner than another thread would wake up for it; and where all of a network is, XLA gets a
    pool of one thread, whose size it takes from NPROC: that is worth a fifth of a fused loop of DQN. On a GPU it takes
    memory as it needs it, not three quarters at once, so that another process finds some; with device=cpu none at all.

    Returns what is set and how it is overridden, for the command to print.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # type: ignore[no-untyped-call]
    os.environ.setdefault(PREALLOCATE, "false")
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]
    if config.threads == 1:
        os.environ.setdefault("NPROC", "1")
    nproc = os.environ.get("NPROC", "")
    threads = {"": "as many threads as there are cores", "1": "1 thread"}.get(nproc, f"{nproc} threads")
    return f"jax computes with {threads} (NPROC); {PREALLOCATE}={os.environ[PREALLOCATE]}"


def dispatch_ahead() -> None:
    """Let one program be handed over while another runs, for those that run long; after ``configure``."""
    jax.config.update("jax_cpu_enable_async_dispatch", True)  # type: ignore[no-untyped-call]


def has_gpu(device: str) -> bool:
    """Return whether this device setting (auto, cpu or cuda) comes to a GPU here."""
    return device != "cpu" and jax.default_backend() != "cpu"


def matrix_product(device: str, size: int) -> Callable[[], Any]:
    """Return a product of square float32 matrices to be called, and waited for."""
    a = jax.device_put(jnp.ones((size, size)), jax.devices(device)[0])
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))
    return lambda: product(a).block_until_ready()


def to_device(batch: Transition, device: str) -> Transition:
    """Put the arrays onto a device."""
    return jax.device_put(batch, jax.devices(device)[0])


def device_memory(device: str) -> int | None:
    """Return the bytes of the GPU that were taken at most; None on a CPU."""
    if device == "cpu":
        return None
    statistics = jax.devices(device)[0].memory_stats() or {}  # XLA_PYTHON_CLIENT_ALLOCATOR may have none
    return statistics.get("peak_bytes_in_use")
