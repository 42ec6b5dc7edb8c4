"""torch.compile around a learner's step: one graph for losses, gradients, optimizer and all.

What stays outside: drawing noise and batches, the count of updates and the schedule of the target, which follows it.
"""

from collections.abc import Callable
from typing import Any

import torch

from rlpair.errors import ConfigError
from rlpair.types import Transition, UpdateInfo

Step = Callable[[Transition, Any], UpdateInfo]


def compiled(step: Step, state: list[torch.Tensor], device: torch.device) -> Step:
    """The same function, compiled at its first call for the shapes of that batch, and again for others.

    On a GPU it is replayed as a CUDA graph, whose next replay overwrites what the last one returned: that is copied.

    Args:
        step: reads and changes nothing but its arguments and ``state``.
        state: what lives from call to call; a CUDA graph reads it in place.
        device: where.

    Raises:
        ConfigError: there is no C++ compiler, or this PyTorch cannot trace gradients.
    """
    check_compiler()
    torch._dynamo.config.trace_autograd_ops = True
    if device.type == "cpu":
        return torch.compile(step, fullgraph=True, dynamic=False, options={"cpp_wrapper": True})
    for tensor in state:
        torch._dynamo.mark_static_address(tensor)
    replay = torch.compile(step, fullgraph=True, dynamic=False, mode="reduce-overhead")

    def copied(batch: Transition, noise: Any) -> UpdateInfo:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        info = replay(batch, noise)
        return UpdateInfo({tag: value.clone() for tag, value in info.metrics.items()}, info.td_error.clone())

    return copied


def check_compiler() -> None:
    """Raises ConfigError where torch.compile could not work."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    if not hasattr(torch._dynamo.config, "trace_autograd_ops"):
        raise ConfigError("compile", True, f"false with PyTorch {torch.__version__}: it traces no gradients, 2.13 does")
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        allowed = "false, since torch.compile needs a C++ compiler and finds none here: install g++ or clang++"
        raise ConfigError("compile", True, allowed) from error
