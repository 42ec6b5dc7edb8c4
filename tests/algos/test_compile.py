"""compile=true: torch.compile on the update gives what eager torch and jax give, in one graph, or says why not."""

import itertools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from devices import agent_of, host
from parity_cases import assert_close
from runs import command, config_of, overrides_of
from specs import BOX, DISCRETE

from rlpair import DQNConfig, EnvSpec, RLPairError, SACConfig
from rlpair.algos.compile_torch import counting
from rlpair.algos.cuda_graph_torch import Recorded
from rlpair.algos.optimizers_torch import adam_by_formula, adam_by_kernel
from rlpair.nets import onednn_torch
from rlpair.nets.onednn_torch import wide_linear, wide_product
from rlpair.parity import FLOAT32, FLOAT64, Case, data, row, without_rng

ODD: dict[str, Any] = {"net_arch": (17, 13), "batch_size": 8}
CASES = {
    "dqn": Case(DQNConfig(**ODD, double_q=True, target_update_interval=3, tau=0.3), DISCRETE, 0, 8),
    "minatar": Case(DQNConfig(**ODD), EnvSpec((5, 6, 2), "uint8", True, 3), 0, 3),
    "sac": Case(SACConfig(**ODD, max_grad_norm=0.5), BOX, 0, 8),
    "sac, minatar": Case(SACConfig(**ODD, random_shift=1), BOX._replace(obs_shape=(5, 4, 2), obs_dtype="uint8"), 0, 3),
    "rmsprop": Case(DQNConfig(**ODD, optimizer="rmsprop"), DISCRETE, 0, 8),
}


@pytest.fixture(autouse=True)
def compilers_own_warnings() -> Iterator[None]:
    """It imports modules that are deprecated and leaves files to be collected: nothing of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_equals_its_twins_after_every_of_20_updates(name: str) -> None:
    case, before = CASES[name], graphs()
    batch, noise = data(case, 20)
    agents = [
        agent_of(case, "torch", "float64", compile=True),
        *(agent_of(case, x, "float64") for x in ("torch", "jax")),
    ]
    for u in range(20):
        now, its_noise = row(batch, noise, u)
        infos = [agent.update(now, noise=its_noise) for agent in agents]
        told = [{tag: host(value) for tag, value in info.metrics.items()} for info in infos]
        states = [without_rng(agent.state_dict()) for agent in agents]
        for other in (1, 2):
            assert_close(told[0], told[other], FLOAT64)
            assert_close(states[0], states[other], FLOAT64)
    assert graphs() - before == 1, "one graph for the whole step, compiled once"
    assert agents[0].num_updates == 20


@pytest.mark.slow
@pytest.mark.parametrize("compile", [False, True])
def test_a_learning_rate_that_is_filled_anew_holds_without_a_new_graph(compile: bool) -> None:
    case = Case(SACConfig(**ODD, learning_rate=1e-3), BOX, 0, 8)
    batch, noise = data(case, 2)
    agents = agent, twin = agent_of(case, "torch", "float64", compile=compile), agent_of(case, "jax", "float64")

    def learn(u: int) -> None:
        now, its_noise = row(batch, noise, u)
        for one in agents:
            one.update(now, noise=its_noise)

    learn(0)
    before = graphs()
    agent.learner.hyper.learning_rate.fill_(0.1)
    twin.state = twin.state._replace(hyper=twin.state.hyper._replace(learning_rate=np.float64(0.1)))
    learn(1)
    assert_close(without_rng(agent.state_dict()), without_rng(twin.state_dict()), FLOAT64)
    assert graphs() == before


def graphs() -> int:
    """How many were compiled so far."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.slow
def test_a_process_may_have_as_many_compiled_agents_as_it_likes() -> None:
    """torch.compile refuses to compile the same code more than eight times; here, more than once."""
    batch, _ = data(CASES["dqn"], 1)
    with torch._dynamo.config.patch(recompile_limit=1):
        for gamma in (0.9, 0.8, 0.7):
            agent = agent_of(Case(DQNConfig(**ODD, gamma=gamma), DISCRETE, 0, 8), "torch", "float32", compile=True)
            agent.update(row(batch, (), 0)[0])
            assert agent.num_updates == 1


@pytest.mark.slow
def test_what_an_update_tells_is_not_overwritten_by_the_next() -> None:
    case = CASES["dqn"]
    batch, noise = data(case, 2)
    agent = agent_of(case, "torch", "float32", compile=True)
    first = agent.update(row(batch, noise, 0)[0])
    kept = {tag: value.clone() for tag, value in first.metrics.items()}
    agent.update(row(batch, noise, 1)[0])
    assert all(torch.equal(kept[tag], value) for tag, value in first.metrics.items())


