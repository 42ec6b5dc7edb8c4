"""The folder that a command of many trainings writes into."""

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

from rlpair.disk import files
from rlpair.errors import ConfigError, reason

LOCK = ".lock"


def hold_out(out: str, stack: ExitStack) -> Path:
    """Make the folder, where it is not there, and keep other processes from it until ``stack`` is left.

    Raises:
        ConfigError: it cannot be written to, or another process writes to it.
    """
    try:
        files.make_folders(Path(out))
        lock = files.open_lock(Path(out, LOCK))
    except OSError as error:
        raise ConfigError("out", out, f"a folder that can be written to: {reason(error)}") from error
    stack.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError("out", out, "one that no other process is writing to") from error
    return Path(out)
