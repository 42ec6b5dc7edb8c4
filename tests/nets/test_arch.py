"""What an Arch says, in literal numbers; and that both frameworks compute it, a layer and networks of one's own too."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from specs import BOX

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.agents.agent_jax import hyper_of, tree_of
from rlpair.algos import dqn_jax, dqn_torch, sac
from rlpair.algos.registry import find
from rlpair.nets import arch, networks_jax, networks_torch
from rlpair.nets.arch import Arch, Array, Dense, LayerDefaults, Residual, draw_params, mlp, named_arrays

THREE_LAYERS = mlp(3, (4, 5), 2, "relu")


def test_an_mlp_has_no_activation_after_its_last_layer() -> None:
    assert Arch((Dense(3, 4, "relu"), Dense(4, 5, "relu"), Dense(5, 2))) == THREE_LAYERS
    assert mlp(3, (), 2, "relu") == Arch((Dense(3, 2),))


def test_what_follows_from_the_layers() -> None:
    assert THREE_LAYERS.units == 3 + 4 + 5 + 2
    assert THREE_LAYERS.forward_flop == 2 * (12 + 20 + 10)
    assert THREE_LAYERS.training_flop == 2 * (12 + 20 + 10) + 2 * (12 + 20 + 10) + 2 * (20 + 10)
    assert [arch.threads_worth(THREE_LAYERS, 2**22 // 20 * k + k) for k in (0, 1, 2, 5)] == [1, 1, 2, 5]


def test_units_of_layers_inside_of_layers_count() -> None:
    arch = Arch((Dense(3, 4), Residual((Dense(4, 7), Dense(7, 4)))))
    assert arch.units == 3 + 4 + 7 + 4 + 4  # the last: the sum


def test_names_and_shapes() -> None:
    networks = sac.networks(SACConfig(net_arch=(4,), n_critics=2), BOX)
    assert {name: array.shape for name, array in named_arrays(networks).items()} == {
        "actor.0.0.weight": (3, 4),
        "actor.0.0.bias": (4,),
        "actor.0.1.weight": (4, 4),
        "actor.0.1.bias": (4,),
        "critic.0.0.weight": (5, 4),
        "critic.0.0.bias": (4,),
        "critic.0.1.weight": (4, 1),
        "critic.0.1.bias": (1,),
        "critic.1.0.weight": (5, 4),
        "critic.1.0.bias": (4,),
        "critic.1.1.weight": (4, 1),
        "critic.1.1.bias": (1,),
    }


def test_parameters_are_drawn_in_the_order_of_the_arrays() -> None:
    params = draw_params({"critic": [mlp(4, (2,), 1, "tanh")] * 2}, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    for index in "01":
        np.testing.assert_array_equal(params[f"critic.{index}.0.weight"], rng.uniform(-1 / 2, 1 / 2, (4, 2)))
        np.testing.assert_array_equal(params[f"critic.{index}.0.bias"], rng.uniform(-1 / 2, 1 / 2, 2))
        for name, shape in (("weight", (2, 1)), ("bias", (1,))):
            drawn = rng.uniform(-1 / np.sqrt(2), 1 / np.sqrt(2), shape)
            np.testing.assert_array_equal(params[f"critic.{index}.1.{name}"], drawn)


def test_what_a_seed_begins_with_does_not_change() -> None:
    params = find("dqn").initial_params(DQNConfig(), EnvSpec((4,), "float32", True, 2), np.random.default_rng(0))
    found = [params[f"q.0.{name}"].flat[0] for name in ("0.weight", "0.bias", "1.weight", "2.bias")]
    np.testing.assert_allclose(found, [0.13696169, -0.081971, 0.02159507, -0.01341519], rtol=0, atol=1e-8)


def test_initial_parameters_fill_their_interval() -> None:
    params = draw_params({"critic": [mlp(16, (400,), 2, "relu")]}, np.random.default_rng(0))
    for name, bound in {"critic.0.0.weight": 1 / 4, "critic.0.0.bias": 1 / 4, "critic.0.1.weight": 1 / 20}.items():
        assert 0.99 * bound < np.abs(params[name]).max() <= bound
        assert abs(params[name].mean()) < 0.1 * bound


def test_torch_has_the_names_and_the_shapes_of_an_arch() -> None:
    network = networks_torch.Network(THREE_LAYERS)
    assert [name for name, _ in network.named_parameters()] == list(THREE_LAYERS.arrays)
    for name, array in THREE_LAYERS.arrays.items():
        assert networks_torch.file_layout(network.get_parameter(name), array).shape == array.shape
    x = torch.ones(7, 3)
    torch.testing.assert_close(network(x), networks_torch.apply(network, network.tensors, x), rtol=0, atol=0)


def test_axes_in_another_order_are_put_back() -> None:
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # as a convolution's: (kh, kw, in, out)
    array = Array(values.shape, 24, (3, 2, 0, 1))
    kept = torch.from_numpy(values.transpose(array.torch_axes).copy())
    assert kept.shape == (5, 4, 2, 3)
    np.testing.assert_array_equal(networks_torch.file_layout(kept, array).numpy(), values)


@dataclass(frozen=True)
class Scale(LayerDefaults):
    """y = scale x: a layer of one's own."""

    inputs: int
    activation: str | None = None

    @property
    def outputs(self) -> int:
        return self.inputs

    @property
    def arrays(self) -> dict[str, Array]:
        return {"scale": Array((self.inputs,), 1, (0,))}


