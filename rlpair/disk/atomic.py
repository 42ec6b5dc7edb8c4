"""Folders that are there whole or not at all, whenever the process is killed.

A folder is filled as ``.NAME.tmp`` beside its place, synced and renamed to NAME. An older NAME makes room as
``.NAME.old`` until the new one stands; a reader that finds no NAME takes that (``settled``). What is removed on the way
has names that checkpoints have; anything else is left where it is.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rlpair.disk import files
from rlpair.disk.layout import AGENT, BEST, REPLAY, RUN, SEED, STEP, TENSORS

NAMES = rf"({STEP}|{BEST}|{SEED})"  # of the folders in a run's checkpoints
FILES = "|".join(map(re.escape, (AGENT, TENSORS, RUN, REPLAY)))
OWN = re.compile(rf"{FILES}|\.tmp\w+|{SEED}|\.{NAMES}\.(tmp|old)")
# .tmpAb12Cd: as safetensors calls a file that it writes
DEPTH = 2  # of the folders that are removed: step_N, seed_K


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make or replace a folder: ``fill`` writes its files, and syncs each, into an empty folder.

    Raises OSError, also where ``path`` or the folder that holds it is a link.
    """
    temp, old = _beside(path, "tmp"), _beside(path, "old")
    if not files.is_folder(path.parent):
        files.make_folders(path.parent)
    remove_own(temp)  # of a process that was killed
    os.mkdir(temp)
    try:
        fill(temp)
        files.sync(temp)
        if files.is_folder(path):
            remove_own(old)
            os.rename(path, old)
        os.rename(temp, path)
    finally:
        remove_own(temp)
    files.sync(path.parent)
    remove_own(old)


def settled(path: Path) -> Path:
    """Return where the folder is now: ``path``, or the old version where a kill came between the two renames."""
    old = _beside(path, "old") if path.name else path
    return path if path.is_symlink() or path.exists() or not files.is_folder(old) else old


def settled_folders(parent: Path) -> dict[str, Path]:
    """Return the folders in ``parent`` by name, without what killed processes left; {} where there is no ``parent``."""
    names = {re.sub(r"^\.(.+)\.old$", r"\1", entry) for entry in files.names(parent)}
    return {name: settled(parent / name) for name in names if not re.fullmatch(r"\..+\.tmp", name)}


def remove_leftovers(parent: Path) -> None:
    """Remove what killed processes left of checkpoints in ``parent``. No other process may be writing there.

    Raises OSError where ``parent`` is a link.
    """
    if not files.is_folder(parent):
        return
    kept = set(settled_folders(parent).values())
    for name in files.names(parent):
        if re.fullmatch(rf"\.{NAMES}\.(tmp|old)", name) and parent / name not in kept:
            remove_own(parent / name)


def remove_own(path: Path) -> None:
    """Remove a folder with the files of checkpoints that it holds, if it is there.

    What has other names stays, and the folder with it: it will be in the way of the next one, which says so. Links are
    removed themselves.
    """
    with suppress(OSError):
        if path.is_symlink():
            os.unlink(path)
        else:
            _remove(str(path), None, DEPTH)


def _remove(name: str, parent: int | None, depth: int) -> None:
    """Remove a name in the folder of the descriptor ``parent``, so that no link put there meanwhile is followed."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        for entry in list(os.scandir(descriptor)):
            if entry.is_dir(follow_symlinks=False):
                if OWN.fullmatch(entry.name) and depth:
                    _remove(entry.name, descriptor, depth - 1)
            elif OWN.fullmatch(entry.name):
                os.unlink(entry.name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")
