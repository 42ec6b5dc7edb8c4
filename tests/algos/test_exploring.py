"""Exploring actions, given what is random in them: exactly those of the equations, and the same in both twins."""

from typing import Any

import backend_jax
import backend_torch
import numpy as np
import pytest
from devices import agent_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reference import mlp
from specs import BOX, DISCRETE

from rlpair import DQNConfig, SACConfig
from rlpair.parity import Case, without_rng

BACKENDS = {"torch": backend_torch, "jax": backend_jax}
SCHEDULE: dict[str, Any] = {"exploration_initial_eps": 0.75, "exploration_final_eps": 0.25, "exploration_steps": 100}
CASES = {
    "dqn": Case(DQNConfig(net_arch=(8,), **SCHEDULE), DISCRETE, 3, 8),
    "sac": Case(SACConfig(net_arch=(8,)), BOX, 3, 8),
}
# Every number of environments compiles anew, so examples are few and none is made smaller.
NUMBERS = st.integers(0, 2**31 - 1)
TWINS = {name: {backend: agent_of(case, backend) for backend in BACKENDS} for name, case in CASES.items()}


def explored(name: str, obs: np.ndarray, noise: tuple[np.ndarray, ...], env_steps: int) -> dict[str, np.ndarray]:
    """Of each twin the actions, float64."""
    return {backend: BACKENDS[backend].explore(agent, obs, noise, env_steps) for backend, agent in TWINS[name].items()}


def draws(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Observations (N, 3), coins and any actions (N,), standard normals (N, 2)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.random(n), rng.integers(3, size=n), rng.normal(size=(n, 2))


@settings(max_examples=20, phases=[Phase.generate])
@given(n=st.integers(1, 9), env_steps=st.integers(0, 250) | NUMBERS, seed=NUMBERS)
def test_dqn_takes_any_action_where_the_coin_is_below_epsilon(n: int, env_steps: int, seed: int) -> None:
    obs, coin, anything, _ = draws(n, seed)
    q_values = mlp(TWINS["dqn"]["torch"].state_dict(), "q.0", obs, "relu")
    epsilon = np.interp(env_steps, [0, 100], [0.75, 0.25])
    expected = np.where(coin < epsilon, anything, q_values.argmax(-1)) - 1
    for backend, action in explored("dqn", obs, (coin, anything), env_steps).items():
        np.testing.assert_array_equal(action, expected, backend)


def test_a_coin_that_is_epsilon_does_not_explore() -> None:
    obs = np.zeros((3, 3))
    best = explored("dqn", obs, (np.ones(3), np.zeros(3, int)), 50)
    other = (best["jax"] + 2) % 3  # from 0: another one
    coin = np.array([np.nextafter(0.5, 0), 0.5, np.nextafter(0.5, 1)])
    for backend, action in explored("dqn", obs, (coin, other), 50).items():
        assert (action != best[backend]).tolist() == [True, False, False]


@settings(max_examples=20, phases=[Phase.generate])
@given(n=st.integers(1, 9), env_steps=NUMBERS, seed=NUMBERS)
def test_sac_squashes_the_mean_and_the_noise(n: int, env_steps: int, seed: int) -> None:
    obs, _, _, noise = draws(n, seed)
    outputs = mlp(TWINS["sac"]["torch"].state_dict(), "actor.0", obs, "relu")
    action = np.tanh(outputs[:, :2] + np.exp(outputs[:, 2:].clip(-20, 2)) * noise)
    expected = np.array([-2.0, 0.0]) + (action + 1) / 2 * np.array([4.0, 1.0])
    for backend, found in explored("sac", obs, (noise,), env_steps).items():
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_to_act_is_to_draw_and_then_to_act_on_it(name: str, backend: str) -> None:
    obs = draws(6, 0)[0].astype(np.float32)
    one, other = (agent_of(CASES[name], backend, "float32") for _ in range(2))
    for n in (6, 6, 1):
        noise = other.act_noise(n)
        assert [x.shape[0] for x in noise] == [n] * len(noise)
        np.testing.assert_array_equal(one.act(obs[:n], env_steps=20), other.act(obs[:n], env_steps=20, noise=noise))
        np.testing.assert_array_equal(one.state_dict()[one.rng_name], other.state_dict()[one.rng_name])
    state = without_rng(one.state_dict())
    assert all(np.array_equal(x, other.state_dict()[key]) for key, x in state.items())


@pytest.mark.parametrize("name", CASES)
def test_one_twin_acts_on_what_the_other_draws(name: str) -> None:
    torchs, jaxs = (agent_of(CASES[name], backend, "float32") for backend in BACKENDS)
    obs = draws(50, 1)[0].astype(np.float32)
    for giver in (torchs, jaxs):
        noise = giver.act_noise(50)
        ours, theirs = (agent.act(obs, env_steps=50, noise=noise) for agent in (torchs, jaxs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 if name == "sac" else 0)
        assert (ours != torchs.act(obs, explore=False)).mean() > 0.1
