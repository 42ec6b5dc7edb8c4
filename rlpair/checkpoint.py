"""Checkpoints: a folder of safetensors and JSON that either backend reads. Loading one executes nothing.

``agent.json``            what the agent is, and the sha256 of every other file
``agent.safetensors``     ``Agent.state_dict()``
``run.json``              the training loop's state, where a run can be resumed from it
``replay.safetensors``    the replay's state, in the newest checkpoint of a run only

A kill at any moment leaves a whole checkpoint (atomic.py). docs/checkpoints.md has the names, shapes and dtypes.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rlpair import atomic, files
from rlpair.errors import CheckpointError, NonFiniteError, reason
from rlpair.types import EnvSpec, State

FORMAT = "rlpair-agent"
FORMAT_VERSION = 1
AGENT, TENSORS, RUN, REPLAY = "agent.json", "agent.safetensors", "run.json", "replay.safetensors"
LARGEST_JSON = 2**26  # bytes
T = TypeVar("T")
HEADER = {  # what agent.json holds besides
    **dict.fromkeys(("rlpair_version", "algo", "backend", "dtype"), str),
    "seed": int,
    **dict.fromkeys(("spec", "config", "sha256"), dict),
}
DTYPES = {  # by safetensors' name
    "BOOL": np.bool_,
    "U8": np.uint8,
    "U32": np.uint32,
    "I32": np.int32,
    "I64": np.int64,
    "F32": np.float32,
    "F64": np.float64,
}


def save_checkpoint(
    path: str | Path,
    tensors: State,
    meta: Mapping[str, Any],
    run: Mapping[str, Any] | None = None,
    replay: State | None = None,
) -> None:
    """Write a checkpoint folder, whole or not at all; a checkpoint that stands there is replaced.

    Args:
        path: the folder.
        tensors: the agent's state.
        meta: rlpair_version, algo, backend, dtype, seed, spec (a dict) and config; the format is added here.
        run: the loop's state, as JSON can hold it.
        replay: the replay's state; ``load_run`` wants both.

    Raises:
        NonFiniteError: a tensor of the agent holds a NaN or an infinity.
        CheckpointError: the folder cannot be written, or is something else than a checkpoint.
        In both cases what stood there before still does.
    """
    path = Path(path)
    _check_replaceable(path)
    if (name := _not_finite(tensors)) is not None:
        raise NonFiniteError(f"{name} holds a NaN or an infinity; {path} is not written")

    def fill(folder: Path) -> None:
        _write_tensors(folder / TENSORS, tensors)
        if run is not None:
            _write_json(folder / RUN, run)
        if replay is not None:
            _write_tensors(folder / REPLAY, replay)
        digests = {name: files.sha256(folder / name) for name in files.names(folder)}
        header = {"format": FORMAT, "format_version": FORMAT_VERSION, **meta, "sha256": digests}
        _write_json(folder / AGENT, header, indent=1)  # for people to read; run.json may be long

    try:
        atomic.write_folder(path, fill)
    except (OSError, SafetensorError) as error:
        _fail(path, f"cannot be written: {reason(error)}")


def load_checkpoint(path: str | Path) -> tuple[dict[str, Any], State]:
    """(meta, tensors) of a checkpoint folder, or of a run_dir's last checkpoint. Raises CheckpointError."""
    folder = find_checkpoint(path)
    meta = _read_header(folder)
    return meta, _read_tensors(folder / TENSORS, meta["sha256"])


def load_run(path: str | Path) -> tuple[dict[str, Any], State]:
    """(run, replay) as they were saved, from a checkpoint folder or a run_dir's last one. Raises CheckpointError."""
    folder = find_checkpoint(path)
    digests = _read_header(folder)["sha256"]
    if not _resumable(folder):
        newest = [step for step in _steps(folder.parent) if _resumable(step)]
        cause = f"only the newest of a run can, {newest[-1]}" if newest else "it holds an agent only"
        _fail(folder, f"cannot be resumed: {cause}")
    _verify(folder / RUN, digests)
    return _read_json(folder / RUN), _read_tensors(folder / REPLAY, digests)


