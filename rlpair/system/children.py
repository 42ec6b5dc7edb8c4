"""A command that ends with the process that started it, even with one that is killed (Linux).

    python -m rlpair.system.children PID MODULE ARGUMENT...

That process has the number PID. The command sets it up for itself: what subprocess calls between fork and exec is not
safe where there are threads, such as JAX's.
"""

import ctypes
import os
import runpy
import signal
import sys

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def ending_with_this(module: str) -> tuple[str, ...]:
    """Return the command that runs a module, python -m MODULE, and is killed when this process ends."""
    return (sys.executable, "-m", "rlpair.system.children", str(os.getpid()), module)


def main() -> None:
    """Ask to be killed, unless there is nobody to end with any more, and become the module."""
    parent, module, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before
        sys.exit(f"rlpair: {module} was not begun: process {parent}, which it belongs to, is gone")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
