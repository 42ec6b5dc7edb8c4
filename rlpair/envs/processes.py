"""Environments in processes of their own: started, waited for within a limit, and ended whatever state they are in."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import TimeoutError, active_children, connection, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from rlpair.envs.failures import Guard
from rlpair.envs.tape import ROOM, EpisodeTape
from rlpair.errors import EnvError, name_and_text
from rlpair.system.interrupts import end_with_parent

Envs = AsyncVectorEnv[Any, Any]
Make = Callable[[], gym.Env[Any, Any]]
ANSWER_SECONDS = 300  # for a step or a reset: a large simulator needs a minute or two to load a scene
CLOSE_SECONDS = 5  # for all of them to close
GONE_SECONDS = 5  # for one to end whose pipe is closed


def start(make: Make, num_envs: int, name: str) -> Envs:
    """Start ``num_envs`` environments, each an EpisodeTape in a process of its own. Raises what ``make`` raises here.

    Raises:
        EnvError: such a process is gone or silent before its environment is built; says so of env=``name``.
    """
    build, others, ours = _Build(make, ROOM // num_envs), set(active_children()), set[BaseProcess]()
    with ThreadPoolExecutor(1) as pool:  # where Ctrl-C can be blocked, while it ends the wait here
        begun, deadline = pool.submit(_start, build, num_envs), time.monotonic() + ANSWER_SECONDS
        try:
            while not begun.done() and time.monotonic() < deadline:
                ours |= set(active_children()) - others
                wait([begun], timeout=0.02)
            if begun.done():
                return begun.result()
            raise EnvError(f"env={name} cannot be built: no answer within {ANSWER_SECONDS} seconds from its processes")
        except (EOFError, OSError) as error:
            cause = _first_gone(sorted(ours, key=lambda process: process.pid or 0)) or name_and_text(error)
            raise EnvError(f"env={name} cannot be built: {cause}") from error
        finally:
            if not begun.done() or begun.exception():
                _end_new(begun, others)


def _start(build: "_Build", num_envs: int) -> Envs:
    with _interrupts_blocked():
        return AsyncVectorEnv([build] * num_envs, context="spawn", copy=False, autoreset_mode=AutoresetMode.SAME_STEP)


def _end_new(begun: Future[Envs], others: set[BaseProcess]) -> None:
    """End the processes that are not among the others, those too that are begun meanwhile."""
    while not begun.done():
        for process in set(active_children()) - others:
            process.kill()
        wait([begun], timeout=0.02)
    for process in set(active_children()) - others:
        process.kill()
        process.join()


def _first_gone(processes: Sequence[BaseProcess]) -> str | None:
    """Return which of them has ended, and how; None where all live on."""
    gone = connection.wait([process.sentinel for process in processes], timeout=GONE_SECONDS)
    for index, process in enumerate(processes):
        if process.sentinel in gone:
            process.join()
            return _how_ended(index, process)
    return None


class _Build:
    """What Gymnasium calls for an environment: once here, to see its spaces, and, pickled, in every worker process."""

    def __init__(self, make: Make, room: int) -> None:
        """Keep what a process makes its environment with; ``room``: see EpisodeTape."""
        self._make, self._room, self._first = make, room, Guard(make())

    def __call__(self) -> gym.Env[Any, Any]:
        return self._first

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (_in_worker, self._make, self._room, self._first.observation_space, self._first.action_space)


def _in_worker(make: Make, room: int, obs_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> EpisodeTape:
    """Make the environment of a worker process, which from here on ends when its parent does."""
    end_with_parent()
    try:
        env = make()
    except BaseException as error:  # noqa: BLE001 - its reset raises it again, where it is reported
        env = _Unbuilt(error, obs_space, action_space)
    return EpisodeTape(Guard(env), room)


class _Unbuilt(gym.Env[Any, Any]):
    """In the place of an environment that could not be built in a worker process: its reset raises why."""

    def __init__(self, error: BaseException, obs_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self.error, self.observation_space, self.action_space = error, obs_space, action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        raise self.error


def step(envs: Envs, action: np.ndarray) -> Any:
    """Step the environments. Raises multiprocessing.TimeoutError where one does not answer."""
    envs.step_async(action)
    return envs.step_wait(timeout=ANSWER_SECONDS)


def reset(envs: Envs, **arguments: Any) -> Any:
    """Reset the environments. Raises multiprocessing.TimeoutError where one does not answer."""
    envs.reset_async(**arguments)
    return envs.reset_wait(timeout=ANSWER_SECONDS)


def who_failed(envs: Envs, error: BaseException) -> str | None:
    """Say which environment's process is gone or silent, where that is what the error means; else None."""
    if isinstance(error, TimeoutError):
        silent = [index for index, pipe in enumerate(envs.parent_pipes) if _is_open(pipe) and not pipe.poll()]
        return f"environment {silent[0]} gave no answer within {ANSWER_SECONDS} seconds" if silent else None
    if not isinstance(error, EOFError | OSError):
        return None
    return _first_gone(envs.processes)


def _how_ended(index: int, process: BaseProcess) -> str:
    code = process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"the process of environment {index} {how}"


def end(envs: Envs) -> None:
    """Let the environments close, and kill those that have not within CLOSE_SECONDS."""
    pipes = [pipe for pipe in envs.parent_pipes if _is_open(pipe)]
    for pipe in pipes:
        with suppress(OSError):  # its process is gone already
            pipe.send(("close", None))
    deadline = time.monotonic() + CLOSE_SECONDS
    for process in envs.processes:
        process.join(timeout=max(0.0, deadline - time.monotonic()))
    for process in envs.processes:
        process.kill()
        process.join()
    for pipe in pipes:
        pipe.close()
    envs.closed = True


def _is_open(pipe: Any) -> bool:  # Gymnasium puts None in the place of one whose worker reported an error
    return pipe is not None and not pipe.closed


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C, which reaches all of a terminal's processes, from those started inside: this one ends them."""
    resource_tracker.ensure_running()  # else it is started inside, which would unblock
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
