"""Settings of the whole process that suit small networks in PyTorch: a command applies them, an import never does."""

import os
from typing import Any

import torch


def configure(config: Any) -> None:
    """One thread for small networks, up to four for larger ones; OMP_NUM_THREADS, if set, is left alone."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    torch.set_num_threads(min(torch.get_num_threads(), 4, config.threads))
