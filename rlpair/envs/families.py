"""The families of environments that there are, each one record. One from outside the package joins by ``register``.

Whatever makes an environment of an id (training, evaluation, film, the comparisons) makes it as its family says.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from rlpair.advice import install_command
from rlpair.envs import atari, minatar
from rlpair.envs.failures import is_ours
from rlpair.errors import EnvError, name_and_text
from rlpair.types import DTYPES

Wrap = Callable[..., gym.Env[Any, Any]]


def as_it_is(env: gym.Env[Any, Any], *, training: bool) -> gym.Env[Any, Any]:
    """Return the environment, without a wrapper."""
    return env


@dataclass(frozen=True)
class Family:
    """Environments whose ids are alike, and all that rlpair has to know to make one."""

    ids: str
    """A regular expression, which a whole id matches."""
    module: str | None = None
    """What registers the ids with Gymnasium when it is imported, where Gymnasium does not know them by itself."""
    package: str | None = None
    """What pip installs that module from."""
    extra: str | None = None
    """Or the extra of rlpair that installs what they need."""
    on_host: bool = True
    """Whether Gymnasium makes them; False: there is only the functional form."""
    wrap: Wrap = as_it_is
    """(env, *, training, ...) -> the environment that is played: in training, or in evaluation and film. Both have the
    same spaces. What it takes by keyword beside ``training`` are options, given in env_kwargs."""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """For ``gymnasium.make``, where env_kwargs does not say otherwise."""
    functional: str | None = None
    """``<functional>_jax`` is the module whose ``make(env_id, dtype, env_kwargs)`` returns the FunctionalEnv, imported
    when it is wanted; None: the family is not compiled."""
    dtypes: tuple[str, ...] = ("float32",)
    """That the functional form computes in."""

    @property
    def install(self) -> str:
        """The command that installs what they come with."""
        return install_command(self.extra) if self.extra else f"pip install {self.package}"

    def options(self, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of env_kwargs that ``wrap`` takes."""
        taken = inspect.signature(self.wrap).parameters.values()
        names = {parameter.name for parameter in taken if parameter.kind is parameter.KEYWORD_ONLY} - {"training"}
        return {key: value for key, value in env_kwargs.items() if key in names}


_families: list[Family] = []
_OTHERS = Family(".*")  # whatever Gymnasium knows, as it is


def register(family: Family) -> Family:
    """Add a family, or put it in the place of the one with its ids; it goes before all earlier ones. Returns it."""
    _families[:] = [family, *(other for other in _families if other.ids != family.ids)]
    return family


def find(env_id: str) -> Family:
    """Find the family of an id, or of ``module:id``, which imports the module first, so that it registers it.

    Only for what a user has asked for: an id out of a file is looked at by settings/trust.py first.

    Raises:
        EnvError: the module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        import_for(env_id, module)
    return next((family for family in _families if re.fullmatch(family.ids, name)), _OTHERS)


def functional_ids() -> tuple[str, ...]:
    """Return the ids of all families that have a functional form, earliest first, as a message has them."""
    patterns = [family.ids for family in reversed(_families) if family.functional]
    return tuple(name.replace(".+", "NAME") for pattern in patterns for name in pattern.split("|"))


def import_for(env_id: str, module: str) -> None:
    """Import a module that an environment comes with. Raises EnvError where that fails."""
    try:
        importlib.import_module(module)
    except BaseException as error:
        if is_ours(error):
            raise
        raise EnvError(f"env={env_id} cannot be used: importing {module} raised {name_and_text(error)}") from error


CLASSIC = "CartPole-v1|Pendulum-v1|Acrobot-v1|MountainCar-v0|MountainCarContinuous-v0"
MUJOCO = "Reacher|Pusher|InvertedPendulum|InvertedDoublePendulum|HalfCheetah|Hopper|Swimmer|Walker2d|Ant|Humanoid"
HIGHWAY = "highway|merge|roundabout|parking|intersection|racetrack|exit"
ROBOTICS = "Fetch|Hand|Adroit|PointMaze|AntMaze|FrankaKitchen"

for _family in (
    Family(CLASSIC, functional="rlpair.envs.classic", dtypes=DTYPES),
    Family("gymnax/.+", extra="gymnax", on_host=False, functional="rlpair.envs.gymnax"),
    Family("brax/.+", extra="brax", on_host=False, functional="rlpair.envs.brax"),
    Family("(LunarLander|BipedalWalker|CarRacing).*-v.+", extra="box2d"),
    Family(f"({MUJOCO}|HumanoidStandup)-v.+", extra="mujoco"),
    Family(
        "ALE/.+|.+NoFrameskip-v4",
        module="ale_py",
        package="ale-py",
        extra="atari",
        wrap=atari.wrap,
        env_kwargs=atari.EVERY_FRAME,
    ),
    Family(
        "MinAtar/.+",
        module="minatar",
        package="minatar",
        extra="minatar",
        wrap=minatar.wrap,
        env_kwargs=minatar.UNCHECKED,
    ),
    Family("(MiniGrid|BabyAI)-.+", module="minigrid", package="minigrid"),
    Family(f"({HIGHWAY})-.*v0", module="highway_env", package="highway-env"),
    Family(f"({ROBOTICS}).+", module="gymnasium_robotics", package="gymnasium-robotics"),
    Family("Panda.+", module="panda_gym", package="panda-gym"),
):
    register(_family)
