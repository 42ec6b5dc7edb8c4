"""What the commands share: --help, one line for every error, exit code 2 for a user's; once, or as a sweep."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlpair.cli.arguments import jobs_of, resolve
from rlpair.cli.help import help_text
from rlpair.cli.sweep import run_jobs
from rlpair.errors import ConfigError, RLPairError, disk_line
from rlpair.runs.saved_config import Values
from rlpair.settings.overrides import Pair, split
from rlpair.system.interrupts import Interrupted
from rlpair.system.output import exit_code
from rlpair.system.safe_path import add_current_folder
from rlpair.version import __version__

MANY = ("-m", "--multirun")


@dataclass(frozen=True)
class Command:
    """A command: ``rlpair NAME KEY=VALUE ...``, also ``python -m rlpair.NAME``."""

    name: str
    schema: type[Any]  # a dataclass: its keys, their types, defaults and docstrings
    task: Callable[[Values, set[str]], int]  # (all values by dotted key, which of them were given) -> exit code
    has_algo: bool = False  # whether ``algo`` is a key, with the algorithm's own settings under it
    prepare: Callable[[list[Pair]], list[Pair]] = list  # what to make of the arguments first
    sweeps: bool = False  # whether -m runs it for each of several values
    operands: str | None = None  # the key, of a list, of the arguments that are not KEY=VALUE
    after: str = ""  # the last line of --help

    def main(self) -> int:
        """Do what ``sys.argv`` says and return the exit code."""
        return exit_code(self._main(sys.argv[1:]))

    def _main(self, arguments: Sequence[str]) -> int:
        if {"-h", "--help"} & set(arguments):
            print(help_text(self.name, self.schema, self.has_algo, self.after, self.operands))
            return 0
        if "--version" in arguments:
            print(f"rlpair {__version__}")
            return 0
        try:
            return self._run(arguments)
        except Interrupted as interrupted:
            print("rlpair: interrupted", file=sys.stderr)
            return 128 + interrupted.number
        except RLPairError as error:
            print(f"rlpair: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"rlpair: {disk_line(error)}", file=sys.stderr)
            return 2

    def _run(self, arguments: Sequence[str]) -> int:
        pairs, others = split(arguments)
        if any(key in ("env", "algo") and ":" in text for key, text in pairs):  # a module, named on the command line
            add_current_folder()
        many = [other for other in others if other in MANY]
        operands = [other for other in others if other not in MANY]
        for operand in operands:
            if operand.startswith("-") or self.operands is None:
                flags = "-m, " if self.sweeps else ""
                raise ConfigError("argument", operand, f"KEY=VALUE, {flags}--version or --help, which lists the keys")
        if not many:
            values, given = self._settings(pairs)
            return self.task(values | ({self.operands: tuple(operands)} if self.operands else {}), given)
        if not self.sweeps:
            raise ConfigError("argument", many[0], "rlpair train alone takes it, for several values of a key")
        jobs = jobs_of(pairs, self.schema)
        for job in jobs:
            self._settings(job)  # so that what cannot be used is refused before anything runs
        if len(jobs) == 1:
            raise ConfigError("argument", many[0], "no key has several values, such as seed=0,1,2")
        return run_jobs(self.name, jobs)

    def _settings(self, pairs: Sequence[Pair]) -> tuple[Values, set[str]]:
        """Return all values by dotted key, and which of them are given. Raises ConfigError."""
        return resolve(self.prepare(list(pairs)), self.schema, self.has_algo)
