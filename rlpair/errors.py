"""Every error that a user can cause: one line that names the key, the value and what is allowed.

The commands print the line on stderr and exit with code 2; importers catch ``RLPairError``.
"""


class RLPairError(Exception):
    """Base of the errors below; ``str(error)`` is one line."""


class ConfigError(RLPairError, ValueError):
    """A setting that cannot be used: names the key, the value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}={value!r} is not allowed: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed


class EnvError(RLPairError):
    """An environment that cannot be built, or that the algorithm cannot learn."""


class MissingExtraError(RLPairError, ImportError):
    """A package that is not installed: names the command that installs it."""


class CheckpointError(RLPairError):
    """A checkpoint that is missing, corrupt, truncated, foreign, or of another shape."""


class NonFiniteError(RLPairError):
    """A NaN or an infinity, in the environment's numbers or in the learner's: names the step."""


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


def reason(error: BaseException) -> str:
    """Why it failed, on one line; of an OSError without the number and the path."""
    return error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)


def disk_line(error: OSError) -> str:
    """PATH: No space left on device."""
    return f"{error.filename}: {reason(error)}" if error.filename else first_line(error)
