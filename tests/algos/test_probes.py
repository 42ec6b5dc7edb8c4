"""All four agents learn the exact values of five probes, each harder than the last, and of a time limit."""

from typing import Any

import numpy as np
import pytest
from devices import DEVICE
from probe_envs import (
    ActionChoice,
    ActionGivenObservation,
    ConstantValue,
    Discounting,
    ObservationValue,
    Probe,
    TimeLimit,
)
from reference import mlp

from rlpair import DQNConfig, LoopConfig, SACConfig, make_agent, run
from rlpair.types import Agent

GAMMA, ENT_COEF = 0.5, 0.5
ENTROPY = np.log(2)  # of a uniform action in [-1, 1], the best policy where the action does not matter
COMMON: dict[str, Any] = {"learning_rate": 1e-2, "gamma": GAMMA, "batch_size": 64, "net_arch": (32,), "tau": 0.05}
COMMON |= {"learning_starts": 300, "train_freq": 100, "gradient_steps": 100, "target_update_interval": 1}
CONFIGS = {"dqn": DQNConfig(**COMMON), "sac": SACConfig(**COMMON, ent_coef=ENT_COEF)}

pytestmark = pytest.mark.usefixtures("one_thread")
agents = pytest.mark.parametrize("backend", ["torch", "jax"])
algos = pytest.mark.parametrize("algo", ["dqn", "sac"])


def trained(algo: str, backend: str, probe: type[Probe], **changes: Any) -> Agent:
    """An agent after 600 updates on a probe."""
    env = probe(discrete=algo == "dqn")
    config = type(CONFIGS[algo])(**{**vars(CONFIGS[algo]), **changes})
    agent = make_agent(algo, backend=backend, env=env, config=config, device=DEVICE)
    for _ in run(agent, env, LoopConfig(total_timesteps=900)):
        pass
    return agent


def q_values(agent: Agent, *observations: float) -> np.ndarray:
    """(B, 2): the learned value of the actions 1 and 2."""
    state, obs = agent.state_dict(), np.array(observations)[:, None]
    if agent.spec.discrete:
        return mlp(state, "q.0", obs, "relu")
    inputs = [np.hstack([obs, np.full_like(obs, action / 1.5 - 1)]) for action in (1, 2)]  # [0, 3] -> [-1, 1]
    return np.hstack([np.minimum(*(mlp(state, f"critic.{k}", x, "relu") for k in (0, 1))) for x in inputs])


def greedy(agent: Agent, *observations: float) -> np.ndarray:
    return agent.act(np.array(observations, np.float32)[:, None], explore=False).ravel()


def assert_near(actual: np.ndarray, expected: Any, tolerance: float = 0.03) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@agents
@algos
def test_constant_value(algo: str, backend: str) -> None:
    agent = trained(algo, backend, ConstantValue)
    assert_near(q_values(agent, 0.0), [[1, 1]])


@agents
@algos
def test_value_of_an_observation(algo: str, backend: str) -> None:
    agent = trained(algo, backend, ObservationValue)
    assert_near(q_values(agent, -1.0, 1.0), [[-1, -1], [1, 1]])


@agents
@algos
def test_discounting(algo: str, backend: str) -> None:
    agent = trained(algo, backend, Discounting)
    first = GAMMA * (1 + ENT_COEF * ENTROPY) if algo == "sac" else GAMMA
    assert_near(q_values(agent, 0.0, 1.0), [[first, first], [1, 1]])


@agents
@algos
def test_action_choice(algo: str, backend: str) -> None:
    agent = trained(algo, backend, ActionChoice, **({"ent_coef": 0.02} if algo == "sac" else {}))
    assert_near(q_values(agent, 0.0), [[0.5, 1]])
    assert_near(greedy(agent, 0.0), [2], 0.1)


@agents
@algos
def test_action_given_observation(algo: str, backend: str) -> None:
    agent = trained(algo, backend, ActionGivenObservation, **({"ent_coef": 0.02} if algo == "sac" else {}))
    assert_near(q_values(agent, -1.0, 1.0), [[1, 0.5], [0.5, 1]])
    assert_near(greedy(agent, -1.0, 1.0), [1, 2], 0.1)


@agents
@algos
def test_the_value_goes_on_beyond_a_time_limit(algo: str, backend: str) -> None:
    agent = trained(algo, backend, TimeLimit)
    soft = GAMMA * ENT_COEF * ENTROPY if algo == "sac" else 0
    value = (1 + soft) / (1 - GAMMA)
    assert_near(q_values(agent, 0.0), [[value, value]])