def find_checkpoint(path: str | Path) -> Path:
    """``path`` if it is a checkpoint folder; of a run_dir the ``checkpoints/step_N`` with the largest N.

    Raises CheckpointError where there is none, or one of many seeds.
    """
    folder = find_step(path)
    if seeds := _seeds(folder):
        _fail(folder, f"holds {len(seeds)} agents: name one of them, such as {seeds[0]}")
    return folder


def find_step(path: str | Path) -> Path:
    """As find_checkpoint; of a run of many seeds the ``step_N`` that holds a checkpoint ``seed_K`` of each."""
    path = Path(path)
    try:
        folder = atomic.settled(path)
        if _holds_agents(folder):
            return folder
        if not path.exists():
            _fail(path, "does not exist")
        if not path.is_dir():
            _fail(path, "is a file; a checkpoint is a folder")
        if not (steps := _steps(path / "checkpoints")):
            _fail(path, f"holds no checkpoint: neither {AGENT} nor checkpoints/step_N")
    except OSError as error:
        _fail(Path(error.filename or path), f"cannot be read: {reason(error)}")
    return steps[-1]


def drop_old_replays(checkpoints_dir: str | Path, keep: str | Path) -> None:
    """Remove the replay of every ``step_N`` but ``keep``, and what killed saves left behind.

    Call it once ``keep`` is saved; it does nothing unless ``keep`` can be resumed.
    """
    if not _resumable(Path(keep)):
        return
    for folder in _steps(Path(checkpoints_dir)):
        if folder.name != Path(keep).name:
            for agent in _seeds(folder) or [folder]:
                files.remove_file(agent / REPLAY)
    atomic.remove_leftovers(Path(checkpoints_dir))


def spec_of(meta: Mapping[str, Any]) -> EnvSpec:
    """The EnvSpec of a loaded ``meta``."""
    fields: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in meta["spec"].items()}
    return EnvSpec(**fields)


def _steps(checkpoints_dir: Path) -> list[Path]:
    """The ``step_N`` folders, by N. Raises OSError where one is a link, or ``checkpoints_dir``."""
    if not files.is_folder(checkpoints_dir):
        return []
    folders = atomic.settled_folders(checkpoints_dir)
    steps = {int(name[5:]): folder for name, folder in folders.items() if re.fullmatch(r"step_[0-9]+", name)}
    return [steps[n] for n in sorted(steps) if files.is_folder(steps[n]) and _holds_agents(steps[n])]


def _seeds(step: Path) -> list[Path]:
    """The ``seed_K`` folders in a ``step_N``, by K. Raises OSError where one is a link."""
    folders = [step / name for name in files.names(step) if re.fullmatch(r"seed_[0-9]+", name)]
    return sorted((x for x in folders if files.is_folder(x)), key=lambda path: (len(path.name), path.name))


def _holds_agents(folder: Path) -> bool:
    agents = _seeds(folder) or [folder]
    return all(files.is_there(agent / AGENT) or files.is_there(agent / TENSORS) for agent in agents)


def _resumable(folder: Path) -> bool:
    agents = _seeds(folder) or [folder]
    return all(files.is_there(agent / RUN) and files.is_there(agent / REPLAY) for agent in agents)


def _check_replaceable(path: Path) -> None:
    """Raises CheckpointError unless a checkpoint stands at ``path``, or nothing."""
    try:
        is_free = not files.is_there(path) or (
            files.is_folder(path) and set(files.names(path)) <= {AGENT, TENSORS, RUN, REPLAY}
        )
    except OSError as error:
        _fail(path, f"cannot be written: {reason(error)}")
    if not is_free:
        _fail(path, "exists and is not a checkpoint folder; it is left alone")


def _fail(path: Path, cause: str) -> NoReturn:
    raise CheckpointError(" ".join(f"{path}: {cause}".split()))


