"""Networks in flax.linen: they compute an Arch (arch.py). The twin of networks_torch.py."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rlpair.nets.arch import Arch, Branches, Conv, Dense, Layer, MaxPool, Residual
from rlpair.nets.convolution_jax import convolve

ACTIVATIONS = {"relu": nn.relu, "tanh": jnp.tanh, "elu": nn.elu, "silu": nn.silu}


def dense(layer: Dense, params: Mapping[str, jax.Array], x: jax.Array, precision: str) -> jax.Array:
    """Compute (N1) without the activation: (..., inputs) -> (..., outputs)."""
    module = nn.Dense(layer.outputs, precision=precision, param_dtype=x.dtype)
    return cast(jax.Array, module.apply({"params": {"kernel": params["weight"], "bias": params["bias"]}}, x))


def conv(layer: Conv, params: Mapping[str, jax.Array], x: jax.Array, precision: str) -> jax.Array:
    """Compute (N5) without the activation."""
    y = convolve(to_image(x, layer), params["weight"], layer.stride, layer.padding, precision)
    return from_image(y + params["bias"].reshape(1, 1, 1, -1), x)


def max_pool(layer: MaxPool, params: Mapping[str, jax.Array], x: jax.Array, precision: str) -> jax.Array:
    """Compute (N6) without the activation."""
    size, stride, padding = (layer.size,) * 2, (layer.stride,) * 2, [(layer.padding,) * 2] * 2
    y: jax.Array = nn.max_pool(to_image(x, layer), size, stride, padding)  # type: ignore[no-untyped-call]
    return from_image(y, x)


def residual(layer: Residual, params: Any, x: jax.Array, precision: str) -> jax.Array:
    """Compute (N7) without the activation."""
    return x + run(layer.layers, params, nn.relu(x), precision)


def branches(layer: Branches, params: Any, x: jax.Array, precision: str) -> jax.Array:
    """(N8) without the activation."""
    parts = enumerate(jnp.split(x, np.cumsum(layer.sizes)[:-1], axis=-1))
    each = [run(layer.branches[k], params.get(str(k), {}), part, precision) for k, part in parts]
    return jnp.concatenate(each, axis=-1)


def to_image(x: jax.Array, layer: Conv | MaxPool) -> jax.Array:
    """Shape rows as images: (..., H * W * C) -> (B, H, W, C)."""
    return x.reshape(-1, *layer.shape)


def from_image(y: jax.Array, x: jax.Array) -> jax.Array:
    """Shape images as rows: (B, H, W, C) -> (..., H * W * C), with the leading axes of ``x``."""
    return y.reshape(*x.shape[:-1], -1)


LAYERS: dict[type, Callable[..., jax.Array]] = {
    Dense: dense,
    Conv: conv,
    MaxPool: max_pool,
    Residual: residual,
    Branches: branches,
}


def run(layers: Sequence[Layer], params: Any, x: jax.Array, precision: str) -> jax.Array:
    """Return one layer after the other: (..., inputs) -> (..., outputs); ``params``: by number and name."""
    for number, layer in enumerate(layers):
        x = LAYERS[type(layer)](layer, params.get(str(number), {}), x, precision)
        if layer.activation is not None:
            x = ACTIVATIONS[layer.activation](x)
    return x


def apply(arch: Arch, params: Any, x: jax.Array, precision: str) -> jax.Array:
    """Compute the network's outputs: (..., inputs) -> (..., outputs).

    Args:
        arch: the network.
        params: by layer and name: ``params["1"]["weight"]``.
        x: what goes in.
        precision: of the matrix products: "highest" or "high".
    """
    return run(arch.layers, params, x, precision)


def apply_each(archs: Sequence[Arch], params: Any, x: jax.Array, precision: str) -> list[jax.Array]:
    """Compute the outputs of each of a net's networks for the same inputs; ``params``: one after the other."""
    return [apply(arch, its_params, x, precision) for arch, its_params in zip(archs, params, strict=True)]


def flatten_obs(obs: jax.Array, obs_shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Flatten (..., *obs_shape) -> (..., size). Pixels, uint8, are scaled to [0, 1]; bool planes are 0 and 1."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).astype(dtype)
    return flat / 255 if obs.dtype == jnp.uint8 else flat
