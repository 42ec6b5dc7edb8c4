"""What a command's arguments mean: settings by dotted key, of the command and of the algorithm that is asked for."""

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from rlpair.algos.registry import algorithms, find
from rlpair.errors import ConfigError
from rlpair.runs.saved_config import Values
from rlpair.settings.overrides import Pair, combinations, parse
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

ANYTHING = "a value such as 1, word, [1,2], {key:1} or 'any text'"


def resolve(pairs: Sequence[Pair], command: type[Any], has_algo: bool) -> tuple[Values, set[str]]:
    """Return all values by dotted key, and which of them are given.

    Args:
        pairs: the arguments.
        command: a dataclass, the command's settings.
        has_algo: whether the algorithm's own are under ``algo``.

    Raises:
        ConfigError: a key that there is not, or a value that its field does not take.
    """
    schema, values = keys_of(command), defaults_of(command)
    if has_algo:
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


def jobs_of(pairs: Sequence[Pair], command: type[Any]) -> list[list[Pair]]:
    """Return the arguments of each job of a sweep: every combination of the values that keys have several of."""
    known = keys_of(command)
    for algorithm in algorithms():
        known |= keys_of(algorithm.config, "algo.")
    return combinations(pairs, lambda key: is_text(known, key))


def read(pairs: Sequence[Pair], schema: Schema) -> Values:
    """Read what is given, by dotted key; of a key that is given twice the last counts.

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
