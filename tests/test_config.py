"""The configuration: which value wins, what config.yaml keeps, and that help leaves nothing out."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rlpair import DQNConfig, LoopConfig, SACConfig
from rlpair.algos.registry import algorithms, find
from rlpair.config import RunConfig
from rlpair.errors import ConfigError
from rlpair.presets import DEFAULTS, defaults
from rlpair.runs.saved_config import load_config, save_config
from rlpair.runs.saved_run import resolve_config

ROWS = [(algo, env) for algo, rows in DEFAULTS.items() for env in rows]


@pytest.mark.parametrize(("algo", "env"), ROWS)
def test_every_default_is_of_a_key_that_there_is_and_makes_a_run(algo: str, env: str) -> None:
    own = {f"algo.{field.name}" for field in dataclasses.fields(find(algo).config)}
    assert DEFAULTS[algo][env].keys() <= own | {field.name for field in dataclasses.fields(RunConfig)}
    config = resolve_config({"algo.name": algo, "env": env, "resume": None}, {"algo", "env"})
    assert (config.algo.name, config.env) == (algo, env)
    for key, value in DEFAULTS[algo][env].items():
        if key != "env":
            assert getattr(config.algo if key.startswith("algo.") else config, key.removeprefix("algo.")) == value


def test_an_environments_own_row_goes_over_the_general_one() -> None:
    assert defaults("dqn", None)["env"] == "CartPole-v1"
    assert defaults("dqn", None)["total_timesteps"] == 50_000
    assert defaults("dqn", None)["eval_every"] == 10_000  # from the general row
    assert defaults("dqn", "Nowhere-v0")["total_timesteps"] == 100_000
    assert "algo.learning_rate" not in defaults("dqn", "Nowhere-v0")


def test_what_is_given_goes_over_the_table() -> None:
    values = {"algo.name": "dqn", "env": "CartPole-v1", "resume": None, "algo.learning_rate": 0.5, "seed": 7}
    config = resolve_config(values, {"algo", "algo.learning_rate", "seed"})
    assert (config.algo.learning_rate, config.seed, config.total_timesteps) == (0.5, 7, 50_000)


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(algo=DQNConfig(double_q=True, net_arch=(3, 4)), backend="torch", env="Acrobot-v1", num_envs=3),
        RunConfig(algo=SACConfig(ent_coef="auto_0.1", max_grad_norm=2.5), seed=9, env_kwargs={"g": 9.81}),
    ],
)
def test_config_yaml_brings_a_configuration_back(config: RunConfig, own_folder: Path) -> None:
    assert RunConfig.from_dict(config.to_dict()) == config
    save_config(config, own_folder)
    assert load_config(own_folder) == config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LoopConfig(log_every=0), "log_every=0 is not allowed: a whole number >= 1"),
        (lambda: LoopConfig(seed=-1), "seed=-1 is not allowed: a whole number >= 0"),
        (lambda: RunConfig(num_envs=0), "num_envs=0 is not allowed: a whole number >= 1"),
        (lambda: RunConfig(vectorization="none"), "vectorization='none' is not allowed: one of sync, async"),
        (lambda: RunConfig(matmul_precision="low"), "matmul_precision='low' is not allowed: one of highest, high"),
        (
            lambda: RunConfig(algo=SACConfig(buffer_size=300), num_envs=301),
            "algo.buffer_size=300 is not allowed: at least num_envs=301",
        ),
        (lambda: SACConfig(optimizer="lion"), "algo.optimizer='lion' is not allowed: one of adam, rmsprop, sgd"),
        (lambda: SACConfig(activation="gelu"), "algo.activation='gelu' is not allowed: one of relu, tanh, elu, silu"),
        (lambda: SACConfig(gradient_steps=0), "algo.gradient_steps=0 is not allowed: a whole number >= 1, or -1 "),
        (lambda: SACConfig(max_grad_norm=0.0), "algo.max_grad_norm=0.0 is not allowed: a number > 0, or null"),
        (lambda: SACConfig(learning_rate=float("nan")), "algo.learning_rate=nan is not allowed: a number > 0"),
        (lambda: DQNConfig(exploration_steps=0), "algo.exploration_steps=0 is not allowed: "),
        (lambda: DQNConfig(exploration_final_eps=1.5), "algo.exploration_final_eps=1.5 is not allowed: "),
        (lambda: SACConfig(n_critics=0), "algo.n_critics=0 is not allowed: "),
        (lambda: SACConfig(ent_coef="much"), "algo.ent_coef='much' is not allowed: "),
        (lambda: SACConfig(target_entropy="low"), "algo.target_entropy='low' is not allowed: "),
        (
            lambda: RunConfig(mode="fused", total_timesteps=2**33, num_envs=4),
            "total_timesteps=8589934592 is not allowed: less than 2**31 * num_envs=4",
        ),
        (
            lambda: RunConfig(mode="fused", algo=SACConfig(buffer_size=2**31)),
            "algo.buffer_size=2147483648 is not allowed: less than 2**31 with mode=fused",
        ),
    ],
)
def test_values_that_are_not_allowed(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value).startswith(message)


def test_values_that_are_just_allowed() -> None:
    assert RunConfig(algo=SACConfig(buffer_size=300), num_envs=300).num_envs == 300
    fused = RunConfig(mode="fused", total_timesteps=2**33 - 1, num_envs=4, algo=SACConfig(buffer_size=2**31 - 1))
    assert fused.total_timesteps == 2**33 - 1
    assert RunConfig(num_envs=10_000).num_envs == 10_000  # on the host; compiled ones may be many more
    assert RunConfig(mode="fused", num_envs=10_001).num_envs == 10_001
    assert RunConfig(total_timesteps=101).algo.learning_starts == 100


def test_the_defaults_of_the_algorithms() -> None:
    common: dict[str, Any] = {"buffer_size": 1_000_000, "learning_starts": 100, "gamma": 0.99}
    common |= {"gradient_steps": 1}
    common |= {"target_update_interval": 1, "optimizer": "adam", "net_arch": (256, 256), "activation": "relu"}
    dqn: dict[str, Any] = {"learning_rate": 5e-4, "batch_size": 64, "tau": 0.02, "train_freq": 4, "max_grad_norm": 10.0}
    dqn |= {"encoder": "auto", "double_q": False, "exploration_steps": 5_000}
    dqn |= {"exploration_initial_eps": 1.0, "exploration_final_eps": 0.05}
    sac: dict[str, Any] = {
        "learning_rate": 3e-4,
        "batch_size": 256,
        "tau": 0.005,
        "train_freq": 1,
        "max_grad_norm": None,
    }
    sac |= {"encoder": "auto", "random_shift": 0, "ent_coef": "auto", "target_entropy": "auto", "n_critics": 2}
    assert dataclasses.asdict(DQNConfig()) == common | dqn
    assert dataclasses.asdict(SACConfig()) == common | sac


COUNT = "a whole number >= 1"
BETWEEN = "a number in [0, 1]"
POSITIVE = "a number > 0"


@pytest.mark.parametrize(
    ("config", "key", "accepted", "refused", "allowed"),
    [
        (SACConfig, "learning_rate", (1e-9, 1e9), (0.0, -1.0, float("inf")), POSITIVE),
        (partial(SACConfig, batch_size=1), "buffer_size", (1, 2), (0,), COUNT),
        (SACConfig, "batch_size", (1, 1_000_000), (0,), COUNT),
        (partial(SACConfig, buffer_size=300), "batch_size", (300,), (301,), "at most algo.buffer_size=300"),
        (SACConfig, "train_freq", (1,), (0,), COUNT),
        (SACConfig, "target_update_interval", (1,), (0,), COUNT),
        (SACConfig, "learning_starts", (0, 1), (-1,), "a whole number >= 0"),
        (SACConfig, "tau", (1e-9, 1), (0.0, 1.5), "a number in (0, 1]"),
        (SACConfig, "gamma", (0, 0.5, 1), (-0.5, 1.5), BETWEEN),
        (SACConfig, "gradient_steps", (1, -1), (0, -2), f"{COUNT}, or -1 (one per new transition)"),
        (SACConfig, "max_grad_norm", (None, 0.5, 1e9), (0.0, float("inf")), f"{POSITIVE}, or null"),
        (
            SACConfig,
            "net_arch",
            ((), (1,), (2, 1)),
            ((0,), (2, 0)),
            "layer sizes >= 1, such as [256,256], or [] for none",
        ),
        (SACConfig, "net_arch", ((1,) * 100,), ((1,) * 101,), "at most 100 layers"),
        (
            DQNConfig,
            "encoder",
            ("auto", "none", "nature", "minatar", "impala"),
            ("cnn", ""),
            "one of auto, none, nature, ",
        ),
        (SACConfig, "random_shift", (0, 1), (-1,), "a whole number of pixels >= 0"),
        (SACConfig, "n_critics", (1, 100), (0, 101), "a whole number from 1 to 100"),
        (
            SACConfig,
            "ent_coef",
            (0.5, "auto_0.5", "auto_1e-2", "auto"),
            (0.0, -1.0, float("inf"), "auto_0"),
            "auto, auto_X or ",
        ),
        (DQNConfig, "exploration_steps", (1,), (0,), COUNT),
        (DQNConfig, "exploration_initial_eps", (0, 0.5, 1), (-0.5, 1.5), BETWEEN),
        (DQNConfig, "exploration_final_eps", (0, 0.5, 1), (-0.5, 1.5), BETWEEN),
    ],
)
def test_the_bounds_of_a_setting(
    config: Callable[..., object], key: str, accepted: tuple[Any, ...], refused: tuple[Any, ...], allowed: str
) -> None:
    for value in accepted:
        assert getattr(config(**{key: value}), key) == value
    for value in refused:
        with pytest.raises(ConfigError) as error:
            config(**{key: value})
        assert str(error.value).startswith(f"algo.{key}={value!r} is not allowed: {allowed}")


@pytest.mark.parametrize(
    ("batch_size", "net_arch", "threads"),
    [(1, (4,), 1), (127, (256, 256), 1), (128, (256, 256), 2), (256, (8, 256), 4), (256, (1024, 8), 64)],
)
def test_threads_are_as_many_as_the_widest_product_keeps_busy(
    batch_size: int, net_arch: tuple[int, ...], threads: int
) -> None:
    assert SACConfig(batch_size=batch_size, net_arch=net_arch).threads == threads  # of 4,194,304 multiply-adds each


@pytest.mark.parametrize(
    ("encoder", "batch_size", "threads"),
    [("nature", 32, 25), ("nature", 2, 1), ("minatar", 32, 1), ("minatar", 64, 2), ("auto", 32, 1), ("none", 32, 1)],
)
def test_an_encoder_that_is_named_counts_for_threads(encoder: str, batch_size: int, threads: int) -> None:
    assert DQNConfig(encoder=encoder, net_arch=(), batch_size=batch_size).threads == threads


@pytest.mark.slow
def test_help_shows_every_key_with_its_docstring(run_python: Callable[..., str]) -> None:
    text = run_python("-m", "rlpair.train", "--help")
    keys = [field.name for field in dataclasses.fields(RunConfig) if field.name != "algo"]
    keys += [f"algo.{field.name}" for algo in algorithms() for field in dataclasses.fields(algo.config)]
    lines = text.splitlines()
    for key in keys:
        (line, *_) = [line for line in lines if line.startswith(f"  {key}=")]
        assert len(line) > 44, line  # a docstring stands behind the default
    assert max(map(len, lines)) <= 100
