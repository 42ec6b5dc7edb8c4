"""Networks in flax.linen. The twin of networks_torch.py: the same layers, names and shapes."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

ACTIVATIONS = {"relu": nn.relu, "tanh": jnp.tanh, "elu": nn.elu, "silu": nn.silu}


class MLP(nn.Module):
    """Hidden layers with an activation after each, and a last layer without: raw outputs."""

    features: tuple[int, ...]  # outputs of each layer
    activation: str
    precision: str  # of the matrix products: "highest" or "high"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # (..., inputs) -> (..., features[-1])
        for layer, features in enumerate(self.features):
            x = nn.Dense(features, precision=self.precision, param_dtype=x.dtype, name=str(layer))(x)
            if layer < len(self.features) - 1:
                x = ACTIVATIONS[self.activation](x)
        return x


def apply(network: MLP, params: Any, x: jax.Array) -> jax.Array:
    """The network's outputs: (..., inputs) -> (..., features[-1])."""
    return cast(jax.Array, network.apply({"params": params}, x))


def flatten_obs(obs: jax.Array, obs_shape: tuple[int, ...], dtype: str) -> jax.Array:
    """(..., *obs_shape) -> (..., size). Images, uint8, are scaled to [0, 1]."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).astype(dtype)
    return flat / 255 if obs.dtype == jnp.uint8 else flat
