"""What the commands share: settings from KEY=VALUE arguments, one line for every error, exit code 2 for a user's."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from rlpair.algos.registry import algorithms, find
from rlpair.cli.help import help_text
from rlpair.cli.sweep import run_jobs
from rlpair.errors import ConfigError, RLPairError, disk_line
from rlpair.runs.saved_config import Values
from rlpair.settings.overrides import Pair, combinations, parse, split
from rlpair.settings.schema import (
    Schema,
    annotation_of,
    convert,
    defaults_of,
    is_mapping,
    is_text,
    keys_of,
    nearest,
    type_name,
)
from rlpair.system.interrupts import Interrupted
from rlpair.system.output import exit_code
from rlpair.system.safe_path import add_current_folder
from rlpair.version import __version__

MANY = ("-m", "--multirun")
ANYTHING = "a value such as 1, word, [1,2], {key:1} or 'any text'"


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

    def main(self) -> int:
        """Do what ``sys.argv`` says and return the exit code."""
        return exit_code(self._main(sys.argv[1:]))

    def _main(self, arguments: Sequence[str]) -> int:
        if {"-h", "--help"} & set(arguments):
            print(help_text(self.name, self.schema, self.has_algo, self.sweeps, self.operands))
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
            values, given = self.settings(pairs)
            return self.task(values | ({self.operands: tuple(operands)} if self.operands else {}), given)
        if not self.sweeps:
            raise ConfigError("argument", many[0], "rlpair train alone takes it, for several values of a key")
        known = keys_of(self.schema)
        for algorithm in algorithms():
            known |= keys_of(algorithm.config, "algo.")
        jobs = combinations(pairs, lambda key: is_text(known, key))
        for job in jobs:
            self.settings(job)  # so that what cannot be used is refused before anything runs
        if len(jobs) == 1:
            raise ConfigError("argument", many[0], "no key has several values, such as seed=0,1,2")
        return run_jobs(self.name, jobs)

    def settings(self, pairs: Sequence[Pair]) -> tuple[Values, set[str]]:
        """All values by dotted key, and which of them are given. Raises ConfigError."""
        pairs = self.prepare(list(pairs))
        schema, values = keys_of(self.schema), defaults_of(self.schema)
        if self.has_algo:
            name = next((text for key, text in reversed(pairs) if key == "algo"), "sac")
            algorithm = find(name)
            schema |= keys_of(algorithm.config, "algo.")
            values |= {**defaults_of(algorithm.config, "algo."), "algo.name": algorithm.name}
            for key, text in pairs:
                has_it = [other for other in algorithms() if key in keys_of(other.config, "algo.")]
                if has_it and algorithm not in has_it:
                    raise ConfigError(key, text, f"algo={has_it[0].name} has such a key, algo={name} has not")
        given = read(pairs, schema)
        return values | given, set(given)


def read(pairs: Sequence[Pair], schema: Schema) -> Values:
    """What is given, by dotted key; of a key that is given twice the last.

    Raises:
        ConfigError: a key that there is not, or a value that its field does not take.
    """
    values: Values = {}
    for key, text in pairs:
        first, _, rest = key.partition(".")
        if rest and is_mapping(schema, first):
            mapping = OmegaConf.create(values.get(first, {}))
            OmegaConf.update(mapping, rest, parse((key, text), ANYTHING), force_add=True)
            values[first] = OmegaConf.to_container(mapping)
        elif key in schema:
            allowed = type_name(annotation_of(schema, key))
            values[key] = convert(schema, key, parse((key, text), allowed, as_text=is_text(schema, key)))
        else:
            near = nearest(key, schema)
            which = f"did you mean {near}?" if near else "--help lists the keys"
            raise ConfigError(key, text, f"there is no such key; {which}")
    return values
