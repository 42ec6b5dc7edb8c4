"""Networks in torch.nn. The twin of networks_jax.py: the same layers, names and shapes."""

from itertools import pairwise

import torch
from torch import nn

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
        self.layers = nn.Sequential(*(nn.Linear(i, o) for i, o in pairwise(sizes)))
        self.activation = ACTIVATIONS[activation]

    def linears(self) -> list[nn.Linear]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., sizes[0]) -> (..., sizes[-1])
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


def flatten_obs(obs: torch.Tensor, obs_shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """(..., *obs_shape) -> (..., size). Images, uint8, are scaled to [0, 1]."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).to(dtype)
    return flat / 255 if obs.dtype == torch.uint8 else flat
