"""The tuned settings: what each of them comes to, in full, whatever the algorithms' own defaults are."""

import dataclasses
from typing import Any

import pytest

import rlpair
from rlpair.algos import registry
from rlpair.errors import ConfigError
from rlpair.presets import DEFAULTS, SOURCES, defaults

# Every field that a DQN or a SAC has: nothing here is left to a default.
COMMON: dict[str, Any] = {"gamma": 0.99, "optimizer": "adam", "activation": "relu", "net_arch": (256, 256)}
DQN = COMMON | {"tau": 1.0, "max_grad_norm": 10.0, "double_q": False, "encoder": "auto", "exploration_initial_eps": 1.0}
SAC = COMMON | {
    "encoder": "auto",
    "random_shift": 0,
    "learning_rate": 3e-4,
    "buffer_size": 1_000_000,
    "learning_starts": 10_000,
    "batch_size": 256,
    "tau": 0.005,
    "train_freq": 1,
    "gradient_steps": 1,
    "target_update_interval": 1,
    "max_grad_norm": None,
    "ent_coef": "auto",
    "target_entropy": "auto",
    "n_critics": 2,
}
LANDER = DQN | {
    "learning_rate": 6.3e-4,
    "buffer_size": 50_000,
    "learning_starts": 1_000,
    "batch_size": 128,
    "train_freq": 4,
    "gradient_steps": -1,
    "target_update_interval": 250,
    "exploration_steps": 12_000,
    "exploration_final_eps": 0.1,
}
MINATAR = DQN | {
    "learning_rate": 2.5e-4,
    "buffer_size": 100_000,
    "learning_starts": 5_000,
    "batch_size": 32,
    "train_freq": 4,
    "gradient_steps": 1,
    "target_update_interval": 1_000,
    "exploration_steps": 100_000,
    "exploration_final_eps": 0.05,
    "encoder": "minatar",
    "net_arch": (),
}
RESOLVED: dict[tuple[str, str], dict[str, Any]] = {
    ("dqn", "CartPole-v1"): DQN
    | {
        "learning_rate": 4e-4,
        "buffer_size": 100_000,
        "learning_starts": 1_000,
        "batch_size": 64,
        "tau": 0.01,
        "train_freq": 128,
        "gradient_steps": 64,
        "target_update_interval": 1,
        "exploration_steps": 8_000,
        "exploration_final_eps": 0.04,
    },
    ("dqn", "LunarLander-v3"): LANDER,
    ("dqn", "Acrobot-v1"): LANDER,
    ("dqn", "MountainCar-v0"): DQN
    | {
        "learning_rate": 4e-3,
        "buffer_size": 10_000,
        "learning_starts": 1_000,
        "batch_size": 128,
        "gamma": 0.98,
        "train_freq": 16,
        "gradient_steps": 8,
        "target_update_interval": 300,
        "exploration_steps": 24_000,
        "exploration_final_eps": 0.07,
    },
    ("dqn", "ALE/*"): DQN
    | {
        "learning_rate": 1e-4,
        "buffer_size": 1_000_000,
        "learning_starts": 80_000,
        "batch_size": 32,
        "train_freq": 4,
        "gradient_steps": 1,
        "target_update_interval": 250,
        "max_grad_norm": None,
        "exploration_steps": 1_000_000,
        "exploration_final_eps": 0.01,
        "encoder": "nature",
        "net_arch": (),
    },
    ("dqn", "gymnax/*-MinAtar"): MINATAR,
    ("dqn", "MinAtar/*"): MINATAR,
    ("sac", "Pendulum-v1"): SAC | {"learning_rate": 1e-3, "learning_starts": 100},
    ("sac", "HalfCheetah-v5"): SAC,
    ("sac", "Hopper-v5"): SAC,
    ("sac", "Walker2d-v5"): SAC,
    ("sac", "Ant-v5"): SAC,
    ("sac", "Humanoid-v5"): SAC,
    ("sac", "Swimmer-v5"): SAC | {"gamma": 0.999},
}
LOOPS = {  # total_timesteps, eval_every, checkpoint_every
    ("dqn", "CartPole-v1"): (50_000, 10_000, 10_000),
    ("dqn", "LunarLander-v3"): (100_000, 10_000, 10_000),
    ("dqn", "Acrobot-v1"): (100_000, 10_000, 10_000),
    ("dqn", "MountainCar-v0"): (120_000, 10_000, 10_000),
    ("dqn", "ALE/*"): (10_000_000, 250_000, 1_000_000),
    ("dqn", "gymnax/*-MinAtar"): (2_000_000, 100_000, 1_000_000),
    ("dqn", "MinAtar/*"): (2_000_000, 100_000, 1_000_000),
    ("sac", "Pendulum-v1"): (20_000, 2_000, 5_000),
    ("sac", "HalfCheetah-v5"): (1_000_000, 20_000, 50_000),
    ("sac", "Hopper-v5"): (1_000_000, 20_000, 50_000),
    ("sac", "Walker2d-v5"): (1_000_000, 20_000, 50_000),
    ("sac", "Ant-v5"): (1_000_000, 20_000, 50_000),
    ("sac", "Humanoid-v5"): (2_000_000, 20_000, 50_000),
    ("sac", "Swimmer-v5"): (1_000_000, 20_000, 50_000),
}


