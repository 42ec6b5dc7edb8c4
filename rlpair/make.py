"""make_agent: from names to an agent. A backend is imported only when it is asked for."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from rlpair.advice import install_command
from rlpair.agents.base import BaseAgent, Identity
from rlpair.algos.registry import find
from rlpair.config import check_choice, check_compile
from rlpair.envs import families
from rlpair.envs.host import Playable
from rlpair.envs.make import is_recipe, make_envs
from rlpair.envs.spec import env_name, env_spec
from rlpair.errors import ConfigError, MissingExtraError
from rlpair.memory import check_networks
from rlpair.presets import preset
from rlpair.seeding import stream
from rlpair.types import EnvSpec

AGENTS = {"torch": "TorchAgent", "jax": "JaxAgent"}


def make_agent(
    algo: str,
    *,
    backend: str,
    env: Any,
    config: Any = None,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    matmul_precision: str = "highest",
    compile: bool = False,
) -> BaseAgent:
    """Make an untrained agent. At equal seeds both backends begin from the same parameters.

    Args:
        algo: "dqn", "sac", or one that is registered; "module:name" imports the module first.
        backend: "torch" or "jax".
        env: an id, an environment, a function that makes one, a vector environment, or an EnvSpec; what is built to
            look at its spaces is closed again.
        config: a DQNConfig or SACConfig. None: the tuned settings of the environment's id (``rlpair.preset``), or the
            algorithm's own defaults where there are none, as for an EnvSpec.
        seed: of the parameters and of the exploration.
        device: "cpu", "cuda", or "auto" for the GPU if there is one.
        dtype: of parameters and computation, "float32" or "float64".
        matmul_precision: of float32 products: "highest", or "high", which lets a GPU use TF32.
        compile: of torch: ``torch.compile`` on the update.

    Raises:
        ConfigError, EnvError, MissingExtraError: one line says what cannot be used and what can.
    """
    algorithm = find(algo)
    for key, value in (("backend", backend), ("device", device), ("dtype", dtype)):
        check_choice(key, value)
    check_choice("matmul_precision", matmul_precision)
    check_compile(compile, backend)
    if not isinstance(config, algorithm.config | None):
        raise ConfigError("config", type(config).__name__, f"algo={algo} takes a {algorithm.config.__name__}")
    spec, name = describe_env(env)
    if config is None:
        config = algorithm.config() if name is None else preset(algorithm.name, name).config
    config.validate_spec(spec)
    check_networks(config, algorithm.networks(config, spec))
    params = algorithm.initial_params(config, spec, stream(seed, "parameters"))
    options = {"compile": True} if compile else {}
    return agent_class(backend)(
        Identity(spec, config, seed, dtype), params, device=device, matmul_precision=matmul_precision, **options
    )


def describe_env(env: Any) -> tuple[EnvSpec, str | None]:
    """Return the EnvSpec of all that ``make_agent`` takes, and the name that a preset is found by.

    Raises:
        EnvError: it cannot be built, or no algorithm here can learn it.
    """
    if isinstance(env, str):
        envs = open_playable(env)
        envs.close()
        return envs.spec, env
    if is_recipe(env):
        made = env()
        described = describe_env(made)
        made.close()
        return described
    return env_spec(env), env_name(env) if isinstance(env, gym.Env | VectorEnv) else None


def open_playable(env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> Playable:
    """Return one environment by id, to evaluate in: Gymnasium's, or, of a family that is only compiled, that, stepped.

    Raises:
        EnvError, MissingExtraError: it cannot be built here.
    """
    if not families.find(env_id).on_host:
        stepped: Playable = backend_module("envs.stepped", "jax").make(env_id, env_kwargs or {})
        return stepped
    return make_envs(env_id, env_kwargs=env_kwargs)


def agent_class(backend: str) -> Any:
    """Return TorchAgent or JaxAgent. Raises MissingExtraError with the command that installs what is missing."""
    return getattr(backend_module("agents.agent", backend), AGENTS[backend])


def backend_module(name: str, backend: str) -> ModuleType:
    """Return the module ``rlpair.<name>_<backend>``, imported now."""
    try:
        return importlib.import_module(f"rlpair.{name}_{backend}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "rlpair":
            raise
        hint = f"backend={backend} needs {error.name}, which is not installed: {install_command(backend)}"
        raise MissingExtraError(hint) from error


def configure_process(backend: str, config: Any, device: str = "auto") -> str:
    """Set the whole process (threads, dispatch, memory) up for a backend: for commands, at their start.

    Returns what is set, for the command to print.
    """
    settings: str = backend_module("agents.runtime", backend).configure(config, device)
    return settings
