"""What a run's config.yaml, which a stranger may have written, does not decide alone.

An environment's id can name a module, which would be imported; its env_kwargs can name files, modules or addresses to
code that nobody here has read, or open a window. Whoever trusts them gives them again on the command line.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from rlpair.errors import CheckpointError, ConfigError
from rlpair.settings.overrides import parse

ENV_ID = re.compile(r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:)?[\w.-]+(/[\w.-]+)*", re.ASCII)
WORDS = re.compile(r"[A-Za-z0-9_+-]*( [A-Za-z0-9_+-]+)*")  # no file, no module with a dot, no address
LONGEST = 200  # characters


def check_environment(file: Path, saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse an environment that a config.yaml alone names, where making it could do anything.

    Args:
        file: the config.yaml.
        saved: ``env`` and ``env_kwargs`` as it has them.
        given: those of them that the command line has; of env_kwargs only the keys that it has.

    Raises:
        CheckpointError: says what has to be given again, as a shell takes it.
    """
    env, env_kwargs = saved.get("env"), saved.get("env_kwargs")
    if not isinstance(env, str) or len(env) > LONGEST or not ENV_ID.fullmatch(env):
        raise CheckpointError(f"{file}: env={repr(env)[:LONGEST]} is not the id of an environment")
    if not isinstance(env_kwargs, Mapping):
        raise CheckpointError(f"{file}: env_kwargs={repr(env_kwargs)[:LONGEST]} is not a mapping")
    missing = {"env": env} if ":" in env and "env" not in given else {}
    known = given.get("env_kwargs", {})
    missing |= {f"env_kwargs.{key}": x for key, x in env_kwargs.items() if key not in known and is_powerful(key, x)}
    if missing:
        again = " ".join(assignment(file, key, value) for key, value in missing.items())
        what = "may not import a module, name a file or open a window by itself"
        raise CheckpointError(f"{file} {what}; if you trust it, add: {again}")


def check_same(saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise ConfigError for an ``env`` or one of ``env_kwargs`` that is given and is not the run's."""
    pairs = [("env", given.get("env", saved["env"]), saved["env"])]
    pairs += [(f"env_kwargs.{key}", x, saved["env_kwargs"].get(key)) for key, x in given.get("env_kwargs", {}).items()]
    for key, value, its in pairs:
        if value != its:
            raise ConfigError(key, value, f"{its}, as in the run, or left out")


def is_powerful(key: str, value: Any) -> bool:
    """Return whether an argument of an environment could name a file or a module, or open a window."""
    if key == "render_mode":
        return value is not None
    match value:
        case str():
            return len(value) > LONGEST or not WORDS.fullmatch(value)
        case Mapping():
            return any(is_powerful("", x) for pair in value.items() for x in pair)
        case list() | tuple():
            return any(is_powerful("", x) for x in value)
    return False


def assignment(file: Path, key: str, value: Any) -> str:
    """Write KEY=VALUE for a shell and the command line. Raises CheckpointError for what they cannot give."""
    text = value if key == "env" else _text(value)
    try:
        is_read = text.isprintable() and parse((key, text), "", as_text=key == "env") == value
    except ConfigError:
        is_read = False
    if not is_read or not re.fullmatch(r"\w+(\.\w+)?", key):
        raise CheckpointError(f"{file}: {key}={repr(value)[:LONGEST]} is not a value that the command line can give")
    return shlex.quote(f"{key}={text}")


def _text(value: Any) -> str:
    """Write a value in the grammar of the command line."""
    match value:
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case str():
            return (
                value
                if re.fullmatch(r"[A-Za-z_/][\w./:-]*", value)
                else QuotedString(value, Quote.single).with_quotes()
            )
        case Mapping():
            return "{" + ",".join(f"{_text(key)}:{_text(x)}" for key, x in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)
