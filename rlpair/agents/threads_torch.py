"""How many threads PyTorch computes with: those it was given, and fewer while other processes take their cores.

The threads of a SAC update meet at some hundred barriers, and each meeting waits for the last. While another process
is on the core of one of them, an update takes ten times as long if the others spin, twice if they sleep, and on a
crowded machine more; one thread per free core waits for nobody (docs/speed.md). How many threads share a product or a
loop of these networks changes no bit of its result, which tests/system/test_crowding.py asserts.
"""

import os
import threading
import time

import torch

from rlpair.system.crowding import Others, fitting
from rlpair.system.workers import usable_cores

SECONDS = 0.25  # between two looks at the machine


class Watch:
    """Follows how many threads have cores, once it has begun."""

    def __init__(self) -> None:
        self.threads = self.fit = self._set = 0
        self._adapted = False  # since the last look

    def begin(self, threads: int) -> bool:
        """Follow, for the rest of the process, how many of these have cores. Returns False where that cannot be.

        It cannot where the user has set OMP_NUM_THREADS, and on another system than Linux.
        """
        if self.threads:
            return True
        if threads == 1 or "OMP_NUM_THREADS" in os.environ:
            return False
        cores = usable_cores()
        try:
            others = Others(cores)
        except OSError:
            return False
        self.threads = self.fit = self._set = threads
        threading.Thread(target=self.follow, args=(others, len(cores)), daemon=True, name="rlpair-watch").start()
        return True

    def follow(self, others: Others, cores: int) -> None:
        """Look again and again. After a pause, in which others may take what they like, all threads begin."""
        looks = 0  # since it last paused
        while True:
            time.sleep(SECONDS)
            taken = others.taken()
            looks = looks + 1 if self._adapted else 0
            self._adapted = False
            self.fit = fitting(cores, taken, self.threads) if looks > 1 else self.threads

    def adapt(self) -> None:
        """Compute, in the thread that calls this, with as many threads as have cores."""
        self._adapted = True
        if self.fit != self._set:
            self._set = self.fit
            torch.set_num_threads(self.fit)


WATCH = Watch()  # of this process; a command begins it, an import does not