def _not_finite(tensors: State) -> str | None:
    """The name of the first float tensor that holds a NaN or an infinity."""
    return next((name for name, x in tensors.items() if x.dtype.kind == "f" and not np.isfinite(x).all()), None)


def _write_tensors(path: Path, tensors: State) -> None:
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.type not in DTYPES.values():
            raise TypeError(f"{name} has dtype {array.dtype}, which no checkpoint holds")
    save_file(arrays, path)
    path.chmod(path.parent.stat().st_mode & 0o666)  # safetensors makes it private; the folder follows the umask
    files.sync(path)


def _write_json(path: Path, value: Mapping[str, Any], indent: int | None = None) -> None:
    files.write_new(path, (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode())


# Reading: nothing that a file says is believed before it is checked


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / AGENT
    meta = _read_json(path)
    version = meta.get("format_version")
    if meta.get("format") != FORMAT or type(version) is not int:
        _fail(path, f"is not of an rlpair checkpoint: format={meta.get('format')!r}, format_version={version!r}")
    if version != FORMAT_VERSION:
        why = "a newer rlpair wrote it" if version > FORMAT_VERSION else "no rlpair wrote it"
        _fail(path, f"has format_version {version}, and this rlpair reads {FORMAT_VERSION}: {why}")
    for key, kind in HEADER.items():
        if key not in meta:
            _fail(path, f"lacks {key}")
        if type(meta[key]) is not kind:
            _fail(path, f"{key}={meta[key]!r} is not allowed: must be {kind.__name__}")
    _check_spec(path, meta["spec"])
    return meta


def _check_spec(path: Path, spec: dict[str, Any]) -> None:
    def numbers(values: Any, *kinds: type) -> bool:
        return isinstance(values, list) and all(type(value) in kinds for value in values)

    checks: dict[str, Callable[[Any], bool]] = {
        "obs_shape": lambda x: numbers(x, int) and all(size >= 0 for size in x),
        "obs_dtype": lambda x: x in ("float32", "uint8"),
        "discrete": lambda x: type(x) is bool,
        "action_dim": lambda x: type(x) is int and x >= 1,
        "action_low": lambda x: numbers(x, int, float) and len(x) == (0 if spec["discrete"] else spec["action_dim"]),
        "action_high": lambda x: numbers(x, int, float) and len(x) == len(spec["action_low"]),
        "action_start": lambda x: type(x) is int,
    }
    if spec.keys() != checks.keys():
        _fail(path, f"spec must have the keys {', '.join(checks)}, not {', '.join(map(repr, spec))}")
    for key, accepts in checks.items():
        if not accepts(spec[key]):
            _fail(path, f"spec.{key}={spec[key]!r} is not allowed")


def _read_json(path: Path) -> dict[str, Any]:
    content = _opened(path, lambda: files.read(path, LARGEST_JSON))
    try:
        value = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        _fail(path, f"is not JSON: {error}")
    if not isinstance(value, dict):
        _fail(path, f"is not a JSON object but a {type(value).__name__}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _read_tensors(path: Path, digests: Mapping[str, Any]) -> State:
    _verify(path, digests)
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            for name in names:
                if (dtype := file.get_slice(name).get_dtype()) not in DTYPES:
                    _fail(path, f"{name!r} has dtype {dtype}, not one of {', '.join(DTYPES)}")
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, ValueError) as error:
        _fail(path, f"is not a safetensors file: {error}")
    if (name := _not_finite(tensors)) is not None:
        _fail(path, f"{name!r} holds a NaN or an infinity")
    return tensors


def _verify(path: Path, digests: Mapping[str, Any]) -> None:
    if _opened(path, lambda: files.sha256(path)) != digests.get(path.name):
        _fail(path, f"is corrupt: its sha256 is not the one in {AGENT}")


def _opened(path: Path, read: Callable[[], T]) -> T:
    """What ``read`` returns. Raises CheckpointError where the file cannot be read."""
    try:
        return read()
    except FileNotFoundError:
        _fail(path, "is missing")
    except OSError as error:
        _fail(path, reason(error))
