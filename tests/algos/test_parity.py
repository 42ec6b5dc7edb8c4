"""The twins compared: equal parameters, batch and noise give equal losses, gradients, moments and next parameters."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import backend_jax
import backend_torch
import numpy as np
import pytest
from devices import agent_of, host
from hypothesis import Phase, given, settings
from parity_cases import assert_close, dqn_cases, image_cases, sac_cases
from specs import BOX, DISCRETE

from rlpair import DQNConfig, SACConfig
from rlpair.algos.base import OPTIMIZERS
from rlpair.nets.arch import ACTIVATIONS
from rlpair.nets.encoders import ENCODERS
from rlpair.parity import (
    FLOAT32,
    FLOAT32_STEPPED,
    FLOAT64,
    Case,
    data,
    relative_error,
    row,
    without_rng,
)

BACKENDS = {"torch": backend_torch, "jax": backend_jax}
GRID = list(itertools.product(OPTIMIZERS, ACTIVATIONS))
SLOW = dict.fromkeys(("nature", "impala"), pytest.mark.slow)  # to compile
IMAGE_CASES = [pytest.param(partial(image_cases, x), id=x, marks=SLOW.get(x, ())) for x in ENCODERS]
IMAGE_CASES.append(pytest.param(partial(image_cases, "minatar", "sac"), id="sac, minatar"))


def over(cases: Any, check: Callable[..., None], examples: int) -> None:
    """Run the check on that many cases: few, since each compiles anew; for the same reason none is made smaller."""
    settings(max_examples=examples, phases=[Phase.generate])(given(cases)(check))()


def compare(case: Case, dtype: str, tolerance: float) -> None:
    """100 updates, one by one, of both: what each update tells, and the state after the first and the last."""
    batch, noise = data(case, 100)
    twins = [agent_of(case, backend, dtype) for backend in BACKENDS]
    told: list[dict[str, Any]] = [{}, {}]
    for u in range(100):
        for agent, history in zip(twins, told, strict=True):
            info = agent.update(row(batch, noise, u)[0], noise=row(batch, noise, u)[1])
            for name, value in {**info.metrics, "td_error": info.td_error}.items():
                history.setdefault(name, []).append(host(value))
        if u == 0:
            assert_close(*(without_rng(agent.state_dict()) for agent in twins), tolerance)
    assert_close(*(without_rng(agent.state_dict()) for agent in twins), tolerance)
    assert_close(*({name: np.stack(values) for name, values in history.items()} for history in told), tolerance)
    assert twins[0].num_updates == twins[1].num_updates == 100


# 1 update and 100, in float64 and float32


def in_float64(case: Case) -> None:
    compare(case, "float64", FLOAT64)


@pytest.mark.parametrize(("optimizer", "activation"), GRID)
@pytest.mark.parametrize("double_q", [False, True])
def test_dqn_update(double_q: bool, optimizer: str, activation: str) -> None:
    over(dqn_cases(double_q=double_q, optimizer=optimizer, activation=activation), in_float64, examples=1)


@pytest.mark.parametrize(("index", "optimizer", "activation"), [(i, *x) for i, x in enumerate(GRID)])
def test_sac_update(index: int, optimizer: str, activation: str) -> None:
    fixed = {"n_critics": 1 + index % 5, "ent_coef": ("auto", 0.2)[index % 2]}  # all ten pairs are in the grid
    over(sac_cases(optimizer=optimizer, activation=activation, **fixed), in_float64, examples=1)


@pytest.mark.parametrize(("cases", "examples"), [(dqn_cases, 12), (sac_cases, 6)])
def test_update_of_any_case(cases: Any, examples: int) -> None:
    over(cases(), in_float64, examples)


@pytest.mark.parametrize("encoder", [pytest.param(x, marks=SLOW.get(x, ())) for x in ENCODERS])
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_update_with_an_encoder(algo: str, encoder: str) -> None:
    over(image_cases(encoder, algo), in_float64, examples=2)


@pytest.mark.parametrize("config", [DQNConfig(net_arch=(8,)), SACConfig(net_arch=(8,))], ids=["dqn", "sac"])
def test_update_of_an_image_beside_numbers(config: Any) -> None:
    spec = (DISCRETE if config.name == "dqn" else BOX)._replace(obs_shape=(26,), parts=((2,), (4, 3, 2)))
    in_float64(Case(config, spec, 0, 5))


@pytest.mark.parametrize("cases", [dqn_cases, sac_cases])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_in_float32(optimizer: str, cases: Any) -> None:
    over(cases(optimizer=optimizer), lambda case: compare(case, "float32", FLOAT32_STEPPED), examples=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_adams_first_step_in_float32_is_the_learning_rate(backend: str) -> None:
    case = Case(SACConfig(net_arch=(4,), learning_rate=0.5), BOX, 0, 8)
    agent = agent_of(case, backend, "float32")
    agent.update(row(*data(case, 1), 0)[0])
    step = abs(agent.state_dict()["log_alpha"])
    np.testing.assert_allclose(step, 0.5, rtol=5e-7)  # 1 - 0.999 computed in float32 would cost 6e-6


# At one set of parameters: values, targets, each loss, each gradient per parameter


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", FLOAT64), ("float32", FLOAT32)])
@pytest.mark.parametrize("cases", [dqn_cases, sac_cases, *IMAGE_CASES])
def test_losses_and_gradients(cases: Any, dtype: str, tolerance: float) -> None:
    def check(case: Case) -> None:
        first, second = (row(*data(case, 2), u) for u in range(2))
        twins = {backend: agent_of(case, backend, dtype) for backend in BACKENDS}
        twins["torch"].update(first[0], noise=first[1])  # so that targets differ from what they follow
        twins["jax"].load_state_dict(twins["torch"].state_dict())
        assert_close(*(BACKENDS[backend].losses(agent, *second) for backend, agent in twins.items()), tolerance)

    over(cases(), check, examples=3)


@pytest.mark.parametrize("log_std", [-25.0, -20.0, 0.0, 2.0, 3.0])
def test_losses_at_the_bounds_of_log_std(log_std: float) -> None:
    case = Case(SACConfig(net_arch=(4,)), BOX, 0, 8)
    found = []
    for backend, module in BACKENDS.items():
        agent = agent_of(case, backend)
        state = agent.state_dict()
        state["actor.0.1.weight"][:, 2:] = 0
        state["actor.0.1.bias"][2:] = log_std
        agent.load_state_dict(state)
        found.append(module.losses(agent, *row(*data(case, 1), 0)))
    assert_close(*found, FLOAT64)
    flows = bool(found[0]["gradient.actor.0.1.bias"][2:].any())
    assert flows == (-20 <= log_std <= 2)


# U updates in one call


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_many_updates_in_one_call_are_those_one_by_one(algo: str, backend: str) -> None:
    config: Any = DQNConfig(target_update_interval=3) if algo == "dqn" else SACConfig(net_arch=(8,))
    case = Case(config, DISCRETE if algo == "dqn" else BOX, 0, 8, weighted=True, discounted=False)
    batch, noise = data(case, 7)
    one_call, one_by_one = agent_of(case, backend), agent_of(case, backend)
    info = one_call.update(batch, noise=noise)
    infos = [one_by_one.update(row(batch, noise, u)[0], noise=row(batch, noise, u)[1]) for u in range(7)]
    assert_close(one_by_one.state_dict(), one_call.state_dict(), 1e-13)
    assert one_call.num_updates == 7
    assert info.td_error.shape == (7, 8)
    np.testing.assert_allclose(host(info.td_error), np.stack([host(i.td_error) for i in infos]), rtol=1e-12)
    for tag, values in info.metrics.items():
        np.testing.assert_allclose(host(values), [float(i.metrics[tag]) for i in infos], rtol=1e-12, err_msg=tag)


# Greedy actions


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", FLOAT64), ("float32", FLOAT32)])
@pytest.mark.parametrize("cases", [dqn_cases, sac_cases])
def test_greedy_actions(cases: Any, dtype: str, tolerance: float) -> None:
    def check(case: Case) -> None:
        batch, _noise = row(*data(case._replace(batch_size=500), 1), 0)
        torch_agent, jax_agent = (agent_of(case, backend, dtype) for backend in BACKENDS)
        actions = [agent.act(batch.obs, explore=False) for agent in (torch_agent, jax_agent)]
        assert actions[0].dtype == actions[1].dtype == (np.int32 if case.spec.discrete else np.float32)
        if case.spec.discrete:
            q = np.sort(backend_torch.losses(torch_agent, batch)["q_values"], axis=-1)
            clear = q[:, -1] - q[:, -2:][:, 0] > tolerance * np.abs(q).max()  # with one action, never
            np.testing.assert_array_equal(actions[0][clear], actions[1][clear])
            assert clear.mean() > 0.99 or case.spec.action_dim == 1
        else:
            assert relative_error(*actions) <= max(tolerance, 1e-6)  # an action is float32

    over(cases(), check, examples=2)


def test_updates_of_wide_networks_one_by_one_are_those_of_a_loop() -> None:
    """On a CPU the jax agent calls them one by one where products keep several threads busy; noise as it comes."""
    config = SACConfig(net_arch=(256, 256), batch_size=256, buffer_size=300)
    case = Case(config, BOX, 0, 256)
    assert config.threads == 4
    batch, noise = data(case, 3)
    infos, states = [], []
    for one_by_one in (True, False):
        agent = agent_of(case, "jax", "float64", "cpu")
        assert agent._one_by_one
        agent._one_by_one = one_by_one
        infos.append(agent.update(batch, noise=noise))
        states.append(without_rng(agent.state_dict()))
        assert agent.num_updates == 3
    assert_close(states[0], states[1], FLOAT64)
    assert infos[0].td_error.shape == infos[1].td_error.shape == (3, 256)
    assert_close(*({tag: np.asarray(value) for tag, value in info.metrics.items()} for info in infos), FLOAT64)
