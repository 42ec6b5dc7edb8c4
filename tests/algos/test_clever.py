"""What is clever gives what the framework's own parts give in its place: vectors, Adam's kernel, oneDNN, packing."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from devices import agent_of
from parity_cases import assert_close

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.agents import agent_jax, packing_jax
from rlpair.algos import optimizers_torch
from rlpair.nets import onednn_torch
from rlpair.parity import FLOAT64, Case, data, row, without_rng

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import bench_clever

CASES = {
    "dqn": Case(DQNConfig(net_arch=(8,), target_update_interval=3), EnvSpec((3,), "float32", True, 3), 0, 8),
    "sac": Case(SACConfig(net_arch=(8,)), EnvSpec((3,), "float32", False, 1, (-1.0,), (1.0,)), 0, 8),
}


def learned(name: str, backend: str) -> Any:
    """The state after twenty updates."""
    agent = agent_of(CASES[name], backend)
    batch, noise = data(CASES[name], 20)
    agent.update(batch, noise=noise)
    return without_rng(agent.state_dict())


@pytest.mark.parametrize("name", CASES)
def test_a_torch_without_the_kernel_steps_by_the_formula(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_kernel = learned(name, "torch")
    monkeypatch.setattr(optimizers_torch, "HAS_KERNEL", False)
    monkeypatch.setattr(optimizers_torch, "adam_by_kernel", None)
    assert_close(by_kernel, learned(name, "torch"), 1e-12)


def test_a_vector_steps_as_torch_optim_does_tensor_by_tensor() -> None:
    agent = agent_of(CASES["sac"], "torch")
    params = agent.learner.params["actor"]
    tensors = [x.detach().clone().requires_grad_() for x in params.tensors]
    adam = torch.optim.Adam(tensors, lr=agent.config.learning_rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        grad = torch.randn(params.vector.shape, generator=generator, dtype=torch.float64)
        for tensor, piece in zip(tensors, params.split(grad), strict=True):
            tensor.grad = piece.clone()
        agent.learner.descend("actor", grad)
        adam.step()
    for ours, theirs in zip(params.tensors, tensors, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("available", [True, False])
def test_a_torch_without_onednn_takes_its_own_product(available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the compiler asks: by whether there is one, not by what this processor has."""
    monkeypatch.setattr(onednn_torch, "AVAILABLE", available)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    called = []
    monkeypatch.setattr(onednn_torch, "wide_linear", lambda *arguments: called.append(arguments))
    x, weight, bias = torch.ones(128, 130), torch.full((132, 130), 0.5), torch.ones(132)
    product = onednn_torch.linear(x, weight, bias)
    assert len(called) == available
    if not available:
        torch.testing.assert_close(product, torch.full((128, 132), 66.0))
    assert onednn_torch.linear(x[:127], weight, bias).shape == (127, 132)  # narrow: torch's own
    assert onednn_torch.linear(x.double(), weight.double(), bias.double()).shape == (128, 132)
    assert len(called) == available


class Unpacked:
    """In the place of Packing: the state as it is."""

    def __init__(self, like: Any) -> None:
        self.pack = self.unpack = lambda state: state


@pytest.mark.parametrize("name", CASES)
def test_a_packed_state_learns_as_one_that_is_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = learned(name, "jax")
    monkeypatch.setattr(agent_jax, "Packing", Unpacked)
    assert_close(packed, learned(name, "jax"), FLOAT64)


@pytest.mark.parametrize("name", CASES)
def test_packing_is_undone(name: str) -> None:
    agent = agent_of(CASES[name], "jax", "float32")
    packed, state = agent._packed, agent.state
    assert sorted(packed.rest) == ["float32", "int32"]
    assert len(jax.tree.leaves(packed._replace(params={}))) == 2
    for one, other in zip(jax.tree.leaves(agent._unpack(agent._pack(state))), jax.tree.leaves(state), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_what_is_large_stays_by_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = learned(name, "jax")
    agent = agent_of(CASES[name], "jax", "float32")
    sizes = sorted(leaf.size for leaf in jax.tree.leaves(agent.state._replace(params={})))
    monkeypatch.setattr(packing_jax, "LARGE", sizes[-3])
    assert_close(packed, learned(name, "jax"), FLOAT64)
    agent = agent_of(CASES[name], "jax", "float32")
    large = [array.size for array in agent._packed.large]
    assert sorted(large) == [size for size in sizes if size > sizes[-3]] != []
    assert sum(vector.size for vector in agent._packed.rest.values()) == sum(sizes) - sum(large)


@pytest.mark.parametrize("part", [part for part in bench_clever.PARTS if not part.compile], ids=lambda x: f"{x[:3]}")
def test_an_agent_that_does_without_a_part_learns_the_same(part: bench_clever.Part) -> None:
    """That which scripts/bench_clever.py times beside ours: what three updates tell, each of where the last one led."""
    case = CASES[part.algo]
    case = case._replace(config=replace(case.config, max_grad_norm=None))  # as there
    batch, noise = data(case, 3)
    told = []
    for context, change in ((nullcontext, lambda agent: None), (part.without, part.change)):
        with context():
            agent = agent_of(case, part.backend)
            change(agent)
            infos = [agent.update(row(batch, noise, u)[0], noise=row(batch, noise, u)[1]) for u in range(3)]
            told.append({f"{u} {tag}": np.asarray(x) for u in range(3) for tag, x in infos[u].metrics.items()})
    assert_close(*told, FLOAT64)
