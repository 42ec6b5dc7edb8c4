"""Networks in flax.linen: they compute an Arch (arch.py). The twin of networks_torch.py."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from rlpair.nets.arch import Arch, Dense

ACTIVATIONS = {"relu": nn.relu, "tanh": jnp.tanh, "elu": nn.elu, "silu": nn.silu}


def dense(layer: Dense, params: Mapping[str, jax.Array], x: jax.Array, precision: str) -> jax.Array:
    """(N1) without the activation: (..., inputs) -> (..., outputs)."""
    module = nn.Dense(layer.outputs, precision=precision, param_dtype=x.dtype)
    return cast(jax.Array, module.apply({"params": {"kernel": params["weight"], "bias": params["bias"]}}, x))


LAYERS: dict[type, Callable[..., jax.Array]] = {Dense: dense}


def apply(arch: Arch, params: Any, x: jax.Array, precision: str) -> jax.Array:
    """The network's outputs: (..., inputs) -> (..., outputs).

    Args:
        arch: the network.
        params: by layer and name: ``params["1"]["weight"]``.
        x: what goes in.
        precision: of the matrix products: "highest" or "high".
    """
    for number, layer in enumerate(arch.layers):
        x = LAYERS[type(layer)](layer, params[str(number)], x, precision)
        if layer.activation is not None:
            x = ACTIVATIONS[layer.activation](x)
    return x


def apply_each(archs: Sequence[Arch], params: Any, x: jax.Array, precision: str) -> list[jax.Array]:
    """The outputs of each of a net's networks for the same inputs; ``params``: one after the other."""
    return [apply(arch, its_params, x, precision) for arch, its_params in zip(archs, params, strict=True)]


def flatten_obs(obs: jax.Array, obs_shape: tuple[int, ...], dtype: str) -> jax.Array:
    """(..., *obs_shape) -> (..., size). Images, uint8, are scaled to [0, 1]."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).astype(dtype)
    return flat / 255 if obs.dtype == jnp.uint8 else flat
