"""From an id, an environment or a function to HostEnvs; what cannot be built is refused in one line."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from rlpair.envs import processes
from rlpair.envs.failures import Guard, is_ours
from rlpair.envs.families import Family, find
from rlpair.envs.host import HostEnvs
from rlpair.envs.normalize import refuse_running_statistics
from rlpair.envs.registry import find_env
from rlpair.envs.spec import env_name, env_spec, one_line
from rlpair.envs.tape import ROOM, EpisodeTape
from rlpair.errors import ConfigError, EnvError, name_and_text


def make_envs(
    env_id: str,
    num_envs: int = 1,
    vectorization: str = "sync",
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    training: bool = False,
) -> HostEnvs:
    """Make environments by Gymnasium id, or by "module:id" where a module has to be imported to register it.

    Args:
        env_id: any that Gymnasium's registry knows.
        num_envs: how many.
        vectorization: "sync", one after the other; "async", each in a process of its own.
        env_kwargs: for ``gymnasium.make``, and for the wrappers of its family.
        training: they are wrapped as their family has it in training, else as in evaluation.

    Raises:
        EnvError: there is no such environment, it cannot be built, or no algorithm here can learn it.
    """
    if num_envs < 1:
        raise ConfigError("num_envs", num_envs, "at least 1")
    if vectorization not in ("sync", "async"):
        raise ConfigError("vectorization", vectorization, "one of sync, async")
    make = maker(env_id, env_kwargs or {}, training=training)
    if vectorization == "sync":
        return _sync(make, num_envs, env_id)
    return HostEnvs(processes.start(partial(_learnable, make), num_envs, env_id), taped=True, name=env_id)


def maker(env_id: str, env_kwargs: Mapping[str, Any], *, training: bool) -> Callable[..., gym.Env[Any, Any]]:
    """Return what makes one environment, wrapped, as often as it is called, in this process or another.

    More keyword arguments for ``gymnasium.make`` may come with the call. Raises EnvError where there is none.
    """
    return partial(_make, find_env(env_id), find(env_id), dict(env_kwargs), training)


def as_envs(env: Any, *, training: bool = False) -> HostEnvs:
    """Make HostEnvs of an id, an environment, a function that makes one, or a Gymnasium vector environment.

    ``training``: as for ``make_envs``; what is no id is taken as it is.

    Raises:
        EnvError: it is none of these, it cannot be built, or no algorithm here can learn it.
    """
    match env:
        case HostEnvs():
            return env
        case str():
            return make_envs(env, training=training)
        case VectorEnv():
            refuse_running_statistics(env)
            return HostEnvs(env)
        case gym.Env():
            return _sync(lambda: env, 1, env_name(env))
        case _ if callable(env):
            return _sync(env, 1)
    accepted = "an id, a gymnasium.Env, a function that makes one, or a VectorEnv"
    raise EnvError(f"env={one_line(env)} is a {type(env).__name__}: give {accepted}")


def is_recipe(env: Any) -> bool:
    """Return whether it is an id or a function, of which environments are made again and again."""
    return isinstance(env, str) or (callable(env) and not isinstance(env, HostEnvs | VectorEnv | gym.Env))


def _sync(make: Callable[[], Any], num_envs: int, name: str | None = None) -> HostEnvs:
    fns = [lambda: EpisodeTape(Guard(_learnable(make)), ROOM // num_envs)] * num_envs
    envs = SyncVectorEnv(fns, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    return HostEnvs(envs, taped=True, name=name)


def _learnable(make: Callable[[], Any]) -> gym.Env[Any, Any]:
    """Return what ``make`` makes; refuse what cannot be learned here, before Gymnasium stumbles over it."""
    env = make()
    if not isinstance(env, gym.Env):
        raise EnvError(f"env={one_line(env)} is a {type(env).__name__}: the function has to make a gymnasium.Env")
    env_spec(env)
    refuse_running_statistics(env)
    return env


def _make(
    spec: gym.envs.registration.EnvSpec, family: Family, env_kwargs: dict[str, Any], training: bool, **more: Any
) -> gym.Env[Any, Any]:
    options = family.options(env_kwargs)
    own = {key: value for key, value in env_kwargs.items() if key not in options}
    try:
        return family.wrap(gym.make(spec, **{**family.env_kwargs, **own, **more}), training=training, **options)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        advice = family.install if family.extra else one_line(error)
        raise EnvError(f"env={spec.id} needs a package that is not installed: {advice}") from error
    except BaseException as error:
        if is_ours(error):
            raise
        cause = error.__cause__ or error  # Gymnasium rewrites some, at length
        given = f" with env_kwargs={one_line(env_kwargs)}" if env_kwargs else ""
        raise EnvError(f"env={spec.id} cannot be built{given}: {name_and_text(cause)}") from error
