"""Environment ids: those that Gymnasium knows, and those of installed packages that nobody has imported yet."""

import os
import sys
from importlib.machinery import PathFinder

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from rlpair.envs.families import Family, find, import_for
from rlpair.envs.spec import one_line
from rlpair.errors import EnvError


def find_env(env_id: str) -> EnvSpec:
    """Find the registry's entry of "id" or of "module:id", for which the module is imported.

    An id of an installed package that registers it when it is imported is found too. Worker processes understand the
    entry, and not the id.

    Raises:
        EnvError: there is none; says what to install or to write where that is known.
    """
    family, (module, _, name) = find(env_id), env_id.rpartition(":")
    if not family.on_host:
        raise EnvError(f"env={env_id} is compiled, and not one of Gymnasium's: train on it with mode=fused")
    if not module and name not in gym.registry:
        _import_plugin(name, family)
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        raise EnvError(f"env={env_id} is not registered: {one_line(error)}") from error


def _import_plugin(env_id: str, family: Family) -> None:
    """Import the package that the family comes from. Raises EnvError where it is not there, or not installed."""
    if family.module is not None:
        if not _is_installed(family.module):
            give = f"{family.install}, or give env={family.module}:{env_id}"
            raise EnvError(f"env={env_id} is not registered: such ids come with {family.package}; {give}")
        import_for(env_id, family.module)
    namespace = env_id.rpartition("/")[0]
    if namespace and env_id not in gym.registry:
        from importlib.metadata import distributions  # see rlpair/advice.py

        for distribution in distributions(path=_installed_path()):
            for entry in distribution.entry_points.select(group="gymnasium.envs", name=namespace):
                if _is_installed(entry.module.partition(".")[0]):
                    import_for(env_id, entry.module)
                    entry.load()()


def _is_installed(module: str) -> bool:
    """Return whether the import of a module that nobody has asked for by name finds it among what is installed."""
    found, installed = PathFinder.find_spec(module), PathFinder.find_spec(module, _installed_path())
    return found is not None and installed is not None and found.origin == installed.origin


def _installed_path() -> list[str]:
    """Return where Python looks for modules, without the current folder, which may be somebody else's."""
    here = os.getcwd()
    return [path for path in sys.path if os.path.abspath(path) != here]
