"""What a command's process needs before anything else is imported. To import this does it, there and nowhere else.

Ctrl-C during the imports, which take seconds, ends the command with one line; a stdout or stderr that nobody reads any
more, or that was never open, takes what is written and does not stop the run; a warning of rlpair's is one line;
os._exit is an exception.
"""

import os
import signal
import sys

from rlpair.system.interrupts import leave
from rlpair.system.safe_path import SCRIPTS, started_module


def is_command() -> bool:
    """Return whether this process is a command of rlpair's: python -m rlpair..., or one of its console scripts."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    if program == "-m":  # the module itself is not in sys.argv yet
        return started_module(sys.orig_argv).partition(".")[0] == "rlpair"
    is_worker = "--multiprocessing-fork" in sys.orig_argv  # which has its parent's sys.argv
    return not is_worker and program in SCRIPTS


if is_command():
    signal.signal(signal.SIGINT, leave)
    from rlpair.system.exits import catch_exits
    from rlpair.system.output import keep_output, show_warnings

    keep_output()
    show_warnings()
    catch_exits()
