"""Tuned settings by algorithm and environment: the command starts from them, and ``rlpair.preset`` hands them out."""

from collections.abc import Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from rlpair.algos.base import OffPolicyConfig
from rlpair.algos.registry import find
from rlpair.config import LoopConfig
from rlpair.errors import ConfigError

_MUJOCO = {"total_timesteps": 1_000_000, "algo.learning_starts": 10_000, "eval_every": 20_000}
_LANDER = {  # also Acrobot
    "total_timesteps": 100_000,
    "algo.learning_rate": 6.3e-4,
    "algo.batch_size": 128,
    "algo.buffer_size": 50_000,
    "algo.learning_starts": 1_000,
    "algo.train_freq": 4,
    "algo.gradient_steps": -1,
    "algo.tau": 1.0,
    "algo.target_update_interval": 250,
    "algo.exploration_steps": 12_000,
    "algo.exploration_final_eps": 0.1,
    "algo.net_arch": (256, 256),
}
_MINATAR = {  # Young & Tian's network, batch and replay; with Adam, and an update every four steps instead of each
    "total_timesteps": 2_000_000,
    "algo.learning_rate": 2.5e-4,
    "algo.batch_size": 32,
    "algo.buffer_size": 100_000,
    "algo.learning_starts": 5_000,
    "algo.train_freq": 4,
    "algo.gradient_steps": 1,
    "algo.tau": 1.0,
    "algo.target_update_interval": 1_000,
    "algo.exploration_steps": 100_000,
    "algo.exploration_final_eps": 0.05,
    "algo.encoder": "minatar",
    "algo.net_arch": (),
    "eval_every": 100_000,
    "checkpoint_every": 1_000_000,
}
# A row is of the ids that its name matches, * for anything, and goes over those before it; it states all that it relies
# on, so that no change of an algorithm's own defaults reaches it. Where each is from: SOURCES, below.
DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "dqn": {
        "*": {"env": "CartPole-v1", "total_timesteps": 100_000, "eval_every": 10_000, "checkpoint_every": 10_000},
        "ALE/*": {  # CleanRL's dqn_atari, whose target follows every 1,000 environment steps: 250 updates
            "total_timesteps": 10_000_000,
            "algo.learning_rate": 1e-4,
            "algo.batch_size": 32,
            "algo.buffer_size": 1_000_000,
            "algo.learning_starts": 80_000,
            "algo.train_freq": 4,
            "algo.gradient_steps": 1,
            "algo.tau": 1.0,
            "algo.target_update_interval": 250,
            "algo.max_grad_norm": None,
            "algo.exploration_steps": 1_000_000,
            "algo.exploration_final_eps": 0.01,
            "algo.encoder": "nature",
            "algo.net_arch": (),
            "eval_every": 250_000,
            "checkpoint_every": 1_000_000,
        },
        "CartPole-v1": {
            "total_timesteps": 50_000,
            "algo.learning_rate": 4e-4,
            "algo.batch_size": 64,
            "algo.buffer_size": 100_000,
            "algo.learning_starts": 1_000,
            "algo.train_freq": 128,
            "algo.gradient_steps": 64,
            "algo.tau": 0.01,
            "algo.target_update_interval": 1,
            "algo.exploration_steps": 8_000,
            "algo.exploration_final_eps": 0.04,
            "algo.net_arch": (256, 256),
        },
        "LunarLander-v3": _LANDER,
        "Acrobot-v1": _LANDER,
        "MountainCar-v0": {
            "total_timesteps": 120_000,
            "algo.learning_rate": 4e-3,
            "algo.batch_size": 128,
            "algo.buffer_size": 10_000,
            "algo.learning_starts": 1_000,
            "algo.gamma": 0.98,
            "algo.train_freq": 16,
            "algo.gradient_steps": 8,
            "algo.tau": 1.0,
            "algo.target_update_interval": 300,
            "algo.exploration_steps": 24_000,
            "algo.exploration_final_eps": 0.07,
            "algo.net_arch": (256, 256),
        },
        "gymnax/*-MinAtar": _MINATAR,
        "MinAtar/*": _MINATAR,
    },
    "sac": {
        "*": {"env": "Pendulum-v1", "total_timesteps": 100_000, "eval_every": 10_000, "checkpoint_every": 50_000},
        "Pendulum-v1": {
            "total_timesteps": 20_000,
            "algo.learning_rate": 1e-3,
            "eval_every": 2_000,
            "checkpoint_every": 5_000,
        },
        **{f"{name}-v5": _MUJOCO for name in ("HalfCheetah", "Hopper", "Walker2d", "Ant")},
        "Humanoid-v5": _MUJOCO | {"total_timesteps": 2_000_000},
        "Swimmer-v5": _MUJOCO | {"algo.gamma": 0.999},
    },
}

_ZOO = "RL Baselines3 Zoo, hyperparams/{}.yml, as far as there is a setting for it here"
_MINATAR_PAPER = "Young & Tian 2019, with Adam, and an update every four steps instead of each"
SOURCES = {  # of each row: what published it, or the experiment that chose it
    "dqn": {
        "*": "the algorithm's own defaults",
        "ALE/*": "CleanRL, dqn_atari.py; network, batch and the period of updates as Mnih et al. 2015",
        "CartPole-v1": "RL Baselines3 Zoo, dqn.yml, but for the rate and the target, which experiments chose",
        "LunarLander-v3": _ZOO.format("dqn"),
        "Acrobot-v1": _ZOO.format("dqn"),
        "MountainCar-v0": _ZOO.format("dqn"),
        "gymnax/*-MinAtar": _MINATAR_PAPER,
        "MinAtar/*": _MINATAR_PAPER,
    },
    "sac": {
        "*": "the algorithm's own defaults",
        "Pendulum-v1": _ZOO.format("sac"),
        **{f"{name}-v5": _ZOO.format("sac") for name in ("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid")},
        "Swimmer-v5": _ZOO.format("sac"),
    },
}


class Preset(NamedTuple):
    """All that a training of an environment is tuned to."""

    config: OffPolicyConfig  # of the algorithm
    loop: LoopConfig  # how long, and how often to evaluate


def preset(algo: str, env: str) -> Preset:
    """Return the tuned settings of an algorithm on an environment; where the table has none, the algorithm's own.

    Args:
        algo: as ``make_agent`` takes it.
        env: an id, as ``run`` takes it.

    Raises:
        ConfigError: there is no such algorithm, or the environment is not an id.
    """
    algorithm = find(algo)
    if not isinstance(env, str):
        raise ConfigError("env", env, "an id, such as CartPole-v1")
    values = defaults(algorithm.name, env)
    own = {key.removeprefix("algo."): value for key, value in values.items() if key.startswith("algo.")}
    loop = {field.name: values[field.name] for field in fields(LoopConfig) if field.name in values}
    return Preset(algorithm.config(**own), LoopConfig(**loop))


def defaults(algo: str, env: str | None) -> dict[str, Any]:
    """Return the table's values for an algorithm on an environment, by dotted key; ``env`` None: on its default one."""
    rows = rows_of(algo)
    env = env or rows["*"]["env"]
    name = env.rpartition(":")[2]  # module:id is tuned as id
    return {k: x for ids, row in rows.items() if fnmatchcase(name, ids) for k, x in row.items()} | {"env": env}


def rows_of(algo: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the table of an algorithm, by environment."""
    return DEFAULTS.get(algo) or find(algo).presets
