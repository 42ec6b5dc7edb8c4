"""From an id, an environment or a function to HostEnvs; what cannot be built is refused in one line."""

import importlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from rlpair.advice import install_command
from rlpair.envs.host import HostEnvs
from rlpair.envs.spec import env_spec, one_line
from rlpair.envs.tape import EpisodeTape
from rlpair.errors import ConfigError, EnvError


def make_envs(
    env_id: str, num_envs: int = 1, vectorization: str = "sync", env_kwargs: Mapping[str, Any] | None = None
) -> HostEnvs:
    """Environments by Gymnasium id, or by "module:id" where a module has to be imported to register it.

    Args:
        env_id: any that Gymnasium's registry knows.
        num_envs: how many.
        vectorization: "sync", one after the other; "async", each in a process of its own.
        env_kwargs: for ``gymnasium.make``.

    Raises:
        EnvError: there is no such environment, it cannot be built, or no algorithm here can learn it.
    """
    if num_envs < 1:
        raise ConfigError("num_envs", num_envs, "at least 1")
    if vectorization not in ("sync", "async"):
        raise ConfigError("vectorization", vectorization, "one of sync, async")
    make = partial(_make, _registered(env_id), dict(env_kwargs or {}))
    if vectorization == "sync":
        return _sync(make, num_envs)
    with _interrupts_blocked():
        envs = AsyncVectorEnv(
            [partial(_taped, make)] * num_envs, context="spawn", copy=False, autoreset_mode=AutoresetMode.SAME_STEP
        )
    return HostEnvs(envs, taped=True)


def as_envs(env: Any) -> HostEnvs:
    """HostEnvs of an id, an environment, a function that makes one, or a Gymnasium vector environment.

    Raises:
        EnvError: it is none of these, it cannot be built, or no algorithm here can learn it.
    """
    match env:
        case HostEnvs():
            return env
        case str():
            return make_envs(env)
        case VectorEnv():
            return HostEnvs(env)
        case gym.Env():
            return _sync(lambda: env, 1)
        case _ if callable(env):
            return _sync(env, 1)
    accepted = "an id, a gymnasium.Env, a function that makes one, or a VectorEnv"
    raise EnvError(f"env={one_line(env)} is a {type(env).__name__}: give {accepted}")


def is_recipe(env: Any) -> bool:
    """Whether it is an id or a function, of which environments are made again and again."""
    return isinstance(env, str) or (callable(env) and not isinstance(env, HostEnvs | VectorEnv | gym.Env))


def _sync(make: Callable[[], Any], num_envs: int) -> HostEnvs:
    fns = [partial(_taped, make)] * num_envs
    return HostEnvs(SyncVectorEnv(fns, copy=False, autoreset_mode=AutoresetMode.SAME_STEP), taped=True)


def _taped(make: Callable[[], Any]) -> EpisodeTape:
    """One environment of a vector; what cannot be learned is refused here, before Gymnasium stumbles over it."""
    env = make()
    if not isinstance(env, gym.Env):
        raise EnvError(f"env={one_line(env)} is a {type(env).__name__}: the function has to make a gymnasium.Env")
    env_spec(env)
    return EpisodeTape(env)


def _registered(env_id: str) -> gym.envs.registration.EnvSpec:
    """The registry's entry, which, unlike the id, worker processes understand too."""
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except (gym.error.Error, ImportError) as error:
        raise EnvError(f"env={env_id} is not registered: {one_line(error)}") from error


def _make(spec: gym.envs.registration.EnvSpec, env_kwargs: dict[str, Any]) -> gym.Env[Any, Any]:
    try:
        return gym.make(spec, **env_kwargs)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        extras = [extra for extra in ("box2d", "mujoco") if f".{extra}." in str(spec.entry_point)]
        advice = install_command(extras[0]) if extras else one_line(error)
        raise EnvError(f"env={spec.id} needs a package that is not installed: {advice}") from error
    except (TypeError, ValueError, KeyError, AssertionError, gym.error.Error) as error:
        cause = error.__cause__ or error  # Gymnasium rewrites some, at length
        given = f" with env_kwargs={one_line(env_kwargs)}" if env_kwargs else ""
        raise EnvError(f"env={spec.id} cannot be built{given}: {one_line(cause)}") from error


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, which reaches all of a terminal's: this one ends them."""
    resource_tracker.ensure_running()  # else it is started inside, which would unblock
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
