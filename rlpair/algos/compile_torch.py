"""torch.compile around a learner's update: one graph for losses, gradients, optimizer, targets and all.

What stays outside: drawing noise and batches, and the count of updates, which the graph is handed as a tensor.
"""

import os
import shutil
import sys
import warnings
from typing import Any

import torch

from rlpair.algos.cuda_graph_torch import Recorded, Update
from rlpair.errors import ConfigError
from rlpair.types import Transition, UpdateInfo

# A loop over fewer elements than this is one thread's: two gain nothing over it, and meet once more. Beside a busy
# process, where to meet costs most, a SAC update gains a tenth.
CPU_OPTIONS: dict[str, Any] = {"cpp_wrapper": True, "cpp.min_chunk_size": 1 << 17}


def compiled(update: Update, state: list[torch.Tensor], device: torch.device) -> Update:
    """Return the same function, compiled at its first call for the shapes of that batch, and again for others.

    On a GPU what was compiled is recorded as a CUDA graph.

    Args:
        update: reads and changes nothing but its arguments and ``state``; computes its gradients by torch.func.
        state: what lives from call to call.
        device: where.

    Raises:
        ConfigError: there is no C++ compiler.
    """
    check_compiler()
    options = CPU_OPTIONS if device.type == "cpu" else None
    program = torch.compile(with_own_code(update), fullgraph=True, dynamic=False, options=options)
    return counting(program if device.type == "cpu" else Recorded(silent_on_tf32(program), state), device)


def with_own_code(update: Update) -> Update:
    """Return the same function, of no gradient, in code that no other has.

    torch.compile counts by the code how often it compiles, and refuses the ninth: that of a process's ninth agent.
    """

    def program(batch: Transition, noise: Any, num_updates: Any) -> UpdateInfo:
        with torch.no_grad():
            return update(batch, noise, num_updates)

    program.__code__ = program.__code__.replace()  # a copy
    return program


def silent_on_tf32(program: Update) -> Update:
    """Return the program without the compiler's advice to use TF32: matmul_precision says whether to."""

    def silent(batch: Transition, noise: Any, num_updates: Any) -> UpdateInfo:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")
            return program(batch, noise, num_updates)

    return silent


def counting(program: Update, device: torch.device) -> Update:
    """Return the program, handed its count as a tensor there: a number would be compiled in, and each one anew."""
    count = torch.zeros((), dtype=torch.int64, device=device)
    return lambda batch, noise, num_updates: program(batch, noise, count.fill_(num_updates))


def check_compiler() -> None:
    """Raise ConfigError where torch.compile would find no C++ compiler."""
    if shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")) is None:
        allowed = "false, since torch.compile needs a C++ compiler and finds none here: install g++ or clang++"
        raise ConfigError("compile", True, allowed)
