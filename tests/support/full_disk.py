"""A disk that is full, read-only or gone, from the n-th time on that a run asks it for something."""

import errno
import io
import os
from typing import Any

import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from rlpair.disk import atomic, files, tensors

ASKED = ("mkdir", "rename", "replace", "fsync", "write")  # besides files that are made


class Disk:
    """Stands in for os, and for safetensors, where a run writes: fails from call ``first`` on, ``count`` times."""

    def __init__(self, first: int, count: int, code: int) -> None:
        self.first, self.last, self.code, self.calls = first, first + count - 1, code, 0

    def ask(self) -> None:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            raise OSError(self.code, os.strerror(self.code))

    @property
    def failed(self) -> bool:
        return self.calls >= self.first

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)

        def asking(*args: Any, **kwargs: Any) -> Any:
            self.ask()
            return function(*args, **kwargs)

        return asking if name in ASKED else function

    def open(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT:
            self.ask()
        return os.open(path, flags, *args, **kwargs)

    def fdopen(self, descriptor: int, mode: str) -> Any:
        if mode == "rb":
            return os.fdopen(descriptor, mode)
        ask = self.ask

        class File(io.BufferedWriter):
            def flush(self) -> None:
                if not self.closed:
                    ask()
                super().flush()

        return File(io.FileIO(descriptor, mode))

    def save_file(self, *args: Any) -> None:
        try:
            self.ask()
        except OSError as error:
            cause = f"Error while serializing: I/O error: {error.strerror} (os error {error.errno})"
            raise SafetensorError(cause) from error
        save_file(*args)


def fail(monkeypatch: pytest.MonkeyPatch, first: int, count: int = 10**9, code: int = errno.ENOSPC) -> Disk:
    """Let the disk fail from the call ``first`` on."""
    disk = Disk(first, count, code)
    for module in (files, atomic):
        monkeypatch.setattr(module, "os", disk)
    monkeypatch.setattr(tensors, "save_file", disk.save_file)
    return disk
