"""Environment ids: those that Gymnasium knows, and those of installed packages that nobody has imported yet."""

import importlib
import os
import re
import sys
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from typing import NamedTuple

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from rlpair.envs.failures import is_ours, name_and_text
from rlpair.envs.spec import one_line
from rlpair.errors import EnvError


class Plugin(NamedTuple):
    """A package that registers environments when its module is imported."""

    ids: str  # a pattern
    module: str
    package: str


PLUGINS = (
    Plugin("ALE/.+|.+NoFrameskip-v4", "ale_py", "ale-py"),
    Plugin("MinAtar/.+", "minatar", "minatar"),  # which registers them by its entry point
    Plugin("(MiniGrid|BabyAI)-.+", "minigrid", "minigrid"),
    Plugin("(highway|merge|roundabout|parking|intersection|racetrack|exit)-.*v0", "highway_env", "highway-env"),
    Plugin("(Fetch|Hand|Adroit|PointMaze|AntMaze|FrankaKitchen).+", "gymnasium_robotics", "gymnasium-robotics"),
    Plugin("Panda.+", "panda_gym", "panda-gym"),
)


def find_env(env_id: str) -> EnvSpec:
    """The registry's entry of "id" or of "module:id", for which the module is imported.

    An id of an installed package that registers it when it is imported is found too. Worker processes understand the
    entry, and not the id.

    Raises:
        EnvError: there is none; says what to install or to write where that is known.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        _import(module, env_id)
    elif name not in gym.registry:
        _import_plugin(name)
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        raise EnvError(f"env={env_id} is not registered: {one_line(error)}") from error


def _import_plugin(env_id: str) -> None:
    """Import the package that ids of this form come from. Raises EnvError where it is not there, or not installed."""
    for plugin in PLUGINS:
        if re.fullmatch(plugin.ids, env_id):
            if not _is_installed(plugin.module):
                give = f"pip install {plugin.package}, or give env={plugin.module}:{env_id}"
                raise EnvError(f"env={env_id} is not registered: such ids come with {plugin.package}; {give}")
            _import(plugin.module, env_id)
    namespace = env_id.rpartition("/")[0]
    if namespace and env_id not in gym.registry:
        for distribution in distributions(path=_installed_path()):
            for entry in distribution.entry_points.select(group="gymnasium.envs", name=namespace):
                if _is_installed(entry.module.partition(".")[0]):
                    _import(entry.module, env_id)
                    entry.load()()


def _import(module: str, env_id: str) -> None:
    try:
        importlib.import_module(module)
    except BaseException as error:
        if is_ours(error):
            raise
        raise EnvError(f"env={env_id} cannot be used: importing {module} raised {name_and_text(error)}") from error


def _is_installed(module: str) -> bool:
    """Whether the import of a module that nobody has asked for by name finds it among what is installed."""
    found, installed = PathFinder.find_spec(module), PathFinder.find_spec(module, _installed_path())
    return found is not None and installed is not None and found.origin == installed.origin


def _installed_path() -> list[str]:
    """Where Python looks for modules, without the current folder, in which may lie what somebody else wrote."""
    here = os.getcwd()
    return [path for path in sys.path if os.path.abspath(path) != here]
