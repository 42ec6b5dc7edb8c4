"""Run folders as a stranger could make them, and how to see that nothing outside of one was touched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECRET = b"years of work\n"


def precious(folder: Path) -> Path:
    """A folder outside of the run: a file, and folders that are called like what a killed save leaves."""
    for name in (".step_9.tmp", ".best.old", "step_400"):
        (folder / name).mkdir(parents=True)
        (folder / name / "thesis.tex").write_bytes(SECRET)
    (folder / "thesis.tex").write_bytes(SECRET)
    return folder


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything under a folder: the bytes of files, where links lead."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def link_instead(path: Path, target: Path) -> None:
    """A link in the place of whatever stood there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def moved_behind_a_link(path: Path, target: Path) -> None:
    """The folder itself, moved elsewhere, and a link in its place."""
    shutil.move(path, target)
    path.symlink_to(target)


Damage = Callable[[Path, Path], None]
