"""Networks in torch.nn: they compute an Arch (arch.py). The twin of networks_jax.py."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from rlpair.nets.arch import Arch, Array, Dense
from rlpair.nets.onednn_torch import linear

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "silu": nn.functional.silu,
}
# Of each kind of layer the module that holds its parameters, and what computes it: (x, *parameters) -> y.
MODULES: dict[type, Callable[[Any], nn.Module]] = {Dense: lambda layer: nn.Linear(layer.inputs, layer.outputs)}
LAYERS: dict[type, Callable[..., torch.Tensor]] = {Dense: linear}


class Network(nn.Module):
    """An Arch with parameters: a module a layer, under its number, so that they have the Arch's names."""

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        self.steps: list[tuple[Any, ...]] = []  # of each layer: function, first and last + 1 parameter, activation
        for number, layer in enumerate(arch.layers):
            self.add_module(str(number), MODULES[type(layer)](layer))
            begin = self.steps[-1][2] if self.steps else 0
            activation = ACTIVATIONS.get(layer.activation or "")
            self.steps.append((LAYERS[type(layer)], begin, begin + len(layer.arrays), activation))

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Its parameters in the order of the Arch."""
        return [self.get_parameter(name) for name in self.arch.arrays]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., inputs) -> (..., outputs)
        return apply(self, self.tensors, x)


def apply(network: Network, params: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network's outputs with such parameters, in the order of the Arch: (..., inputs) -> (..., outputs)."""
    for function, begin, end, activation in network.steps:
        x = function(x, *params[begin:end])
        if activation is not None:
            x = activation(x)
    return x


def apply_each(networks: Sequence[Network], params: Sequence[torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of each of a net's networks for the same inputs; ``params``: one after the other."""
    outputs, begin = [], 0
    for network in networks:
        end = begin + network.steps[-1][2]
        outputs.append(apply(network, params[begin:end], x))
        begin = end
    return outputs


def file_layout(tensor: torch.Tensor, array: Array) -> torch.Tensor:
    """A view of a parameter, or of what has its shape, with the axes in the order of files."""
    return tensor.permute(sorted(range(tensor.ndim), key=array.torch_axes.__getitem__))


def flatten_obs(obs: torch.Tensor, obs_shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """(..., *obs_shape) -> (..., size). Images, uint8, are scaled to [0, 1]."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).to(dtype)
    return flat / 255 if obs.dtype == torch.uint8 else flat
