"""What ends a process from outside, quietly and with the right code: Ctrl-C, the end of a worker's parent.

It imports next to nothing: until a command has come so far, Ctrl-C is a traceback.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM)
end_process = os._exit  # which catch_exits replaces


class Interrupted(SystemExit, KeyboardInterrupt):
    """A signal that ends this process, with the exit code 128 and its number, and without a traceback."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def leave(number: int, frame: object) -> None:
    """End at once: the handler of Ctrl-C while a command starts and has nothing to lose.

    An exception would be swallowed by some of the packages that are imported meanwhile.
    """
    os.write(2, b"rlpair: interrupted\n")  # print is not for handlers
    end_process(128 + number)


def interrupt(number: int, frame: object) -> None:
    """Raise Interrupted: the handler of Ctrl-C where something has to be closed; the next Ctrl-C ends at once."""
    signal.signal(number, leave)
    raise Interrupted(number)


@contextmanager
def closing_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C in a command raise Interrupted inside, so that what is open is closed. Elsewhere it is left alone."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is leave:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if previous is leave:
            signal.signal(signal.SIGINT, leave)


@contextmanager
def passing_on(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let this handle what ends a process, and a terminal that closes, while others work for this process."""
    previous = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGHUP)}
    for number, before in previous.items():
        if (number, before) != (signal.SIGHUP, signal.SIG_IGN):  # as nohup leaves it
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


class Signals:
    """SIGINT and SIGTERM while a run is under way: the first ends it in good order, the second as it would have before.

    A context manager: the handlers are in place inside.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        """Keep ``stop``, which asks the run to end soon and is called in a signal handler."""
        self.received = 0  # the number of the first
        self._stop, self._at_once = stop, False

    def __enter__(self) -> "Signals":
        self._previous = {number: signal.getsignal(number) for number in ENDING}
        for number in ENDING:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal end the block inside at once. Raises Interrupted."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _handle(self, number: int, frame: object) -> None:
        for other, handler in self._previous.items():
            signal.signal(other, interrupt if handler is leave else handler)  # there is something to close by now
        self.received = number
        if self._at_once:
            raise Interrupted(number)
        self._stop()


def end_with_parent() -> None:
    """End this worker process as soon as its parent is gone, even one that was killed, whatever it is doing then."""
    import threading
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        end_process(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
