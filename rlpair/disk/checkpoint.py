"""Checkpoints saved and found: folders of safetensors and JSON that either backend reads (loading.py).

``agent.json``            what the agent is, and the sha256 of every other file
``agent.safetensors``     ``Agent.state_dict()``
``run.json``              the training loop's state, where a run can be resumed from it
``replay.safetensors``    the replay's state, in the newest checkpoint of a run only

A kill at any moment leaves a whole checkpoint (atomic.py). docs/checkpoints.md has the names, shapes and dtypes.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from rlpair.disk import atomic, files
from rlpair.disk.layout import AGENT, REPLAY, RUN, SEED, TENSORS, RunDir, step_of
from rlpair.disk.tensors import not_finite, write_tensors
from rlpair.errors import NonFiniteError, reason, refuse
from rlpair.types import State

FORMAT = "rlpair-agent"
FORMAT_VERSION = 1


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
        replay: the replay's state; a run goes on from both.

    Raises:
        NonFiniteError: a tensor of the agent holds a NaN or an infinity.
        CheckpointError: the folder cannot be written, or is something else than a checkpoint.
        In both cases what stood there before still does.
    """
    path = Path(path)
    _check_replaceable(path)
    if (name := not_finite(tensors)) is not None:
        raise NonFiniteError(f"{name} holds a NaN or an infinity; {path} is not written")

    def fill(folder: Path) -> None:
        write_tensors(folder / TENSORS, tensors)
        if run is not None:
            _write_json(folder / RUN, run)
        if replay is not None:
            write_tensors(folder / REPLAY, replay)
        digests = {name: files.sha256(folder / name) for name in files.names(folder)}
        header = {"format": FORMAT, "format_version": FORMAT_VERSION, **meta, "sha256": digests}
        _write_json(folder / AGENT, header, indent=1)  # for people to read; run.json may be long

    try:
        atomic.write_folder(path, fill)
    except (OSError, SafetensorError) as error:
        refuse(path, f"cannot be written: {reason(error)}")


def find_checkpoint(path: str | Path) -> Path:
    """Return ``path`` if it is a checkpoint; of a run_dir the ``checkpoints/step_N`` with the largest N.

    Raises CheckpointError where there is none, or one of many seeds.
    """
    folder = find_step(path)
    if seeds := seeds_of(folder):
        refuse(folder, f"holds {len(seeds)} agents: name one of them, such as {seeds[0]}")
    return folder


def find_step(path: str | Path) -> Path:
    """Return what find_checkpoint does; of a run of many seeds the ``step_N`` that holds a ``seed_K`` of each."""
    path = Path(path)
    try:
        folder = atomic.settled(path)
        if _holds_agents(folder):
            return folder
        if not path.exists():
            refuse(path, "does not exist")
        if not path.is_dir():
            refuse(path, "is a file; a checkpoint is a folder")
        if not (steps := _steps(RunDir(path).checkpoints)):
            refuse(path, f"holds no checkpoint: neither {AGENT} nor checkpoints/step_N")
    except OSError as error:
        refuse(Path(error.filename or path), f"cannot be read: {reason(error)}")
    return steps[-1]


def drop_old_replays(checkpoints_dir: str | Path, keep: str | Path) -> None:
    """Remove the replay of every ``step_N`` but ``keep``, and what killed saves left behind.

    Call it once ``keep`` is saved; it does nothing unless ``keep`` can be resumed.
    """
    if not _resumable(Path(keep)):
        return
    for folder in _steps(Path(checkpoints_dir)):
        if folder.name != Path(keep).name:
            for agent in seeds_of(folder) or [folder]:
                files.remove_file(agent / REPLAY)
    atomic.remove_leftovers(Path(checkpoints_dir))


def check_resumable(folder: Path) -> None:
    """Raise CheckpointError unless a checkpoint has all that a run goes on from."""
    try:
        if _resumable(folder):
            return
        newest = [step for step in _steps(folder.parent) if _resumable(step)]
    except OSError as error:
        refuse(Path(error.filename or folder), f"cannot be read: {reason(error)}")
    cause = f"only the newest of a run can, {newest[-1]}" if newest else "it holds an agent only"
    refuse(folder, f"cannot be resumed: {cause}")


def _steps(checkpoints_dir: Path) -> list[Path]:
    """Return the ``step_N`` folders, by N. Raises OSError where one is a link, or ``checkpoints_dir`` is."""
    if not files.is_folder(checkpoints_dir):
        return []
    folders = atomic.settled_folders(checkpoints_dir)
    steps = {n: folder for name, folder in folders.items() if (n := step_of(name)) is not None}
    return [steps[n] for n in sorted(steps) if files.is_folder(steps[n]) and _holds_agents(steps[n])]


def seeds_of(step: Path) -> list[Path]:
    """Return the ``seed_K`` folders of a ``step_N``, by K; [] for one agent. Raises OSError where one is a link."""
    folders = [step / name for name in files.names(step) if re.fullmatch(SEED, name)]
    return sorted((x for x in folders if files.is_folder(x)), key=lambda path: (len(path.name), path.name))


def _holds_agents(folder: Path) -> bool:
    agents = seeds_of(folder) or [folder]
    return all(files.is_there(agent / AGENT) or files.is_there(agent / TENSORS) for agent in agents)


def _resumable(folder: Path) -> bool:
    agents = seeds_of(folder) or [folder]
    return all(files.is_there(agent / RUN) and files.is_there(agent / REPLAY) for agent in agents)


def _check_replaceable(path: Path) -> None:
    """Raise CheckpointError unless a checkpoint stands at ``path``, or nothing."""
    try:
        is_free = not files.is_there(path) or (
            files.is_folder(path) and set(files.names(path)) <= {AGENT, TENSORS, RUN, REPLAY}
        )
    except OSError as error:
        refuse(path, f"cannot be written: {reason(error)}")
    if not is_free:
        refuse(path, "exists and is not a checkpoint folder; it is left alone")


def _write_json(path: Path, value: Mapping[str, Any], indent: int | None = None) -> None:
    files.write_new(path, (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode())
