"""Randomness in each backend: the law of exploring actions, and the noise of updates."""

import math

import backend_jax
import backend_torch
import numpy as np
import pytest
from devices import agent_of, host
from specs import BOX, DISCRETE

from rlpair import DQNConfig, SACConfig
from rlpair.parity import Case, data

BACKENDS = {"torch": backend_torch, "jax": backend_jax}

# Exploring actions: their law, in each backend. The seeds are fixed, so the outcome is too; were they drawn anew, each
# assertion below would fail for a right implementation with a probability of at most 1e-6.
ROWS = 20_000
Z = 4.9  # P(|normal| > 4.9) < 1e-6
KOLMOGOROV = math.sqrt(math.log(2 / 1e-6) / (2 * ROWS))  # P(sup|F_n - F| > this) <= 1e-6 (Dvoretzky, Kiefer, Wolfowitz)


def assert_frequency(hits: np.ndarray, probability: float) -> None:
    """The frequency of independent hits is as probable as it should be."""
    z = (hits.sum() - hits.size * probability) / math.sqrt(hits.size * probability * (1 - probability))
    assert abs(z) < Z


def assert_standard_normal(x: np.ndarray) -> None:
    """(ROWS,): mean, variance and the whole distribution."""
    n = len(x)
    assert abs(x.mean()) * math.sqrt(n) < Z
    assert abs(x.var() - 1) * math.sqrt(n / 2) < Z
    below = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in np.sort(x)])
    assert np.abs(below - np.arange(n) / n).max() < KOLMOGOROV


def assert_uncorrelated(x: np.ndarray, y: np.ndarray) -> None:
    """(ROWS,) each."""
    assert abs(np.corrcoef(x, y)[0, 1]) * math.sqrt(len(x)) < Z


@pytest.mark.parametrize(
    ("env_steps", "epsilon"), [(0, 0.8), (50, 0.5), (75, 0.35), (100, 0.2), (10**9, 0.2), (None, 0.2)]
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_epsilon_greedy_actions(backend: str, env_steps: int | None, epsilon: float) -> None:
    config = DQNConfig(net_arch=(8,), exploration_initial_eps=0.8, exploration_final_eps=0.2, exploration_steps=100)
    case = Case(config, DISCRETE, 1, ROWS)
    agent, obs = agent_of(case, backend, "float32"), data(case, 1)[0].obs[0]
    best = agent.act(obs, explore=False)
    first, second = (agent.act(obs, env_steps=env_steps) for _ in range(2))
    assert set(np.unique(first)) == {-1, 0, 1}
    for shift in (1, 2):  # each environment tosses its own coin, and then any action is as likely
        assert_frequency((first - best) % 3 == shift, epsilon / 3)
    assert_uncorrelated(first != best, second != best)
    assert_uncorrelated(first[1:] != best[1:], first[:-1] != best[:-1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_squashed_gaussian_actions(backend: str) -> None:
    case = Case(SACConfig(net_arch=(4,)), BOX, 1, ROWS)
    agent, obs = agent_of(case, backend, "float32"), data(case, 1)[0].obs[0]
    state = agent.state_dict()
    state["actor.0.1.weight"][:] = 0
    state["actor.0.1.bias"][:] = mean_and_log_std = np.array([0.3, -0.5, -1.0, -0.3], np.float32)
    agent.load_state_dict(state)
    mean, std = mean_and_log_std[:2].astype(np.float64), np.exp(mean_and_log_std[2:].astype(np.float64))
    low, high = np.array(BOX.action_low), np.array(BOX.action_high)
    draws = [(np.arctanh(2 * (agent.act(obs) - low) / (high - low) - 1) - mean) / std for _ in range(2)]
    for dimension in (0, 1):
        assert_standard_normal(draws[0][:, dimension])
        assert_uncorrelated(draws[0][:, dimension], draws[1][:, dimension])
    assert_uncorrelated(draws[0][:, 0], draws[0][:, 1])
    np.testing.assert_allclose(agent.act(obs[:1], explore=False)[0], low + (np.tanh(mean) + 1) / 2 * (high - low), 1e-6)


# The noise of updates


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_noise(backend: str) -> None:
    case = Case(SACConfig(net_arch=(4,)), BOX, 1, 1)
    noise = BACKENDS[backend].training_noise(agent_of(case, backend, "float32"), (ROWS // 100, 100))
    assert noise.shape == (2, ROWS // 100, 100, 2)
    columns = noise.reshape(2, ROWS, 2)
    for which in (0, 1):
        assert_standard_normal(columns[which, :, 0])
        assert_uncorrelated(columns[which, :, 0], columns[which, :, 1])
        assert_uncorrelated(columns[which, 1:, 0], columns[which, :-1, 0])
    assert_uncorrelated(columns[0, :, 0], columns[1, :, 0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_update_draws_noise_of_its_own(backend: str) -> None:
    config = SACConfig(net_arch=(4,), learning_rate=1e-12, ent_coef=0.2)
    case = Case(config, BOX, 1, 1)
    agent, (batch, _) = agent_of(case, backend), data(case, 1)
    going_on = batch._replace(terminated=np.zeros_like(batch.reward))
    same = type(batch)(*(None if x is None else np.repeat(x, 20, axis=0) for x in going_on))
    infos = [agent.update(same) for _ in range(2)]
    for tag in ("loss/actor", "loss/critic"):
        values = np.concatenate([host(info.metrics[tag]) for info in infos])
        assert len(np.unique(values.round(6))) == 40


@pytest.mark.parametrize("backend", BACKENDS)
def test_given_noise_advances_no_generator(backend: str) -> None:
    case = Case(SACConfig(net_arch=(4,)), BOX, 1, 4)
    agent, (batch, noise) = agent_of(case, backend), data(case, 1)
    before = agent.state_dict()[agent.rng_name]
    agent.update(batch, noise=noise)
    np.testing.assert_array_equal(agent.state_dict()[agent.rng_name], before)
    agent.update(batch)
    assert (agent.state_dict()[agent.rng_name] != before).any()
