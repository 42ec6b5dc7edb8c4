"""Networks in torch.nn. The twin of networks_jax.py: the same layers, names and shapes."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from rlpair.nets.onednn_torch import linear

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "silu": nn.functional.silu,
}


class MLP(nn.Module):
    """Hidden layers with an activation after each, and a last layer without: raw outputs."""

    def __init__(self, sizes: tuple[int, ...], activation: str) -> None:
        super().__init__()
        layers = [nn.Linear(i, o) for i, o in pairwise(sizes)]
        self.layers = nn.ModuleList(layers)
        self.activation = ACTIVATIONS[activation]
        # A small layer costs less than to look its parameters up by name.
        self.dense = [(layer.weight, layer.bias) for layer in layers]
        self.tensors = [tensor for layer in self.dense for tensor in layer]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., sizes[0]) -> (..., sizes[-1])
        return apply(self, self.tensors, x)


def apply(network: MLP, params: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The outputs of a network with such parameters, each layer's weight and bias: (..., inputs) -> (..., outputs)."""
    *hidden, last_weight, last_bias = params
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x = network.activation(linear(x, weight, bias))
    return linear(x, last_weight, last_bias)


def flatten_obs(obs: torch.Tensor, obs_shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """(..., *obs_shape) -> (..., size). Images, uint8, are scaled to [0, 1]."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).to(dtype)
    return flat / 255 if obs.dtype == torch.uint8 else flat
