"""make_agent: what it takes for an environment, and which settings an agent then has."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from loop_fakes import Stairs

import rlpair
from rlpair import DQNConfig
from rlpair.envs import stepped_jax
from rlpair.errors import EnvError
from rlpair.make import open_playable


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_make_agent_takes_an_id_and_then_has_its_tuned_settings(backend: str) -> None:
    agent = rlpair.make_agent("dqn", backend=backend, env="CartPole-v1")
    assert agent.spec.obs_shape == (4,)
    assert agent.config == rlpair.preset("dqn", "CartPole-v1").config != DQNConfig()


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make("CartPole-v1"),
        lambda: gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"),
        lambda: lambda: gym.make("CartPole-v1"),
        lambda: "gymnasium:CartPole-v1",
    ],
    ids=["env", "vector", "function", "module:id"],
)
def test_the_id_of_an_environment_decides_on_the_settings(make: Callable[[], Any]) -> None:
    agent = rlpair.make_agent("dqn", backend="torch", env=make())
    assert agent.config == rlpair.preset("dqn", "CartPole-v1").config


@pytest.mark.parametrize("env", [rlpair.EnvSpec((4,), "float32", True, 2), Stairs(3), "toy/Counter-v0"])
def test_without_a_row_an_agent_has_the_algorithms_own_settings(env: Any) -> None:
    assert rlpair.make_agent("dqn", backend="torch", env=env).config == DQNConfig()


def test_a_config_that_is_given_goes_over_the_tuned_one() -> None:
    config = DQNConfig(net_arch=(8,))
    assert rlpair.make_agent("dqn", backend="torch", env="CartPole-v1", config=config).config == config


@pytest.mark.parametrize("env", ["CartPole-v1", lambda: gym.make("CartPole-v1")], ids=["id", "function"])
def test_what_make_agent_builds_is_closed(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gymnasium.envs.classic_control import CartPoleEnv

    closed = []
    monkeypatch.setattr(CartPoleEnv, "close", lambda self: closed.append(1))
    rlpair.make_agent("dqn", backend="torch", env=env)
    assert closed == [1]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("NoSuch-v0", "env=NoSuch-v0 is not registered: "),
        (3, "env=3 is a int: give "),
        ("Pendulum-v1", "dqn needs a Discrete action space and this environment has a Box: use algo=sac"),
    ],
)
def test_what_make_agent_refuses(env: Any, message: str) -> None:
    with pytest.raises(EnvError) as error:
        rlpair.make_agent("dqn", backend="torch", env=env)
    assert str(error.value).startswith(message)


def test_an_environment_to_evaluate_in_is_made_with_the_arguments_that_are_given() -> None:
    envs = open_playable("CartPole-v1", {"max_episode_steps": 3})
    envs.reset(0)
    assert [bool(envs.step(np.zeros(1, np.int32)).truncated[0]) for _ in range(4)] == [False, False, True, False]
    envs.close()


def test_what_is_only_compiled_is_played_with_its_env_kwargs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepped_jax, "make", lambda *given: given)
    for given in ({"sticky_action_prob": 0.1}, {}):
        found: object = open_playable("gymnax/Breakout-MinAtar", given)
        assert found == ("gymnax/Breakout-MinAtar", given)
