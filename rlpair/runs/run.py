"""A run: one protocol over what trains, and the kind that each mode is."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from rlpair.config import RunConfig
from rlpair.loops.fused import FusedLoop, make_workers
from rlpair.make import configure_process
from rlpair.runs.fused_run import FusedRun
from rlpair.runs.host_run import HostRun
from rlpair.runs.saved_run import SavedRun
from rlpair.types import Evaluation, Record


class Loop(Protocol):
    """What trains; iterate over it for its records."""

    @property
    def env_steps(self) -> int:
        """Environment steps so far, of one agent."""
        ...

    def stop(self) -> None:
        """End as soon as it can go on from there; safe in a signal handler."""
        ...

    def __iter__(self) -> Iterator[Record]:
        """Train, from where it stands, to ``total_timesteps``."""
        ...


class Run(Protocol):
    """All that is made of a run's settings. Whoever has one trains, evaluates, saves and resumes it, of either kind."""

    config: RunConfig
    settings: str  # what the process was set to, for people

    @property
    def loop(self) -> Loop:
        """Returns the training loop, the same one each time."""
        ...

    def evaluate(self) -> Evaluation:
        """Play the greedy episodes of the end, of every agent: (num_seeds * episodes,)."""
        ...

    def save(self, path: Path) -> None:
        """Write a checkpoint that ``load`` goes on from. Raises CheckpointError, NonFiniteError."""
        ...

    def save_best(self, path: Path) -> None:
        """Write the agents whose last evaluation was their best so far. Raises CheckpointError, NonFiniteError."""
        ...

    def load(self, earlier: SavedRun) -> None:
        """Go on from a checkpoint. Raises CheckpointError where it does not fit."""
        ...


def make_run(config: RunConfig, stack: ExitStack) -> Run:
    """Return the run of these settings; the stack closes its environments and ends its processes.

    Raises:
        RLPairError: what cannot be used, in one line.
    """
    settings = configure_process(config.backend, config.algo, config.device)
    if config.mode == "host":
        return HostRun(config, settings, stack)
    workers = make_workers(config)
    stack.callback(workers.close)
    return FusedRun(config, settings, FusedLoop(config, workers))
