"""Settings of the whole process that suit small networks in PyTorch: a command applies them, an import never does."""

import os
from typing import Any

import torch

WORTH_A_THREAD = 2**22  # multiply-adds of the widest matrix product, below which a second thread costs what it saves


def configure(config: Any) -> None:
    """One thread for small networks, up to four for larger ones; OMP_NUM_THREADS, if set, is left alone."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    work = config.batch_size * max(config.net_arch) ** 2
    torch.set_num_threads(min(torch.get_num_threads(), 4, max(1, work // WORTH_A_THREAD)))
