"""Safetensors files: written and synced; and read, once what their header says has been found good."""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rlpair.disk import files
from rlpair.errors import CheckpointError, reason, refuse, shortened
from rlpair.types import EnvSpec, State

HEADER_BYTES = 2**20  # at most, for names, shapes and dtypes
MOST_UPDATES = 2**31 - 2**30  # counters are int32, and training goes on
DTYPES = {  # by safetensors' name
    "BOOL": np.bool_,
    "U8": np.uint8,
    "U32": np.uint32,
    "I32": np.int32,
    "I64": np.int64,
    "F32": np.float32,
    "F64": np.float64,
}


class Tensor(NamedTuple):
    """What a header says of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Tensors = Mapping[str, Any]  # by name: anything with a shape and a dtype


def write_tensors(path: Path, tensors: State) -> None:
    """Write a new file. Raises TypeError for a dtype that no checkpoint holds."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.type not in DTYPES.values():
            raise TypeError(f"{name} has dtype {array.dtype}, which no checkpoint holds")
    save_file(arrays, path)
    path.chmod(path.parent.stat().st_mode & 0o666)  # safetensors makes it private; the folder follows the umask
    files.sync(path)


def read_shapes(path: Path) -> dict[str, Tensor]:
    """Return what a file holds, by name; its size agrees with that, and no array is read. Raises CheckpointError."""
    shapes = {}
    with reading(path):
        with files.open_to_read(path) as start:
            (size,) = struct.unpack("<Q", start.read(8).ljust(8, b"\0"))
        if size > HEADER_BYTES:
            refuse(path, f"has a header of {size:,} bytes, and one has at most {HEADER_BYTES:,}")
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                part = file.get_slice(name)
                if (dtype := part.get_dtype()) not in DTYPES:
                    refuse(path, f"{shortened(name)!r} has dtype {dtype}, not one of {', '.join(DTYPES)}")
                shapes[name] = Tensor(tuple(part.get_shape()), np.dtype(DTYPES[dtype]))
    return shapes


def read_tensors(path: Path, digest: str | None, check: Callable[[dict[str, Tensor]], None]) -> State:
    """Read all arrays of a file, once ``check`` lets its names, shapes and dtypes pass.

    Args:
        path: the file.
        digest: the sha256 that it must have; None is that of no file.
        check: raises CheckpointError, without the name of the file.

    Raises:
        CheckpointError: what does not pass, has another digest, or holds a NaN or an infinity.
    """
    shapes = read_shapes(path)
    try:
        check(shapes)
    except CheckpointError as error:
        refuse(path, str(error))
    with reading(path):
        if files.sha256(path) != digest:
            refuse(path, "is corrupt: its sha256 is not the one in agent.json")
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in shapes}
    if (name := not_finite(tensors)) is not None:
        refuse(path, f"{shortened(name)!r} holds a NaN or an infinity")
    return tensors


def read_whole(path: Path, limit: int) -> bytes:
    """Read a file of at most ``limit`` bytes. Raises CheckpointError."""
    with reading(path):
        return files.read(path, limit)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise CheckpointError where the file cannot be read inside."""
    try:
        yield
    except FileNotFoundError:
        refuse(path, "is missing")
    except OSError as error:
        refuse(path, reason(error))
    except (SafetensorError, ValueError) as error:
        refuse(path, f"is corrupt, or not a safetensors file: {error}")


def not_finite(tensors: State) -> str | None:
    """Return the name of the first float tensor that holds a NaN or an infinity; None if none does."""
    return next((name for name, x in tensors.items() if x.dtype.kind == "f" and not np.isfinite(x).all()), None)


# What arrays may hold


def check_fit(found: Tensors, own: Tensors, whose: str = "this agent") -> None:
    """Raise CheckpointError unless ``found`` has the names, shapes and dtypes of ``own``."""
    if missing := sorted(own.keys() - found.keys()):
        raise CheckpointError(f"the state lacks {missing[0]!r} ({len(missing)} of {len(own)} names are missing)")
    if unknown := sorted(found.keys() - own.keys()):
        name, count = shortened(unknown[0]), len(unknown)
        raise CheckpointError(f"the state has {name!r}, which {whose} has not ({count} such names)")
    for name, mine in own.items():
        if found[name].shape != mine.shape:
            raise CheckpointError(f"{name} has shape {found[name].shape}, and {whose} has {mine.shape}")
        if found[name].dtype != mine.dtype:
            raise CheckpointError(f"{name} has dtype {found[name].dtype}, and {whose} has {mine.dtype}")


def check_contents(state: State) -> None:
    """Raise CheckpointError where a number of an agent's state is none that training can have led to."""
    if (name := not_finite(state)) is not None:
        raise CheckpointError(f"{name} holds a number that is not finite")
    updates = int(state["num_updates"])
    if not 0 <= updates <= MOST_UPDATES:
        raise CheckpointError(f"num_updates is {updates}, not from 0 to {MOST_UPDATES}")
    for name, value in state.items():
        if not name.startswith("optimizer."):
            continue
        if name.endswith(".count") and not 0 <= value <= updates:
            raise CheckpointError(f"{name} is {value}, not from 0 to num_updates={updates}")
        if ".nu" in name and (value < 0).any():
            raise CheckpointError(f"{name} holds a number below 0, and is of squares")


def check_transitions(stored: Mapping[str, np.ndarray], spec: EnvSpec, prefix: str = "") -> None:
    """Raise CheckpointError where a stored transition can be of no such environment. ``prefix``: of the names."""
    action, terminated = stored[f"{prefix}action"], stored[f"{prefix}terminated"]
    first, last = spec.action_start, spec.action_start + spec.action_dim - 1
    bounds = (first, last) if spec.discrete else (spec.action_low, spec.action_high)
    low, high = (np.broadcast_to(np.array(bound, action.dtype), action.shape) for bound in bounds)
    outside = (action < low) | (action > high)
    if outside.any():
        value, least, most = (x[outside][0] for x in (action, low, high))
        raise CheckpointError(f"{prefix}action holds {value}, which is not from {least} to {most}")
    if not np.isin(terminated, (0, 1)).all():
        raise CheckpointError(f"{prefix}terminated holds a number that is neither 0 nor 1")


def check_counts(state: State, *names: str) -> None:
    """Raise CheckpointError where one of these counts something less than never."""
    for name in names:
        if (state[name] < 0).any():
            raise CheckpointError(f"{name} holds {state[name].min()}, and counts")


def check_within(state: Mapping[str, np.ndarray], limit: int, *names: str) -> None:
    """Raise CheckpointError where one of these holds a whole number that is not from 0 to ``limit`` - 1."""
    for name in names:
        outside = (state[name] < 0) | (state[name] >= limit)
        if outside.any():
            raise CheckpointError(f"{name} holds {state[name][outside][0]}, which is not from 0 to {limit - 1}")
