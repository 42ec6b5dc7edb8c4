"""Checkpoints as they are on the disk, whatever agent or loop wrote them."""

from pathlib import Path
from typing import Any

from rlpair.runs.loading import Checkpoint, read_json
from rlpair.types import State

PCG64 = {"bit_generator": "PCG64", "state": {"state": 2**127 + 1, "inc": 3}, "has_uint32": 0, "uinteger": 0}
RUN = {  # of a host loop
    "env_steps": 500,
    "best_return": None,
    "warm_up_rng": PCG64,
    "minibatch_rng": PCG64,
    "episode_return": [0.1],
    "episode_length": [7],
    "ended": [0.0, -1e-300, 0.0],
    "metrics": {"loss/critic": 0.5},
    "envs": {"seed": 3, "episodes": [None]},
}


def anything(shapes: object) -> None:
    """Lets every name, shape and dtype pass."""


def load_checkpoint(path: str | Path) -> tuple[dict[str, Any], State]:
    """agent.json and the agent's state."""
    saved = Checkpoint(path)
    return saved.meta, saved.state(anything)


def load_run(path: str | Path) -> tuple[dict[str, Any], State]:
    """run.json, of no schema, and the replay's state; the digests are right."""
    saved = Checkpoint(path)
    replay = saved.replay(anything)
    return read_json(saved.folder / "run.json", saved.meta["sha256"]["run.json"]), replay
