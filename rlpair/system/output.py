"""The stdout and stderr of a command: a reader that goes away stops nothing, nor does a disk that is full, and rlpair's
warnings are one line.
"""

import io
import os
import sys
import warnings
from typing import Any, TextIO

from rlpair.errors import RLPairWarning, reason


class Output(io.FileIO):
    """A descriptor that may stop taking what is written: all of that goes nowhere then."""

    lost = False  # something of any of them, in which somebody was interested

    def write(self, data: Any) -> int:
        """See io.FileIO."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            pass
        except OSError as error:
            Output.lost = True
            if self.fileno() == 1:
                os.write(2, f"rlpair: stdout: {reason(error)}; what is printed there is lost\n".encode())
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return len(memoryview(data).cast("B"))


def exit_code(code: int) -> int:
    """Return the code that a command exits with: 2 in place of 0 where what it printed is lost."""
    sys.stdout.flush()
    return code or (2 if Output.lost else 0)


def keep_output() -> None:
    """Let this process write to stdout and stderr whatever becomes of them, or if they never were open."""
    for descriptor in range(3):  # else the next file that is opened would be stdout
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _kept(sys.stdout, 1), _kept(sys.stderr, 2)


def _kept(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return the same stream, on an Output; a new one where there is none."""
    is_line_buffered = descriptor == 2 or os.isatty(descriptor)
    encoding, errors = (stream.encoding, stream.errors) if stream is not None else ("utf-8", "backslashreplace")
    through = bool(getattr(stream, "write_through", False))  # python -u
    raw = Output(descriptor, "w", closefd=False)
    buffer: Any = raw if through else io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=is_line_buffered, write_through=through)


def show_warnings() -> None:
    """Show a warning of rlpair's as the one line that it is, and others as before."""
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *others: Any, **named: Any) -> None:
        if issubclass(category, RLPairWarning):
            print(f"rlpair: {message}", file=sys.stderr)
        else:
            usual(message, category, *others, **named)

    warnings.showwarning = show
