"""torch.compile around a learner's step: one graph for losses, gradients, optimizer and all.

What stays outside: drawing noise and batches, the count of updates and the schedule of the target, which follows it.
"""

import os
import shutil
import sys
from typing import Any

import torch

from rlpair.algos.cuda_graph_torch import Recorded, Step
from rlpair.errors import ConfigError

# A loop over fewer elements than this is one thread's: two gain nothing over it, and meet once more. Beside a busy
# process, where to meet costs most, a SAC update gains a tenth.
CPU_OPTIONS: dict[str, Any] = {"cpp_wrapper": True, "cpp.min_chunk_size": 1 << 17}


def compiled(step: Step, state: list[torch.Tensor], device: torch.device) -> Step:
    """The same function, compiled at its first call for the shapes of that batch, and again for others.

    On a GPU what was compiled is recorded as a CUDA graph.

    Args:
        step: reads and changes nothing but its arguments and ``state``; computes its gradients by torch.func.
        state: what lives from call to call.
        device: where.

    Raises:
        ConfigError: there is no C++ compiler.
    """
    check_compiler()
    step = torch.no_grad()(step)
    if device.type == "cpu":
        return torch.compile(step, fullgraph=True, dynamic=False, options=CPU_OPTIONS)
    return Recorded(torch.compile(step, fullgraph=True, dynamic=False), state)


def check_compiler() -> None:
    """Raises ConfigError where torch.compile would find no C++ compiler."""
    if shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")) is None:
        allowed = "false, since torch.compile needs a C++ compiler and finds none here: install g++ or clang++"
        raise ConfigError("compile", True, allowed)
