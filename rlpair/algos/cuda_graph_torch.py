"""An update recorded as a CUDA graph: on a GPU one launch of all its kernels costs little more than one of a kernel.

LeanRL measures a factor of 3 to 6 by it for networks as small as these, whose kernels take less than their launches.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from rlpair.types import Transition, UpdateInfo

Update = Callable[[Transition, Any, Any], UpdateInfo]  # (batch, noise, num_updates)
WARM_UP = 3  # calls before a recording: what compiles or sets itself up must have done so


class Recording(NamedTuple):
    """An update for a batch of certain shapes."""

    inputs: list[torch.Tensor]  # of the batch, the noise and the count: what the graph reads
    replay: Callable[[], None]
    values: torch.Tensor  # (M + B,) that the graph writes: the metrics, and the TD errors
    tags: list[str]  # (M,)


class Recorded:
    """The same function as an update, recorded at the first call for the shapes of that batch, and again for others."""

    def __init__(self, update: Update, state: list[torch.Tensor], record: Any = None) -> None:
        """
        Args:
            update: reads and changes nothing but its arguments and ``state``.
            state: what lives from call to call; the graph reads and writes it in place.
            record: see ``cuda_graph``, which it is unless given.
        """
        self._update, self._state, self._record = update, state, record or cuda_graph
        self._recordings: dict[Any, Recording] = {}

    def __call__(self, batch: Transition, noise: Any, num_updates: torch.Tensor) -> UpdateInfo:
        shapes = tuple(None if x is None else (x.shape, x.dtype) for x in (*batch, *noise))
        if shapes not in self._recordings:
            self._recordings[shapes] = self._recording(batch, noise, num_updates.clone())
        inputs, replay, values, tags = self._recordings[shapes]
        for mine, given in zip(inputs, present(batch, noise, num_updates), strict=True):
            mine.copy_(given)
        replay()
        values = values.clone()  # the next replay writes there again
        return UpdateInfo(dict(zip(tags, values[: len(tags)], strict=True)), values[len(tags) :])

    def _recording(self, batch: Transition, noise: Any, num_updates: torch.Tensor) -> Recording:
        """Record the step for such shapes; the state is afterwards as it was."""
        batch = Transition(*(None if x is None else x.clone() for x in batch))
        noise, tags = tuple(x.clone() for x in noise), list[str]()

        def joined() -> torch.Tensor:
            info = self._update(batch, noise, num_updates)
            tags[:] = info.metrics
            return torch.cat([*(value.reshape(1) for value in info.metrics.values()), info.td_error])

        before = [tensor.clone() for tensor in self._state]
        replay, values = self._record(joined)
        for tensor, value in zip(self._state, before, strict=True):
            tensor.copy_(value)
        return Recording(present(batch, noise, num_updates), replay, values, tags)


def present(batch: Transition, noise: Any, num_updates: torch.Tensor) -> list[torch.Tensor]:
    """Return the arrays that are there."""
    return [x for x in (*batch, *noise, num_updates) if x is not None]


def cuda_graph(function: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
    """Call the function some times, and record it. Returns the replay, and the tensor that it writes its value to."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # What other threads of this process, such as JAX's, ask of the GPU meanwhile does not concern the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        values = function()
    return graph.replay, values
