"""Settings of the whole process that suit small networks in PyTorch, and what a benchmark asks of the framework.

A command applies the settings, an import never does.
"""

import os
from collections.abc import Callable
from typing import Any

import torch

from rlpair.agents.threads_torch import WATCH
from rlpair.nets import onednn_torch
from rlpair.types import Transition


def configure(config: Any, device: str) -> str:
    """Set one thread for small networks, up to four for larger ones; OMP_NUM_THREADS, if set, is left alone.

    While other processes take the cores, an agent's updates compute with fewer.

    ``device`` changes nothing: PyTorch leaves a GPU alone until it is asked for it.

    Returns what is set and how it is overridden, for the command to print.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), 4, config.threads))
    threads = torch.get_num_threads()
    fewer = ", fewer while others take its cores" if WATCH.begin(threads) else ""
    return f"torch computes with {count(threads)}{fewer} (OMP_NUM_THREADS)"


def count(threads: int) -> str:
    """Write a number of threads: 1 thread, 2 threads."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def has_gpu(device: str) -> bool:
    """Return whether this device setting (auto, cpu or cuda) comes to a GPU here."""
    return device != "cpu" and torch.cuda.is_available()


def matrix_product(device: str, size: int) -> Callable[[], Any]:
    """Return a product of square float32 matrices to be called: the fastest that an update could use."""
    a = torch.ones(size, size, device=device)
    wide = onednn_torch.AVAILABLE and device == "cpu"

    def product() -> None:
        onednn_torch.wide_product(a, a, None) if wide else a @ a
        if device == "cuda":
            torch.cuda.synchronize()

    return product


def to_device(batch: Transition, device: str) -> Transition:
    """Put the arrays onto a device, as tensors."""
    return Transition(*(None if x is None else torch.as_tensor(x, device=device) for x in batch))


def device_memory(device: str) -> int | None:
    """Return the bytes of the GPU that were taken at most; None on a CPU."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else None
