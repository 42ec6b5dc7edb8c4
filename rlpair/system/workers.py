"""Worker processes with cores of their own: an object lives in each, and its methods are called from here."""

import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rlpair.errors import RLPairError
from rlpair.system.interrupts import end_with_parent

CLOSE_SECONDS = 5  # for a process to end by itself
STATUS = Path("/proc/self/status")


class Workers:
    """Objects that ``make`` returns for each of the arguments, one a process; a single one lives in this process.

    Methods are called on all of them at once.
    """

    def __init__(
        self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], cores: Sequence[set[int]]
    ) -> None:
        """
        Args:
            make: a function of a module, which is imported once the process has its cores.
            arguments: of each call; they are pickled.
            cores: of each process, where the system can bind one; of a single one they are left as they are.

        Raises:
            RLPairError: what ``make`` raised; another error of its is a RuntimeError with its traceback.
        """
        self._processes, self._ends = [], list[Connection]()
        self._here = make(*arguments[0]) if len(arguments) == 1 else None
        if self._here is not None:
            return
        context = get_context("spawn")
        for own, its_cores in zip(arguments, cores, strict=True):
            end, other = context.Pipe()
            process = context.Process(target=_serve, args=(other, its_cores, make, own), daemon=True)
            process.start()
            other.close()
            self._processes.append(process)
            self._ends.append(end)
        try:
            self._answers()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return max(1, len(self._ends))

    def call(self, method: str, *arguments: Any, each: Sequence[Any] | None = None) -> list[Any]:
        """Call a method of every worker and return what it returns. ``each``: one more argument, another for each.

        Raises:
            RLPairError: what a worker raised, or that one is gone.
        """
        own = [() for _ in range(len(self))] if each is None else [(x,) for x in each]
        if self._here is not None:
            return [getattr(self._here, method)(*arguments, *own[0])]
        for end, more in zip(self._ends, own, strict=True):
            with suppress(ConnectionError):  # a worker that is gone: its answer says so
                end.send((method, (*arguments, *more)))
        return self._answers()

    def _answers(self) -> list[Any]:
        """Return what all of them answer to one call; raises what the first of those that failed raised."""
        answers = []
        for process, end in zip(self._processes, self._ends, strict=True):
            try:
                answers.append(end.recv())
            except (EOFError, ConnectionError):
                process.join()
                raise RLPairError(f"a worker process ended with exit code {process.exitcode}") from None
        for failed, answer in answers:
            if failed:
                raise failed(answer)
        return [answer for _, answer in answers]

    def close(self) -> None:
        """End the processes, also those that are in the middle of something."""
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join(CLOSE_SECONDS)
            process.kill()
            process.join()


def divide(count: int, cores: set[int]) -> list[tuple[range, set[int]]]:
    """Divide ``count`` things among the cores: what each worker takes, and its cores; no worker without work."""
    workers, ordered = min(count, len(cores)), sorted(cores)
    parts = [range(count * w // workers, count * (w + 1) // workers) for w in range(workers)]
    return [(part, set(ordered[w::workers])) for w, part in enumerate(parts)]


def usable_cores() -> set[int]:
    """Return the cores that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run this thread, and the processes that it starts meanwhile, on these cores; where that can be asked for."""
    before = usable_cores()
    bind_to(cores)
    try:
        yield
    finally:
        bind_to(before)


def bind_to(cores: set[int]) -> None:
    """Run this thread on these cores; on Linux."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def peak_memory() -> int:
    """Return the bytes that this process has had at most.

    Where Linux does not say it, what the process that started this one had by then is a lower bound.
    """
    status = STATUS.read_text() if STATUS.exists() else ""
    if peak := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
        return int(peak[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _serve(end: Connection, cores: set[int], make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Serve calls, the life of a worker, which ends when the other end does."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes: the first one decides
    bind_to(cores)
    with suppress(EOFError, ConnectionError):  # the other end is gone
        failed, target = _attempt(make, *arguments)
        end.send((failed, target if failed else None))
        while not failed:
            method, its = end.recv()
            end.send(_attempt(getattr(target, method), *its))


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[type[Exception] | None, Any]:
    """Call and return (None, what it returns), or the error to raise at the other end and its text."""
    try:
        return None, function(*arguments)
    except RLPairError as error:
        return RLPairError, str(error)
    except Exception:  # noqa: BLE001 - whatever it is, the other end raises it
        return RuntimeError, traceback.format_exc()
