"""What ends a process from outside, quietly and with the right code: Ctrl-C, the end of a worker's parent."""

import os
import threading
from multiprocessing import parent_process


class Interrupted(SystemExit):
    """A signal that ends this process; ``code`` is 128 and the signal's number."""


def end_with_parent() -> None:
    """End this worker process as soon as its parent is gone, even one that was killed, whatever it is doing then."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
