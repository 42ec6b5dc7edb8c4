"""How many of this process's cores other processes take; as Linux tells it, in /proc."""

import os
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds; what /proc counts in
SPARE = 0.5  # of a core: less than one busy process takes beside threads that spin, more than an idle system does


def fitting(cores: int, taken: float, threads: int) -> int:
    """Return how many of these threads have a core, where others take so many of the cores; at least one."""
    return max(1, min(threads, int(cores - taken + SPARE)))


class Others:
    """What all processes but this one and its children take of some cores."""

    def __init__(self, cores: AbstractSet[int], proc: Path = PROC) -> None:
        """Begin to watch the cores. Raises OSError where the system does not tell."""
        self._cores, self._proc = cores, proc
        self._last = self._clocks()

    def taken(self) -> float:
        """Return how many cores they have taken, on average, since this was asked last."""
        before, self._last = self._last, self._clocks()
        seconds, busy, own = (now - then for now, then in zip(self._last, before, strict=True))
        return max(0.0, (busy - own) / max(seconds, TICK))

    def _clocks(self) -> tuple[float, float, float]:
        """Read seconds: of the wall, of the cores computing for anyone, of this process and its children."""
        children = sum(self._spent(pid) for pid in self._children())
        return time.monotonic(), self._busy(), sum(os.times()[:4]) + children

    def _busy(self) -> float:
        """Read the busy seconds of the cores; what the host of a virtual machine gives to its other guests counts."""
        ticks = 0
        for line in (self._proc / "stat").read_text().splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in self._cores:
                user, nice, system, _idle, _iowait, *interrupts_and_steal = map(int, fields[:8])
                ticks += user + nice + system + sum(interrupts_and_steal)
        return ticks * TICK

    def _children(self) -> list[str]:
        """Return the ids of children: workers of environments, what compiles; none where the system does not tell."""
        with suppress(OSError):
            return (self._proc / f"self/task/{os.getpid()}/children").read_text().split()
        return []

    def _spent(self, pid: str) -> float:
        """Return the seconds that a process has computed; 0 if it has ended, whose time is then in os.times()."""
        with suppress(OSError):
            user, system = (self._proc / pid / "stat").read_text().rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) * TICK
        return 0.0