def replayed(function: Any) -> Any:
    """As cuda_graph, without one: the replay is a call, whose value is written to where the first one's was."""
    for _ in range(3):
        function()
    values = function()
    return lambda: values.copy_(function()), values


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_a_recorded_step_is_the_step(name: str) -> None:
    """Recording leaves no trace in the state; each call reads its own batch; other shapes are recorded anew."""
    case = CASES[name]
    shapes: list[dict[str, Any]] = [{}, {"batch_size": 5}, {"weighted": True}]
    batches = [data(case._replace(seed=seed, **shape), 3) for seed, shape in enumerate(shapes)]
    plain, recorded = (agent_of(case, "torch", "float64") for _ in range(2))
    program = Recorded(recorded.learner.update, recorded.learner.state, replayed)
    recorded.learner.update = counting(program, recorded.device)
    told: list[list[Any]] = [[], []]
    for u, (batch, noise) in itertools.product(range(3), batches):
        for agent, infos in zip((plain, recorded), told, strict=True):
            infos.append(agent.update(row(batch, noise, u)[0], noise=row(batch, noise, u)[1]))
    assert_close(without_rng(plain.state_dict()), without_rng(recorded.state_dict()), 1e-12)
    for ours, theirs in zip(*told, strict=True):  # also those told long ago
        assert list(ours.metrics) == list(theirs.metrics)
        assert_close(ours.metrics, theirs.metrics, 1e-12)
        torch.testing.assert_close(ours.td_error, theirs.td_error, rtol=1e-12, atol=0)
    assert len(program._recordings) == 3


def test_adam_by_its_formula_is_adam_by_its_kernel() -> None:
    generator, learning_rate = torch.Generator().manual_seed(0), torch.tensor(1e-3, dtype=torch.float64)
    params = [torch.ones(1000, dtype=torch.float64) for _ in range(2)]
    moments = [{x: torch.zeros_like(params[0]) for x in ("mu", "nu")} | {"count": torch.zeros(())} for _ in range(2)]
    for _ in range(20):
        grad = torch.randn(1000, generator=generator, dtype=torch.float64)
        for adam, its_params, its_moments in zip((adam_by_formula, adam_by_kernel), params, moments, strict=True):
            adam(its_params, grad, its_moments, learning_rate)
    torch.testing.assert_close(*params, rtol=1e-12, atol=0)
    for slot in ("mu", "nu", "count"):
        torch.testing.assert_close(moments[0][slot], moments[1][slot], rtol=1e-12, atol=0)


def wide_layer() -> tuple[torch.Tensor, ...]:
    """x, weight and bias, and what the gradient of the output may be."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in ((128, 130), (132, 130), (132,), (128, 132)))


def test_a_wide_layer_and_its_gradients_are_those_of_linear() -> None:
    x, weight, bias, grad = wide_layer()
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    ours, theirs = wide_linear(*inputs), torch.nn.functional.linear(*exact)
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-4)
    for one, other in zip(
        torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(theirs, exact, grad.double()), strict=True
    ):
        torch.testing.assert_close(one.double(), other, rtol=0, atol=1e-4)


def test_a_wide_layer_is_an_operator_as_torch_asks_for() -> None:
    x, weight, bias, _ = wide_layer()
    torch.library.opcheck(wide_product.default, (x, weight, bias))


@pytest.mark.slow
def test_wide_layers_are_onednns_in_a_compiled_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn_torch, "AVAILABLE", True)
    case = Case(DQNConfig(net_arch=(128, 128, 20), batch_size=128), DISCRETE, 0, 128)
    batch, _ = data(case, 5)
    agents = [agent_of(case, "torch", "float32", "cpu", compile=compile) for compile in (True, False)]
    for u in range(5):
        infos = [agent.update(row(batch, (), u)[0]) for agent in agents]
        assert_close(*({tag: host(value) for tag, value in info.metrics.items()} for info in infos), FLOAT32)
    assert_close(*(without_rng(agent.state_dict()) for agent in agents), FLOAT32)
    with torch.profiler.profile() as profile:
        for agent in agents:
            agent.update(row(batch, (), 0)[0])
    calls = [event for event in profile.events() or [] if event.name == "rlpair::wide_product"]
    assert len(calls) == 3, "128 to 128: forwards of both networks and one gradient, of the compiled agent alone"


def test_jax_is_always_compiled() -> None:
    message = "compile=True is not allowed: false with backend=jax, which is always compiled"
    with pytest.raises(RLPairError) as error:
        agent_of(CASES["dqn"], "jax", "float32", compile=True)
    assert str(error.value) == message
    with pytest.raises(RLPairError) as error:
        config_of("dqn", "jax", compile=True)
    assert str(error.value) == message


def test_without_a_compiler_there_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    arguments = overrides_of(config_of("dqn", "torch", compile=True, run_dir=str(run_dir)))
    environment = {key: value for key, value in os.environ.items() if key != "CXX"} | {"PATH": str(tmp_path)}
    result = command(*arguments, env=environment)
    *told, last = result.stderr.splitlines()
    assert (result.returncode, result.stdout, run_dir.exists()) == (2, "", False)
    assert all(line.startswith("rlpair: torch computes with ") for line in told)
    assert last == (
        "rlpair: compile=True is not allowed: false, since torch.compile needs a C++ compiler and finds none here: "
        "install g++ or clang++"
    )
