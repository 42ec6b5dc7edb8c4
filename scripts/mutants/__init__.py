"""Bugs to plant, a table for each room: ``BUGS`` of every module here."""

import importlib
import pkgutil
from typing import NamedTuple


class Bug(NamedTuple):
    """A text in a file of rlpair/, and what stands there instead."""

    what: str
    file: str
    old: str
    new: str
    test: str  # that is to catch it: file::function
    also: tuple[tuple[str, str, str], ...] = ()  # more (file, old, new): the same bug in the twin

    @property
    def edits(self) -> tuple[tuple[str, str, str], ...]:
        """All of its (file, old, new)."""
        return ((self.file, self.old, self.new), *self.also)


def tables() -> dict[str, list[Bug]]:
    """The bugs of each room, by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").BUGS for name in names}
