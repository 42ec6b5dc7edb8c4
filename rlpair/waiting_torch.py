"""How PyTorch's threads wait for each other: spinning while they have cores, asleep while other processes take them.

The threads of a SAC update meet at some hundred barriers. GNU's OpenMP, with which PyTorch is built for Linux, lets who
comes first spin for milliseconds, and on an idle machine nothing is faster. Where another process is on the core of
the one that is late, the early one spins away the very time that the late one needs: an update takes ten times as long
beside one busy process, and a hundred times on a crowded machine. To fall asleep at once costs an idle machine half.

libgomp decides anew at each barrier: it sleeps after 100 rounds while it has more threads than there are cores (its
manual, under GOMP_SPINCOUNT). So as long as the cores are crowded, a second team of threads is kept, which does
nothing. The same threads compute the same parts in either way, so that no number depends on it.
"""

import os
import threading
import time
from functools import cache
from pathlib import Path

import torch

from rlpair.crowding import Others, is_crowded
from rlpair.workers import usable_cores

SECONDS = 0.25  # between two looks at the machine
CHOSEN_BY_THE_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


class SecondTeam:
    """Threads of OpenMP's beside this process's own, so many that there are more than cores; they are always idle."""

    def __init__(self, cores: int, threads: int) -> None:
        """``threads``: of the team that computes."""
        self._size, self._threads = max(2, cores + 2 - threads), threads
        self._leave = threading.Event()
        ready = threading.Event()
        self._owner = threading.Thread(target=self._own, args=(ready,), daemon=True)
        self._owner.start()
        ready.wait()

    def _own(self, ready: threading.Event) -> None:
        """A team belongs to the thread that first computes with it, and ends with that thread."""
        torch.set_num_threads(self._size)  # in this thread, and in others that compute for the first time
        torch.ones(1 << 17).neg_()
        torch.set_num_threads(self._threads)
        ready.set()
        self._leave.wait()

    def close(self) -> None:
        """End its threads."""
        self._leave.set()
        self._owner.join()


@cache  # which is begun once
def watch(threads: int) -> bool:
    """Follow, for the rest of the process, whether its threads have cores. Returns False where that is not possible.

    It is not where the user has chosen how threads wait, on another system than Linux, and with another OpenMP.
    """
    if threads == 1 or any(name in os.environ for name in CHOSEN_BY_THE_USER) or not has_libgomp():
        return False
    cores = usable_cores()
    try:
        others = Others(cores)
    except OSError:
        return False
    threading.Thread(target=follow, args=(others, len(cores), threads), daemon=True, name="rlpair-watch").start()
    return True


def has_libgomp() -> bool:
    """Whether GNU's OpenMP is loaded, which PyTorch's packages for Linux bring along."""
    maps = Path("/proc/self/maps")
    return maps.exists() and "libgomp" in maps.read_text()


def follow(others: Others, cores: int, threads: int) -> None:
    """Keep a second team as long as the cores are crowded."""
    team: SecondTeam | None = None
    while True:
        time.sleep(SECONDS)
        crowded = is_crowded(cores, others.taken(), threads)
        if crowded and team is None:
            team = SecondTeam(cores, threads)
        elif team is not None and not crowded:
            team.close()
            team = None