def test_the_table_has_these_rows() -> None:
    rows = {(algo, env) for algo, of_algo in DEFAULTS.items() for env in of_algo if env != "*"}
    assert rows == RESOLVED.keys() == LOOPS.keys()


def test_each_row_says_where_it_is_from() -> None:
    assert {algo: list(of_algo) for algo, of_algo in SOURCES.items()} == {a: list(rows) for a, rows in DEFAULTS.items()}
    assert all(len(source) > 20 for of_algo in SOURCES.values() for source in of_algo.values())


@pytest.mark.parametrize(("algo", "env"), RESOLVED)
def test_a_preset_in_full(algo: str, env: str) -> None:
    config, loop = rlpair.preset(algo, env)
    assert config.name == algo
    assert dataclasses.asdict(config) == RESOLVED[algo, env]
    assert (loop.total_timesteps, loop.eval_every, loop.checkpoint_every) == LOOPS[algo, env]
    assert (loop.seed, loop.eval_episodes, loop.log_every) == (0, 10, 250)


def test_a_row_is_of_all_ids_that_its_name_matches() -> None:
    assert rlpair.preset("dqn", "ALE/Pong-v5") == rlpair.preset("dqn", "ale_py:ALE/Breakout-v5")
    assert rlpair.preset("dqn", "ALE/Pong-v5").config.learning_starts == 80_000
    assert rlpair.preset("dqn", "GALE/Pong-v5").config == rlpair.DQNConfig()


def test_an_environment_without_a_row_has_the_algorithms_own_defaults() -> None:
    config, loop = rlpair.preset("dqn", "Nowhere-v0")
    assert config == rlpair.DQNConfig()
    assert loop == rlpair.LoopConfig(total_timesteps=100_000, eval_every=10_000, checkpoint_every=10_000)


def test_an_id_with_a_module_is_tuned_as_the_id() -> None:
    assert rlpair.preset("dqn", "some.module:Acrobot-v1") == rlpair.preset("dqn", "Acrobot-v1")


def test_an_algorithm_of_ones_own_brings_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"*": {"env": "Own-v0", "total_timesteps": 70}, "Own-v0": {"algo.tau": 0.5}, "Own*": {"algo.gamma": 0.25}}
    own = type("Own", (rlpair.DQNConfig,), {"name": "own"})
    record = dataclasses.replace(registry.find("dqn"), config=own, presets=rows)
    monkeypatch.setitem(registry._algorithms, "own", record)
    config, loop = rlpair.preset("own", "Own-v0")
    assert (type(config), config.tau, config.gamma, loop.total_timesteps) == (own, 0.5, 0.25, 70)
    assert rlpair.preset("own", "CartPole-v1").config == own()
    assert defaults("own", None)["env"] == "Own-v0"


@pytest.mark.parametrize(
    ("algo", "env", "message"),
    [
        ("ppo", "CartPole-v1", "algo='ppo' is not allowed: one of dqn, sac"),
        ("dqn", 5, "env=5 is not allowed: an id, such as CartPole-v1"),
    ],
)
def test_what_has_no_preset(algo: str, env: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        rlpair.preset(algo, env)
    assert str(error.value) == message
