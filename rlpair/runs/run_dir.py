"""The folder of a run: made or gone on in, and held by one process. A start that fails takes back what it did."""

import errno
import fcntl
import os
import re
import shlex
import time
from contextlib import ExitStack
from pathlib import Path

from rlpair.algos.registry import address_of
from rlpair.config import RunConfig
from rlpair.disk import files
from rlpair.disk.atomic import settled_folders
from rlpair.disk.checkpoint import find_step
from rlpair.disk.layout import BEST, CHECKPOINTS, CONFIG, ERROR, LOCK, METRICS, RESULT, RunDir
from rlpair.errors import CheckpointError, ConfigError, EnvFailedError, RLPairError, disk_line, reason
from rlpair.runs.saved_config import load_config

FILES = "|".join(map(re.escape, (CONFIG, METRICS, RESULT, ERROR)))
OWN = re.compile(rf"{CHECKPOINTS}|{re.escape(LOCK)}|\.?({FILES})(\.tmp)?|events\.out\.tfevents\..+")


class HeldRunDir(RunDir):
    """The folder of a run, which this process alone writes to until it is closed."""

    def __init__(self, path: Path, undo: ExitStack) -> None:
        """Lock the folder; ``undo`` is given what takes the lock back.

        Raises:
            ConfigError: another process holds the folder; a killed one does no more.
            OSError: it cannot be written to.
        """
        super().__init__(path)
        is_first = not files.is_there(self.lock)
        self._lock = files.open_lock(self.lock)
        undo.callback(self.close)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError("run_dir", str(path), "one that no other process is writing to") from error
        if is_first:
            undo.callback(files.discard, self.lock)
        self._identity = os.stat(path)

    def check(self) -> None:
        """Raise OSError unless it is still the folder that it was at first."""
        if not self.path.is_dir() or not os.path.samestat(os.stat(self.path), self._identity):
            raise FileNotFoundError(errno.ENOENT, "was removed while the run was writing to it", str(self.path))

    def way_on(self, algo: str) -> str:
        """Say what can be done after a run of that algorithm has failed, with the command that goes on."""
        try:
            return f"{find_step(self.path)} is whole, {go_on(self.path, algo)}"
        except RLPairError:
            kept = f": {self.best} is whole, so begin anew in another run_dir" if self.best.is_dir() else ""
            return f"there is no checkpoint to go on from{kept}"

    def close(self) -> None:
        """Let go of the folder; again does nothing."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def begin(config: RunConfig, undo: ExitStack) -> tuple[Path, bool]:
    """Make the run's folder, or take an empty one, or one whose run never came to a checkpoint.

    ``undo`` is given what takes that back.

    Returns:
        the folder, and whether it is empty.

    Raises:
        ConfigError: it is neither, or cannot be made.
    """
    if config.run_dir:
        run_dir = Path(config.run_dir)
        if files.is_there(run_dir) and not _can_begin_in(run_dir):
            raise ConfigError("run_dir", config.run_dir, "a folder that is new or empty; resume= goes on in an old one")
        _make(run_dir, undo)
        return run_dir, not files.names(run_dir)
    env = config.env.replace("/", "-").replace(":", "-")
    name = f"seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    parent = Path("runs") / env / f"{config.algo.name}-{config.backend}"
    for attempt in range(1, 1000):  # another job may have begun in the same second
        run_dir = parent / (name if attempt == 1 else f"{name}-{attempt}")
        if _make(run_dir, undo):
            return run_dir, True
    raise ConfigError("run_dir", str(parent / name), "given by hand here: a thousand runs have this name")


def run_dir_of(checkpoint: Path) -> RunDir:
    """Return the RUN_DIR of RUN_DIR/checkpoints/step_N. Raises CheckpointError where it is none, or behind links."""
    run_dir = RunDir(checkpoint.parent.parent)
    _check_folders(checkpoint.parent, checkpoint, checkpoint.parent / BEST)
    if not files.is_there(run_dir.config):
        raise CheckpointError(f"{checkpoint} belongs to no run: there is no {CONFIG} two folders above it")
    return run_dir


def checkpoint_of(run_dir: Path, name: str) -> Path:
    """Return RUN_DIR/checkpoints/NAME; for "last" RUN_DIR, which means it. Raises CheckpointError behind links."""
    if name == "last":
        return run_dir
    path = RunDir(run_dir).checkpoints
    _check_folders(path)
    for part in name.split("/"):
        path = path / part
        _check_folders(path)
    return path


def go_on(run_dir: Path, algo: str) -> str:
    """Return the command that goes on with a run of that algorithm, for a shell."""
    address = address_of(algo)
    own = [f"algo={address}"] if address != algo else []  # a module that nobody but the user may name
    return f"go on with: python -m rlpair.train {shlex.join([*own, f'resume={run_dir}'])}"


def with_traceback(error: EnvFailedError, run_dir: Path) -> str:
    """Write the traceback of an environment's failure beside the run; return the line that says where."""
    path = RunDir(run_dir).error
    try:
        files.write(path, error.details.encode(errors="backslashreplace"))
    except OSError as problem:
        return f"{error} (its traceback cannot be written: {disk_line(problem)})"
    return f"{error} (traceback: {path})"


def _can_begin_in(run_dir: Path) -> bool:
    """Return whether it is empty, or holds what a run wrote that was killed before its first checkpoint."""
    if not run_dir.is_dir():
        return False
    names = files.names(run_dir)
    if not names:
        return True
    if LOCK not in names or not all(map(OWN.fullmatch, names)):
        return False
    checkpoints = RunDir(run_dir).checkpoints
    if files.is_folder(checkpoints) and settled_folders(checkpoints):
        return False
    try:
        return CONFIG not in names or bool(load_config(run_dir))
    except CheckpointError:
        return False


def _check_folders(*folders: Path) -> None:
    """Raise CheckpointError where one is a link."""
    try:
        for folder in folders:
            files.is_folder(folder)
    except OSError as error:
        raise CheckpointError(disk_line(error)) from error


def _make(run_dir: Path, undo: ExitStack) -> bool:
    """Make a folder, unless it is there. Returns whether it was made. Raises ConfigError where it cannot be made."""
    try:
        made = files.make_folders(run_dir)
    except OSError as error:
        raise ConfigError("run_dir", str(run_dir), f"a folder that can be made: {reason(error)}") from error
    undo.callback(files.remove_empty, made)
    return run_dir in made
