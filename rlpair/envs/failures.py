"""Environments that fail: what one raises or wrongly returns, as a value that passes between processes too."""

import signal
import traceback
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlpair.envs.spec import env_name, one_line
from rlpair.errors import RLPairWarning, name_and_text, text_of
from rlpair.system.interrupts import Interrupted

FAILURE = "failure"  # in the info of a step or a reset that did not come about
USUAL = (float, bool, bool)  # reward, terminated, truncated, of most environments
LONGEST_TRACEBACK = 100_000  # characters


class WrongReturnError(Exception):
    """A step or a reset returned what it must not."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"{found}: {wanted}")
        self.found, self.wanted = found, wanted


class RemoteError(Exception):
    """Stands for what was raised in a worker process: its text is the traceback there."""


class Failure:
    """What went wrong in an environment instead of a step or a reset. It can be pickled, whatever the exception is."""

    def __init__(self, what: str, text: str, cause: BaseException, details: str) -> None:
        """Keep ``what``, as in "raised ValueError", the ``text`` of the exception, and ``details``: the traceback."""
        self.what, self.text, self.cause, self.details = what, text, cause, details

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, (self.what, self.text, RemoteError(self.details), self.details)


def failure_of(error: BaseException, method: str = "step") -> Failure:
    """Return the failure that an exception out of an environment's method comes to."""
    if isinstance(error, WrongReturnError):
        what, text = f"returned {error.found}", error.wanted
    else:
        what, text = f"raised {type(error).__name__}", text_of(error)
    details = "".join(traceback.format_exception(error))
    if len(details) > LONGEST_TRACEBACK:
        half = LONGEST_TRACEBACK // 2
        details = f"{details[:half]}\n... {len(details) - 2 * half} characters ...\n{details[-half:]}"
    return Failure(what if method == "step" else f"{what} in {method}", text, error, details)


def is_ours(error: BaseException) -> bool:
    """Return whether an exception out of an environment is none of its own: Ctrl-C, which arrives anywhere.

    Python's own handler makes a KeyboardInterrupt of it; where another stands, or SIGINT is blocked, as in a worker
    process, the environment raised it.
    """
    if isinstance(error, Interrupted):
        return True
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    can_be_ctrl_c = signal.getsignal(signal.SIGINT) is signal.default_int_handler and not blocked
    return isinstance(error, KeyboardInterrupt) and can_be_ctrl_c


class Guard(gym.Wrapper[Any, Any, Any, Any]):
    """Passes on what an environment returns if it is what its spaces promise.

    Else, and where the environment raises, even SystemExit, the info holds a Failure, and the rest means nothing. The
    environment's own infos are dropped: nothing here reads them.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        self._shape, self._dtype = space.shape if isinstance(space, spaces.Box) else None, space.dtype

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env."""
        try:
            obs, _ = self.env.reset(seed=seed, options=options)
            check_obs(self.observation_space, obs)
        except BaseException as error:
            if is_ours(error):
                raise
            return self.observation_space.sample(), {FAILURE: failure_of(error, "reset")}
        return obs, {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """See gymnasium.Env."""
        try:
            obs, reward, terminated, truncated, _ = self.env.step(action)
            if not (type(obs) is np.ndarray and obs.dtype is self._dtype and obs.shape == self._shape):
                check_obs(self.observation_space, obs)
            if (type(reward), type(terminated), type(truncated)) != USUAL:
                for name, value in (("reward", reward), ("terminated", terminated), ("truncated", truncated)):
                    check_number(name, value)
        except BaseException as error:
            if is_ours(error):
                raise
            return self.observation_space.sample(), 0.0, False, False, {FAILURE: failure_of(error)}
        return obs, reward, terminated, truncated, {}

    def close(self) -> None:
        """See gymnasium.Env. What it raises is a warning: nothing is lost by it."""
        try:
            self.env.close()
        except BaseException as error:
            if is_ours(error):
                raise
            what = f"env={env_name(self.env)}: closing it raised {name_and_text(error)}"
            warnings.warn(what, RLPairWarning, stacklevel=2)


def check_number(name: str, value: Any) -> None:
    """Raise WrongReturnError unless the value is one number or one truth value, of any library."""
    if not hasattr(value, "__float__"):
        raise WrongReturnError(f"{name}={_shown(value)}", "it has to be a number")
    if shape := tuple(getattr(value, "shape", ())):
        raise WrongReturnError(f"a {name} of shape {shape}", "it has to be a number")


def check_obs(space: spaces.Space[Any], obs: Any, name: str = "observation") -> None:
    """Raise WrongReturnError unless the observation has the structure, the shape and the kind of numbers of its space.

    Bounds are not looked at, but those of the integers that become one-hot vectors.
    """
    match space:
        case spaces.Dict():
            if not (isinstance(obs, Mapping) and obs.keys() >= space.spaces.keys()):
                raise WrongReturnError(f"{name}={_shown(obs)}", f"its space is a Dict of {', '.join(space.spaces)}")
            for key, part in space.spaces.items():
                check_obs(part, obs[key], f"{name}[{key!r}]")
        case spaces.Tuple():
            if not (isinstance(obs, tuple | list) and len(obs) == len(space.spaces)):
                raise WrongReturnError(f"{name}={_shown(obs)}", f"its space is a Tuple of {len(space.spaces)}")
            for index, part in enumerate(space.spaces):
                check_obs(part, obs[index], f"{name}[{index}]")
        case _:
            _check_array(space, obs, name)


def _check_array(space: spaces.Space[Any], obs: Any, name: str) -> None:
    try:
        array = np.asarray(obs)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind == "O":
        raise WrongReturnError(f"{name}={_shown(obs)}", f"its space is {one_line(space)}")
    if array.shape != space.shape:
        raise WrongReturnError(f"an {name} of shape {array.shape}", f"its space says {space.shape}")
    if not np.can_cast(array.dtype, space.dtype or array.dtype, "same_kind"):
        raise WrongReturnError(f"an {name} of dtype {array.dtype}", f"its space says {space.dtype}")
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        count = space.n if isinstance(space, spaces.Discrete) else space.nvec
        if not ((array >= space.start) & (array < space.start + count)).all():
            raise WrongReturnError(f"{name}={one_line(array)}", f"its space is {one_line(space)}")


def _shown(value: Any) -> str:
    return f"{type(value).__name__}(...)" if value is not None else "None"
