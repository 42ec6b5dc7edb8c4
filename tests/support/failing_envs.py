"""Environments that fail in every way that one can, registered as failing/...: what the frame must survive."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from toy_envs import Counter


class Unpicklable(Exception):
    """Cannot go from one process to another: it holds a function, and takes two arguments."""

    def __init__(self, text: str, more: Any) -> None:
        super().__init__(text)
        self.more = more


class Mute(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def raises(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)
    time.sleep(1)


ACTS: dict[str, Callable[[], Any]] = {  # instead of a step
    "error": raises(ValueError("boom")),
    "empty": raises(AssertionError()),
    "lines": raises(ValueError("one\n  two\x1b[31m\n\nthree")),
    "huge": raises(ValueError("x" * 1_000_000)),
    "unpicklable": raises(Unpicklable("boom", lambda: 0)),
    "mute": raises(Mute()),
    "interrupt": raises(KeyboardInterrupt()),
    "exit": lambda: sys.exit(0),
    "leave": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(1e6),
    "ctrl-c": interrupted,
}
OBS = np.zeros(2, np.float32)
RETURNS: dict[str, tuple[Any, ...]] = {  # from a step
    "four": (OBS, 1.0, False, {}),
    "none": (None, 1.0, False, False, {}),
    "short": (OBS[:1], 1.0, False, False, {}),
    "text": (np.array(["a", "b"]), 1.0, False, False, {}),
    "ragged": ([[1], [1, 2]], 1.0, False, False, {}),
    "reward-none": (OBS, None, False, False, {}),
    "reward-array": (OBS, np.ones(1), False, False, {}),
    "terminated-none": (OBS, 1.0, None, False, {}),
}


class Fails(Counter):
    """Counts, and from the third step (``when`` = "step") or the second reset on does what ``how`` names."""

    def __init__(self, how: str, when: str = "step") -> None:
        in_worker = multiprocessing.parent_process() is not None
        if when == "build" or (when == "build in a worker" and in_worker):
            ACTS[how]()
        self.how, self.when, self.resets, self.total = how, when, 0, 0

    def reset(self, **arguments: Any) -> Any:
        self.resets += 1
        if self.when == "first reset" or (self.when == "reset" and self.resets == 2):
            ACTS[self.how]()
        return super().reset(**arguments)

    def step(self, action: Any) -> Any:
        self.total += 1
        if self.when == "after the run" and list(Path().glob("run/checkpoints/step_20")):
            ACTS[self.how]()
        if self.when == "step" and self.total == 3:
            return RETURNS[self.how] if self.how in RETURNS else ACTS[self.how]()
        return super().step(action)

    def close(self) -> None:
        if self.when == "close":
            ACTS[self.how]()


gym.register("failing/Fails-v0", "failing_envs:Fails", max_episode_steps=5, disable_env_checker=True)
