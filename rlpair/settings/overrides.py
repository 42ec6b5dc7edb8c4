"""The arguments KEY=VALUE of a command: Hydra's grammar of values, and of Hydra nothing else."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from rlpair.errors import ConfigError

Pair = tuple[str, str]  # a key, and its value as it was written
Sweep = ChoiceSweep | RangeSweep | IntervalSweep  # several values of a key
KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
QUOTES = "'\""
FUNCTION_OR_QUOTES = re.compile(r"\w\(|['\"]")  # such as range(0,3)
MOST_JOBS = 10_000  # of a sweep


def split(arguments: Sequence[str]) -> tuple[list[Pair], list[str]]:
    """Split arguments into settings and what is none. Raises ConfigError for what cannot be printed."""
    pairs, others = [], []
    for argument in arguments:
        if not argument.isprintable():
            raise ConfigError("argument", argument, "printable characters")
        key, equals, text = argument.partition("=")
        if equals and KEY.fullmatch(key):
            pairs.append((key, text.strip()))
        else:
            others.append(argument)
    return pairs, others


def parse(pair: Pair, allowed: str, as_text: bool = False) -> Any:
    """Parse the value of one setting.

    Args:
        pair: the setting.
        allowed: what its key takes, in words.
        as_text: take it as it is written, 2024 and a=b too, unless it is null or in quotes.

    Raises:
        ConfigError: it is empty, several values, or none that can be read.
    """
    key, text = pair
    if not text:
        raise ConfigError(key, text, f"it is empty; give {allowed}")
    if "${" in text:
        raise ConfigError(key, text, f"{allowed}, without ${{...}}")
    if as_text and text != "null" and text[0] not in QUOTES:
        return text
    override = _override(key, text)
    if override is None and as_text:
        return text
    if override is None:
        raise ConfigError(key, text, allowed)
    if override.is_sweep_override():
        raise ConfigError(key, text, f"{allowed}; rlpair train -m takes several")
    return override.value()


def combinations(pairs: Sequence[Pair], is_text: Callable[[str], bool]) -> list[list[Pair]]:
    """Return the jobs of a sweep: every combination of the values of its keys.

    Raises:
        ConfigError: a key is given twice, or there are too many jobs.
    """
    keys = [key for key, _ in pairs]
    if twice := [pair for pair in pairs if keys.count(pair[0]) > 1]:
        raise ConfigError(*twice[-1], "a key is given once with -m")
    choices = [[(key, value) for value in _several(key, text, is_text(key))] for key, text in pairs]
    jobs = [list(job) for job in itertools.islice(itertools.product(*choices), MOST_JOBS + 1)]
    if len(jobs) > MOST_JOBS:
        raise ConfigError("argument", "-m", f"these are more than {MOST_JOBS:,} jobs")
    return jobs


def _several(key: str, text: str, is_text: bool) -> list[str]:
    """Return the values that a sweep gives a key, each as it would be written alone."""
    if is_text and not FUNCTION_OR_QUOTES.search(text):
        return text.split(",")
    override = _override(key, text)
    if override is None or "${" in text or not override.is_sweep_override():
        return [text]
    return list(itertools.islice(override.sweep_string_iterator(), MOST_JOBS + 1))


def sweep_of(key: str, text: str) -> Sweep | None:
    """Return what a key is to be searched in, an interval too; None where it has one value, or what cannot be read."""
    override = None if "${" in text else _read(key, text)
    values = None if override is None else override.value()
    return values if isinstance(values, Sweep) else None


def _override(key: str, text: str) -> Override | None:
    """Return what Hydra reads, but for an interval, which has no values of its own."""
    override = _read(key, text)
    try:
        if override is not None and override.is_sweep_override():
            next(override.sweep_string_iterator(), None)  # raises for an interval
    except HydraException:
        return None
    return override


def _read(key: str, text: str) -> Override | None:
    """Return what Hydra reads, (256,256) as [256,256]; None where it can read nothing."""
    if not FUNCTION_OR_QUOTES.search(text):
        text = re.sub(r",?\s*\)", "]", text.replace("(", "["))
    try:
        return OverridesParser.create().parse_override(f"{key}={text}")
    except HydraException:
        return None
