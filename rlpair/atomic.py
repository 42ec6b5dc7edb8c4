"""Folders that are there whole or not at all, whenever the process is killed.

A folder is filled as ``.NAME.tmp`` beside its place, synced and renamed to NAME. An older NAME makes room as
``.NAME.old`` until the new one stands; a reader that finds no NAME takes that (``settled``).
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make or replace a folder: ``fill`` writes its files, and syncs each, into an empty folder. Raises OSError."""
    temp, old = _beside(path, "tmp"), _beside(path, "old")
    shutil.rmtree(temp, ignore_errors=True)  # of a process that was killed
    temp.mkdir(parents=True)
    try:
        fill(temp)
        sync(temp)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(path, old)
        os.rename(temp, path)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def settled(path: Path) -> Path:
    """Where the folder is now: ``path``, or the old version where a kill came between the two renames."""
    old = _beside(path, "old") if path.name else path
    return old if old.exists() and not path.exists() else path


def settled_folders(parent: Path) -> dict[str, Path]:
    """Every folder of ``parent`` by its name, without what killed processes left; {} where there is no ``parent``."""
    names = {re.sub(r"^\.(.+)\.old$", r"\1", entry) for entry in os.listdir(parent)} if parent.is_dir() else set()
    return {name: settled(parent / name) for name in names if not re.fullmatch(r"\..+\.tmp", name)}


def remove_leftovers(parent: Path) -> None:
    """Remove what killed processes left in ``parent``. No other process may be writing there."""
    kept = set(settled_folders(parent).values())
    for entry in [*parent.glob(".*.tmp"), *parent.glob(".*.old")]:
        if entry not in kept:
            shutil.rmtree(entry, ignore_errors=True)


def sync(path: Path) -> None:
    """Force a file or a folder to the disk."""
    if os.name == "nt":  # cannot sync what is open for reading
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")
