"""The configuration: which value wins, what config.yaml keeps, and that help leaves nothing out."""

import dataclasses
from collections.abc import Callable

import pytest

from rlpair import DQNConfig, LoopConfig, SACConfig
from rlpair.config import ALGO_CONFIGS, RunConfig
from rlpair.errors import ConfigError
from rlpair.presets import DEFAULTS, defaults
from rlpair.saved_config import load_config, save_config
from rlpair.saved_run import settle

ROWS = [(algo, env) for algo, rows in DEFAULTS.items() for env in rows]


@pytest.mark.parametrize(("algo", "env"), ROWS)
def test_every_default_is_of_a_key_that_there_is_and_makes_a_run(algo: str, env: str) -> None:
    own = {f"algo.{field.name}" for field in dataclasses.fields(ALGO_CONFIGS[algo])}
    assert DEFAULTS[algo][env].keys() <= own | {field.name for field in dataclasses.fields(RunConfig)}
    config = settle({"algo.name": algo, "env": env, "resume": None}, {"algo", "env"})
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
    config = settle(values, {"algo", "algo.learning_rate", "seed"})
    assert (config.algo.learning_rate, config.seed, config.total_timesteps) == (0.5, 7, 50_000)


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(algo=DQNConfig(double_q=True, net_arch=(3, 4)), backend="torch", env="Acrobot-v1", num_envs=3),
        RunConfig(algo=SACConfig(ent_coef="auto_0.1", max_grad_norm=2.5), seed=9, env_kwargs={"g": 9.81}),
    ],
)
def test_config_yaml_brings_a_configuration_back(config: RunConfig, own_folder: Callable[..., str]) -> None:
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


@pytest.mark.slow
def test_help_shows_every_key_with_its_docstring(run_python: Callable[..., str]) -> None:
    text = run_python("-m", "rlpair.train", "--help")
    keys = [field.name for field in dataclasses.fields(RunConfig) if field.name != "algo"]
    keys += [f"algo.{field.name}" for config in ALGO_CONFIGS.values() for field in dataclasses.fields(config)]
    lines = text.splitlines()
    for key in keys:
        (line, *_) = [line for line in lines if line.startswith(f"  {key}=")]
        assert len(line) > 44, line  # a docstring stands behind the default
    assert max(map(len, lines)) <= 100
