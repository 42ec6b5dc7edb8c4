"""The arguments KEY=VALUE of a command: parsed by Hydra, and checked against what keys there are."""

import difflib
from collections.abc import Mapping

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from rlpair.config import ALGO_CONFIGS
from rlpair.errors import ConfigError
from rlpair.schema import check_type


def parse(arguments: list[str]) -> list[Override]:
    """The overrides among the arguments (flags such as -m are Hydra's). Raises ConfigError for what is none."""
    parsed = []
    for argument in arguments:
        if argument.startswith("-"):
            continue
        try:
            parsed += OverridesParser.create().parse_overrides([argument])
        except HydraException as error:
            raise ConfigError("argument", argument, "KEY=VALUE") from error
    return parsed


def key_of(override: Override) -> str:
    """Its dotted key; a mapping's own keys count as the mapping."""
    key = override.key_or_group
    return "env_kwargs" if key.startswith("env_kwargs.") else key


def chosen(overrides: list[Override], key: str, default: str) -> str:
    """The value given for a key that names one of a few."""
    given = [o.value() for o in overrides if o.key_or_group == key and not o.is_sweep_override()]
    value = str(given[-1]) if given else default
    if value not in ALGO_CONFIGS:
        raise ConfigError(key, value, "one of " + ", ".join(ALGO_CONFIGS))
    return value


def is_sweep(overrides: list[Override], key: str) -> bool:
    """Whether several values are given for the key."""
    return any(o.key_or_group == key and o.is_sweep_override() for o in overrides)


def check_overrides(overrides: list[Override], schemas: Mapping[str, DictConfig]) -> None:
    """Raises ConfigError for a key that there is not, and for a value of another type."""
    known: dict[str, DictConfig] = {}
    for prefix, schema in schemas.items():
        known |= {f"algo.{key!s}" if prefix else str(key): schema for key in schema}
    for override in overrides:
        key = override.key_or_group
        is_group = key == "algo" and len(schemas) > 1
        if key.startswith("hydra") or is_group or key.startswith("env_kwargs."):
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                key, override.value(), f"there is no such key; {hint}the keys are {', '.join(map(str, known))}"
            )
        if not override.is_sweep_override():
            check_type(known[key], key, override.value())


def unlocked(argument: str) -> str:
    """env_kwargs takes any key, where Hydra wants a ++ before a new one."""
    return f"++{argument}" if argument.startswith("env_kwargs.") else argument
