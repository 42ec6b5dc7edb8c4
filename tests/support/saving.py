"""A checkpoint to be spoiled, and the line that it is then refused with."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved import RUN, load_checkpoint

from rlpair.disk.checkpoint import save_checkpoint
from rlpair.errors import CheckpointError
from rlpair.types import EnvSpec

SPEC = EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))
META: dict[str, Any] = {
    "rlpair_version": "0.1.0",
    "algo": "sac",
    "backend": "torch",
    "dtype": "float32",
    "seed": 7,
    "spec": SPEC._asdict(),
    "config": {"learning_rate": 3e-4, "net_arch": [4, 4], "ent_coef": "auto", "max_grad_norm": None},
}
TENSORS: dict[str, Any] = {
    "actor.0.0.weight": np.arange(6, dtype=np.float32).reshape(3, 2).T,  # not contiguous
    "log_alpha": np.array(-1.5, np.float64),  # 0-d
    "num_updates": np.array(2**40, np.int64),
    "rng.torch": np.array([0, 255, 7], np.uint8),
    "rng.jax": np.array([2**32 - 1, 1], np.uint32),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "action": np.array([-1, 2], np.int32),
}
REPLAY = {"obs": np.ones((5, 1, 3), np.float32), "position": np.array(5, np.int64)}


def save(path: Path, **changes: Any) -> Path:
    whole: dict[str, Any] = {"tensors": TENSORS, "meta": META, "run": RUN, "replay": REPLAY}
    save_checkpoint(path, **whole | changes)
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def message(path: Path, load: Callable[[Path], Any] = load_checkpoint) -> str:
    """The error's line, with the folder's name cut off."""
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path}", "PATH")


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of agent.json; None removes one."""
    meta = json.loads((folder / "agent.json").read_text()) | changes
    (folder / "agent.json").write_text(json.dumps({key: value for key, value in meta.items() if value is not None}))


def accept(folder: Path) -> None:
    """Write the files' true digests into agent.json, as an attacker would."""
    files = [file for file in folder.iterdir() if file.name != "agent.json"]
    edit(folder, sha256={file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
