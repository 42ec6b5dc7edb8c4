"""Layers of images in plain numpy, from (N4) to (N7) alone: the oracle that neither framework wrote. Slow loops."""

from typing import Any

import numpy as np

from rlpair.nets.arch import Array, Branches, Conv, Dense, MaxPool, Residual, draw_params

Params = dict[str, np.ndarray]  # by name within the layers: ``1.weight``


def padded(layer: Conv | MaxPool, x: np.ndarray, value: float) -> np.ndarray:
    """(B, H * W * C) -> (B, H + 2 p, W + 2 p, C)."""
    height, width, channels = layer.shape
    p = layer.padding
    image = np.full((len(x), height + 2 * p, width + 2 * p, channels), value)
    for h in range(height):
        for w in range(width):
            for c in range(channels):
                image[:, h + p, w + p, c] = x[:, (h * width + w) * channels + c]
    return image


def conv(layer: Conv, params: Params, x: np.ndarray) -> np.ndarray:
    """(N5) without the activation: (B, H * W * C) -> (B, H' * W' * F)."""
    image, rows = padded(layer, x, 0.0), []
    kernel, bias, (size, s) = params["weight"], params["bias"], (layer.size, layer.stride)
    for h in range(0, image.shape[1] - size + 1, s):
        for w in range(0, image.shape[2] - size + 1, s):
            rows.append(np.einsum("bijc,ijcf->bf", image[:, h : h + size, w : w + size], kernel) + bias)
    return np.concatenate(rows, axis=1)


def max_pool(layer: MaxPool, x: np.ndarray) -> np.ndarray:
    """(N6) without the activation: (B, H * W * C) -> (B, H' * W' * C)."""
    image, rows, (size, s) = padded(layer, x, -np.inf), [], (layer.size, layer.stride)
    for h in range(0, image.shape[1] - size + 1, s):
        for w in range(0, image.shape[2] - size + 1, s):
            rows.append(image[:, h : h + size, w : w + size].max(axis=(1, 2)))
    return np.concatenate(rows, axis=1)


def compute(layers: Any, params: Params, x: np.ndarray) -> np.ndarray:
    """All layers, whose activations are relu or none: (B, inputs) -> (B, outputs)."""
    for number, layer in enumerate(layers):
        own = {name.removeprefix(f"{number}."): a for name, a in params.items() if name.startswith(f"{number}.")}
        match layer:
            case Dense():
                x = x @ own["weight"] + own["bias"]
            case Conv():
                x = conv(layer, own, x)
            case MaxPool():
                x = max_pool(layer, x)
            case Branches():
                pieces = np.split(x, np.cumsum(layer.sizes)[:-1], axis=1)
                x = np.concatenate(
                    [
                        compute(branch, {name[2:]: a for name, a in own.items() if name[0] == str(k)}, piece)
                        for k, (branch, piece) in enumerate(zip(layer.branches, pieces, strict=True))
                    ],
                    axis=1,
                )
            case Residual():
                x = x + compute(layer.layers, own, np.maximum(x, 0))
        x = np.maximum(x, 0) if layer.activation else x
    return x


def drawn(arch: Any, seed: int = 0) -> Params:
    """Parameters of an Arch by their names within it."""
    params = draw_params({"q": [arch]}, np.random.default_rng(seed))
    return {name.removeprefix("q.0."): value for name, value in params.items()}


def count(arrays: dict[str, Array]) -> int:
    """How many numbers."""
    return sum(int(np.prod(array.shape)) for array in arrays.values())
