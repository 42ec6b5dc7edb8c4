"""Files inside a run's folder, which a stranger may have filled: here alone they are opened, written and deleted.

No link in it is followed, and only regular files are opened: a fifo would wait for ever, a device do anything. What
stands there is replaced and not written over, so that a file that has a second name elsewhere (a hard link) keeps its
content. Whatever fails is an OSError that names the path.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

NOT_FOLLOWED = "is a link, and links inside a run's folder are not followed"
UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # and a fifo put there meanwhile does not hang


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every OSError inside name a path: those of write and fsync name none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def is_there(path: Path) -> bool:
    """Return whether something stands there, whatever it is; a link counts, wherever it leads."""
    return os.path.lexists(path)


def open_to_read(path: Path) -> BufferedReader:
    """Open a regular file for reading."""
    return os.fdopen(_open_regular(path, os.O_RDONLY), "rb")


def read(path: Path, limit: int) -> bytes:
    """Read a regular file, whose size is looked at first. Raises OSError where it has more than ``limit`` bytes."""
    with open_to_read(path) as file, naming(path):
        if (size := os.fstat(file.fileno()).st_size) > limit:
            raise OSError(errno.EFBIG, f"has {size:,} bytes, and such a file has at most {limit:,}")
        return file.read(limit)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal digits."""
    with open_to_read(path) as file, naming(path):
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_lock(path: Path) -> int:
    """Open a regular file to lock, which is made if there is none and never changed. Returns its descriptor."""
    with naming(path), suppress(FileExistsError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    return _open_regular(path, os.O_RDWR)


class Appender:
    """A file that only grows. Nothing is kept back: what ``write`` was given is with the system when it returns."""

    def __init__(self, path: Path, *, new: bool) -> None:
        """Open the file, which must not exist if it is to be ``new``; else a regular one is gone on with."""
        self.path = path
        if new or not is_there(path):
            with naming(path):
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
        else:
            self._descriptor = _open_regular(path, os.O_WRONLY | os.O_APPEND)

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises OSError, also where the file was removed; a part of ``data`` may be in it then."""
        with naming(self.path):
            if os.fstat(self._descriptor).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "was removed while it was written to")
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """Close the file; again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with naming(self.path):
                os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Make a file, synced. Raises OSError, also where something stands there."""
    with naming(path), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write(path: Path, data: bytes) -> None:
    """Make or replace a file, whole and synced or not at all."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BufferedWriter]:
    """Open a new file that takes the place of ``path`` when the block ends, synced; not if it ends by an exception."""
    temp = path.with_name(f".{path.name}.tmp")
    with naming(path):
        remove_file(temp)  # of a process that was killed
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temp, path)
        except BaseException:
            discard(temp)
            raise
        sync(path.parent)


def remove_file(path: Path) -> None:
    """Remove a name that is not a folder's: a link itself, and not what it leads to. Nothing there is fine."""
    with naming(path), suppress(FileNotFoundError):
        os.unlink(path)


def discard(path: Path) -> None:
    """Remove a name as far as that goes: after an error, which is the one that tells."""
    with suppress(OSError):
        os.unlink(path)


def is_folder(path: Path) -> bool:
    """Return whether a folder stands there. Raises OSError for a link, whatever it leads to."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, NOT_FOLLOWED, str(path))
    return path.is_dir()


def names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; [] where there is no folder."""
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def make_folders(path: Path) -> list[Path]:
    """Make a folder and those above it that are missing. Returns those that were made, the innermost first.

    Raises OSError, and then has made none.
    """
    made: list[Path] = []
    try:
        for folder in [*reversed(path.parents), path]:
            if not folder.is_dir():
                with suppress(FileExistsError):  # another process was faster
                    os.mkdir(folder)
                    made.insert(0, folder)
        os.listdir(path)  # which a file or a link to nothing refuses
    except OSError:
        remove_empty(made)
        raise
    return made


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that are still empty, up to the first that is not."""
    with suppress(OSError):
        for folder in folders:
            os.rmdir(folder)


def sync(path: Path) -> None:
    """Force a file or a folder to the disk."""
    if os.name == "nt":  # cannot sync what is open for reading
        return
    with naming(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_regular(path: Path, flags: int) -> int:
    with naming(path):
        _check_regular(os.lstat(path).st_mode)  # before it is opened, which alone may do something to a device
        descriptor = os.open(path, flags | UNFOLLOWED)
        try:
            _check_regular(os.fstat(descriptor).st_mode)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def _check_regular(mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, NOT_FOLLOWED)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file")