class ScaleModule(torch.nn.Module):
    """Its parameters."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(layer.inputs))


def test_a_layer_of_ones_own_is_a_class_and_a_function_in_each_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    layers: Any = (Dense(3, 4, "tanh"), Scale(4, "relu"), Dense(4, 2))
    own = Arch(layers)
    tables: Any = (networks_torch.LAYERS, networks_jax.LAYERS, networks_torch.MODULES)
    functions: Any = (
        lambda layer: lambda x, scale: x * scale,
        lambda layer, params, x, precision: x * params["scale"][None],
        ScaleModule,
    )
    for table, function in zip(tables, functions, strict=True):
        monkeypatch.setitem(table, Scale, function)
    params = draw_params({"q": [own]}, np.random.default_rng(0))
    assert list(params) == ["q.0.0.weight", "q.0.0.bias", "q.0.1.scale", "q.0.2.weight", "q.0.2.bias"]
    x = np.random.default_rng(1).normal(size=(7, 3))
    hidden = np.tanh(x @ params["q.0.0.weight"] + params["q.0.0.bias"]) * params["q.0.1.scale"]
    expected = np.maximum(hidden, 0) @ params["q.0.2.weight"] + params["q.0.2.bias"]
    np.testing.assert_allclose(by_torch(own, params, x), expected, rtol=1e-12)
    with jax.enable_x64(True):
        found = networks_jax.apply(own, tree_of(params, "float64")["q"][0], jnp.asarray(x), "highest")
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def by_torch(own: Arch, params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """What torch makes of x (B, inputs) with such parameters of q."""
    network = networks_torch.Network(own).double()
    with torch.no_grad():
        for name, array in own.arrays.items():
            networks_torch.file_layout(network.get_parameter(name), array).copy_(
                torch.from_numpy(params[f"q.0.{name}"])
            )
        values: np.ndarray = network(torch.from_numpy(x)).numpy()
    return values


@pytest.mark.parametrize("twin", [dqn_torch, dqn_jax], ids=["torch", "jax"])
def test_a_learner_computes_the_networks_that_it_is_given(twin: ModuleType) -> None:
    spec, config = EnvSpec((3,), "float32", True, 2), DQNConfig(net_arch=(8, 8))
    networks = {"q": [mlp(3, (4,), 2, "silu")]}
    params, obs = draw_params(networks, np.random.default_rng(0)), np.ones((5, 3))
    if twin is dqn_torch:
        learner = dqn_torch.make_learner(config, spec, networks, dtype=torch.float64, device=torch.device("cpu"))
        for name, tensor in learner.params["q"].named(learner.params["q"].vector).items():
            tensor.copy_(torch.from_numpy(params[name]))
        found = learner.q_values(learner.params["q"].tensors, torch.from_numpy(obs)).detach().numpy()
    else:
        pure = dqn_jax.make_learner(config, spec, networks, dtype="float64", precision="highest")
        with jax.enable_x64(True):
            state = pure.init(tree_of(params, "float64"), hyper_of(config, spec, "float64"))
            found = np.asarray(pure.q_values(state.params["q"], jnp.asarray(obs)))
    hidden = obs @ params["q.0.0.weight"] + params["q.0.0.bias"]
    expected = hidden / (1 + np.exp(-hidden)) @ params["q.0.1.weight"] + params["q.0.1.bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
