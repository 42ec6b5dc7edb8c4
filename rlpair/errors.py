"""Every error that a user can cause: one line that names the key, the value and what is allowed.

The commands print the line on stderr and exit with code 2; importers catch ``RLPairError``.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

LONGEST_TEXT = 200  # characters that somebody else's exception may say
LONGEST_SHOWN = 60  # of a stranger's name or key in a line


class RLPairError(Exception):
    """Base of the errors below; ``str(error)`` is one line, without what a terminal would obey."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))


class RLPairWarning(UserWarning):
    """What is amiss, and does not stop a run; the commands print it as one line."""


class ConfigError(RLPairError, ValueError):
    """A setting that cannot be used: names the key, the value, of a long one its beginning, and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        text = repr(value)
        super().__init__(f"{key}={text if len(text) <= 500 else text[:500] + '...'} is not allowed: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed


class EnvError(RLPairError):
    """An environment that cannot be built, or that the algorithm cannot learn."""


class EnvFailedError(EnvError):
    """An environment that failed in a step or a reset: names it, and, once the loop has had it, the step.

    ``__cause__`` is what it raised; ``details`` is the traceback, where it was a worker process that of the worker.
    """

    def __init__(self, what: str, text: str = "", details: str = "") -> None:
        super().__init__(f"{what}: {text}" if text else what)
        self.what, self.text, self.details = what, text, details

    def at(self, where: str) -> "EnvFailedError":
        """Return the same, saying also where it happened."""
        return EnvFailedError(f"{self.what} at {where}", self.text, self.details)


class MissingExtraError(RLPairError, ImportError):
    """A package that is not installed: names the command that installs it."""


class CheckpointError(RLPairError):
    """A checkpoint that is missing, corrupt, truncated, foreign, or of another shape."""


class ObservationError(RLPairError, ValueError):
    """An observation that an agent cannot act on: names its shape and what the agent takes."""


class MetricsError(RLPairError):
    """Runs whose metrics.jsonl do not hold the tag that is asked for."""


class NonFiniteError(RLPairError):
    """A NaN or an infinity, in the environment's numbers or in the learner's: names the step."""

    def at(self, where: str) -> "NonFiniteError":
        """Return the same, saying also where it happened."""
        return NonFiniteError(f"{self} at {where}")


def first_line(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split())


def shortened(text: str) -> str:
    """Shorten a stranger's text to what a line has room for."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def text_of(error: BaseException) -> str:
    """Return what an exception says, on one line that a terminal can show; "" where it says nothing."""
    try:
        text = first_line(error)
    except Exception:  # noqa: BLE001 - its own __str__ fails
        return ""
    shown = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
    return "".join(character if character.isprintable() else "?" for character in shown)


def name_and_text(error: BaseException) -> str:
    """Return ``ValueError: what it says``; the name alone where it says nothing."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def reason(error: BaseException) -> str:
    """Return why it failed, on one line; of an OSError without the number and the path."""
    return error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)


def disk_line(error: OSError) -> str:
    """Return the line of a disk's failure: PATH: No space left on device."""
    return f"{error.filename}: {reason(error)}" if error.filename else first_line(error)


def refuse(path: Path, cause: str) -> NoReturn:
    """Raise CheckpointError: what is wrong with a file or a folder."""
    raise CheckpointError(f"{path}: {cause}")


def check_one_of(key: str, value: object, allowed: Collection[str]) -> None:
    """Raise ConfigError unless the value is one of them."""
    if value not in allowed:
        raise ConfigError(key, value, "one of " + ", ".join(allowed))
