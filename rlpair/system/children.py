"""Processes that are started here and end with this one, even with one that is killed."""

import ctypes
import signal
import sys
from collections.abc import Callable

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_this() -> Callable[[], object] | None:
    """Return what a new process calls first (``preexec_fn``) to be killed when this one ends; None but on Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up now: between fork and exec there is no importing
    return lambda: prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
