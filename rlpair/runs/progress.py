"""How far a run is: a bar in a terminal, a line now and then in a log. rich is imported where there is a terminal."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from rlpair.runs.record import Recorder
from rlpair.types import Record


class ProgressBar(Recorder):
    """How far the run is, how fast, how good; two lines of a terminal, or a plain line now and then in a log.

    It costs a redraw of about a millisecond at most twice a second, and has no thread.
    """

    def __init__(self, total: int, initial: int = 0, stream: IO[str] | None = None) -> None:
        """
        Args:
            total: env_steps at the end.
            initial: env_steps at the start: those of the checkpoint that a run is resumed from.
            stream: stderr if None.
        """
        stream = sys.stderr if stream is None else stream
        self._total, self._steps, self._stream = total, initial, stream
        self._values: dict[str, float] = {}
        self._live = start_live(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else None
        self._period = 10.0 if self._live is None else 0.5  # seconds
        now = time.perf_counter()
        self._marks = deque([(now, initial)], maxlen=1 + int(30 / self._period))  # (seconds, env_steps) of 30 seconds
        self._next_show = now + self._period
        self._news = False
        if self._live is not None:
            self._show(now)

    def write(self, record: Record) -> None:
        """Take the newest numbers, and show them if the last time was long enough ago."""
        self._steps, self._news = record.env_steps, True
        self._values.update(record.values)
        now = time.perf_counter()
        if now >= self._next_show:
            self._show(now)

    def close(self) -> None:
        """Show the last numbers and let go of the terminal."""
        if self._news:
            self._show(time.perf_counter())
        if self._live is not None:
            self._live.stop()

    def _show(self, now: float) -> None:
        self._marks.append((now, self._steps))
        self._next_show, self._news = now + self._period, False
        percent = f"{min(100, 100 * self._steps // self._total)}%"
        position, left, speed = f"step {self._steps}/{self._total}", f"left {self._time_left()}", self._performance()
        if self._live is None:
            print("  ".join([position, percent, *speed, left]), file=self._stream, flush=True)
            return
        self._live.update(lines_of(self._steps, self._total, [percent, position, left], speed), refresh=True)

    def _performance(self) -> list[str]:
        """Return what is known of 254 steps/s, 254 updates/s, return -1034.2, eval -980.1."""
        shown: dict[str, Callable[[float], str]] = {
            "throughput/env_steps_per_second": lambda x: f"{_short(x)} steps/s",
            "throughput/updates_per_second": lambda x: f"{_short(x)} updates/s",
            "rollout/episodic_return": lambda x: f"return {x:.5g}",
            "eval/mean_return": lambda x: f"eval {x:.5g}",
        }
        return [text(self._values[tag]) for tag, text in shown.items() if tag in self._values]

    def _time_left(self) -> str:
        """Return the time left by the speed of the last 30 seconds."""
        (then, before), (now, steps) = self._marks[0], self._marks[-1]
        if steps < self._total and steps == before:
            return "-:--"
        return clock(max(0, self._total - steps) * (now - then) / max(1, steps - before))


def clock(seconds: float) -> str:
    """Write a time as 1:09 or 2:01:09."""
    hours, minutes = divmod(round(seconds) // 60, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{round(seconds) % 60:02}"


def _short(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def start_live(stream: IO[str]) -> Any:
    """Begin a place at the end of the terminal that is drawn over; what others print appears above it."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, force_terminal=True, force_jupyter=False)
    live = Live(console=console, auto_refresh=False, redirect_stdout=sys.stdout.isatty())
    live.start()
    return live


def lines_of(steps: int, total: int, beside: list[str], below: list[str]) -> Any:
    """Return the bar with ``beside`` at its right and ``below`` under it, in more lines where it is narrow."""
    from rich.columns import Columns
    from rich.console import Group
    from rich.progress_bar import ProgressBar as Bar
    from rich.table import Table
    from rich.text import Text

    first = Table.grid(padding=(0, 2), expand=True)
    first.add_column(ratio=1)
    first.add_column(no_wrap=True)
    first.add_row(Bar(total=total, completed=steps), Text("  ".join(beside)))
    return Group(first, Columns([Text(item) for item in below], padding=(0, 2)))
