"""Whole updates of both backends against plain numpy: what each tells, and everything that it leaves behind."""

import dataclasses
import math
from typing import Any

import backend_jax
import backend_torch
import numpy as np
import pytest
import reference
from devices import agent_of, host
from parity_cases import assert_close

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.algos.base import OPTIMIZERS
from rlpair.nets.arch import ACTIVATIONS
from rlpair.parity import Case, data, row, without_rng

BACKENDS = {"torch": backend_torch, "jax": backend_jax}
SPECS = {
    "dqn": EnvSpec((3,), "float32", True, 3, action_start=-1),
    "image dqn": EnvSpec((2, 2, 1), "uint8", True, 2, action_start=1),
    "sac": EnvSpec((3,), "float32", False, 2, (-2.0, 0.0), (2.0, 3.0)),
    "image sac": EnvSpec((1, 2, 1), "uint8", False, 1, (-1.0,), (0.0,)),
}
BOTH = {"learning_rate": 1e-2, "net_arch": (4, 3), "gamma": 0.9, "encoder": "none"}
UPDATES = {  # name: settings, environment, batch size, sample weights, discounts
    "vanilla": (DQNConfig(**BOTH, max_grad_norm=0.05, target_update_interval=2), "dqn", 6, False, False),
    "double": (DQNConfig(**BOTH, double_q=True, tau=0.3, optimizer="rmsprop"), "dqn", 6, True, False),
    "image": (
        DQNConfig(**BOTH, double_q=True, optimizer="sgd", target_update_interval=3),
        *("image dqn", 5, True, True),
    ),
    "auto": (SACConfig(**BOTH, activation="tanh", tau=0.2), "sac", 6, False, False),
    "fixed": (
        SACConfig(**BOTH, ent_coef=0.2, n_critics=1, optimizer="rmsprop", target_update_interval=2, activation="silu"),
        *("sac", 6, True, True),
    ),
    "clipped": (
        SACConfig(**BOTH, ent_coef="auto_0.1", target_entropy=0.5, n_critics=3, max_grad_norm=0.1, activation="elu"),
        *("image sac", 7, True, False),
    ),
}


def case_of(name: str) -> Case:
    """The case of one of the UPDATES."""
    config, spec, batch_size, weighted, discounted = UPDATES[name]
    return Case(config, SPECS[spec], list(UPDATES).index(name), batch_size, weighted, discounted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", UPDATES)
def test_whole_updates(name: str, backend: str) -> None:
    case = case_of(name)
    agent, (batch, noise) = agent_of(case, backend), data(case, 3)
    state = without_rng(agent.state_dict())
    for u in range(3):
        step, its_noise = row(batch, noise, u)
        info = agent.update(step, noise=its_noise)
        if case.spec.discrete:
            state, metrics, td_error = reference.dqn_update(state, step, case.config, case.spec)
        else:
            state, metrics, td_error = reference.sac_update(state, step, its_noise, case.config, case.spec)
        assert_close(metrics, {tag: host(value) for tag, value in info.metrics.items()}, 1e-7)
        assert_close({"td_error": td_error}, {"td_error": info.td_error}, 1e-7)
        assert_close(state, without_rng(agent.state_dict()), 1e-6)  # differences for gradients are right to 1e-10


# Actions, networks, observations, initial parameters


def agent_with(case: Case, backend: str, **values: Any) -> Any:
    """An agent whose last actor or q layer is set, weights to 0: it gives the bias for every observation."""
    agent = agent_of(case, backend)
    state = agent.state_dict()
    for name, value in values.items():
        state[f"{name}.0.2.weight"][:] = 0
        state[f"{name}.0.2.bias"][:] = value
    agent.load_state_dict(state)
    return agent


@pytest.mark.parametrize("backend", BACKENDS)
def test_actions_are_in_the_environments_units(backend: str) -> None:
    obs = np.zeros((2, 3), np.float32)
    agent = agent_with(case_of("vanilla"), backend, q=[1, 2, 3])
    assert agent.act(obs, explore=False).tolist() == [1, 1]  # from -1
    agent = agent_with(case_of("auto"), backend, actor=[0, 0, -30, -30])
    assert agent.act(obs, explore=False).tolist() == [[0, 1.5]] * 2
    np.testing.assert_allclose(agent.act(obs), [[0, 1.5]] * 2, atol=1e-6)  # std is exp(-20)
    agent = agent_with(case_of("auto"), backend, actor=[1, -50, 0, 0])
    np.testing.assert_allclose(agent.act(obs, explore=False), [[2 * math.tanh(1), 0]] * 2, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_networks(backend: str, activation: str) -> None:
    case = Case(
        DQNConfig(net_arch=(4, 3), activation=activation, encoder="none"), SPECS["image dqn"], 0, 6, False, False
    )
    agent = agent_of(case, backend)
    batch, _ = row(*data(case, 1), 0)
    expected = reference.mlp(agent.state_dict(), "q.0", batch.obs.reshape(6, 4) / 255, activation)
    np.testing.assert_allclose(BACKENDS[backend].losses(agent, batch)["q_values"], expected, rtol=1e-12)


def test_activations_by_hand() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    expected = {"relu": [0, 0, 2], "tanh": np.tanh(x), "elu": [math.exp(-1) - 1, 0, 2]}
    expected["silu"] = [-1 / (1 + math.e), 0, 2 / (1 + math.exp(-2))]
    for name in ACTIVATIONS:
        np.testing.assert_allclose(reference.ACTIVATIONS[name](x), expected[name], rtol=1e-14)


@pytest.mark.parametrize("name", ["vanilla", "auto"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_begin_alike(optimizer: str, name: str) -> None:
    case = case_of(name)
    case = case._replace(config=dataclasses.replace(case.config, optimizer=optimizer))
    torch_state, jax_state = (without_rng(agent_of(case, backend).state_dict()) for backend in BACKENDS)
    assert_close(torch_state, jax_state, 0)
    for key, value in torch_state.items():
        if key.startswith("target_"):
            np.testing.assert_array_equal(value, torch_state[key.removeprefix("target_")])
        if key.startswith("optimizer.") or key in ("num_updates", "log_alpha"):
            assert not value.any()
