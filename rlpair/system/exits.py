"""os._exit in a command's process: an environment that calls it would end a run in silence, with any exit code."""

import os
import threading
from typing import NoReturn

from rlpair.system.interrupts import end_process


def catch_exits() -> None:
    """Let os._exit raise SystemExit in this process, as sys.exit does; its text says who raised it.

    In another thread, where nobody would see that, it ends the process as before, with one line, and never with 0. A
    process that is forked from this one ends as it wants to.
    """
    this = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() != this:
            end_process(status)
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(f"os._exit({status})")
        os.write(2, f"rlpair: os._exit({status}) was called in a thread\n".encode())
        end_process(status or 2)

    os._exit = leave
