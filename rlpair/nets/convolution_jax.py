"""Convolutions in JAX: on a CPU in forms that XLA computes fast everywhere, on other devices as XLA has them.

XLA has a fast convolution for a CPU, of images (B, H, W, C) with kernels (i, j, C, F). It brings others into that form,
such as the gradients, but not in the body of a loop: there an update of the network of Mnih et al. takes ten times as
long. So the gradients are written in that form here. Many seeds' convolutions, a grouped one to XLA, are computed one
after the other, and of images as small as MinAtar's the product of patches and kernel is faster (docs/speed.md).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap

SMALL = 2**13  # numbers in the patches of an image, up to which their product with the kernel is the faster form
LABELS = ("NHWC", "HWIO", "NHWC")


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: int, precision: str) -> jax.Array:
    """Compute (N5) without bias and activation: x (B, H, W, C), kernel (kh, kw, C, F) -> (B, H', W', F)."""
    on_cpu: Callable[..., Any]
    if takes_patches(x, kernel, stride, padding):
        on_cpu = partial(product_of_patches, stride=stride, padding=padding, precision=precision)
    else:
        on_cpu = one_by_one(partial(plain, stride=stride, padding=padding, precision=precision))
    elsewhere = partial(plain, stride=stride, padding=padding, precision=precision)
    y: jax.Array = lax.platform_dependent(x, kernel, cpu=on_cpu, default=elsewhere)
    return y


def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that vmap, of every argument, calls once for each, in a loop."""
    looped: Callable[..., Any] = sequential_vmap(function)  # type: ignore[no-untyped-call]
    return looped


def plain(x: jax.Array, kernel: jax.Array, stride: int, padding: int, precision: str) -> jax.Array:
    """Compute what convolve does, as XLA has it."""
    sides = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), sides, dimension_numbers=LABELS, precision=precision)


def product_of_patches(x: jax.Array, kernel: jax.Array, stride: int, padding: int, precision: str) -> jax.Array:
    """Compute what convolve does: of every window the numbers in a row, (B, H', W', kh kw C), times the kernel."""
    x = jnp.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    size, _, _, channels = kernel.shape
    height, width = ((side - size) // stride * stride + 1 for side in x.shape[1:3])
    windows = [x[:, i : i + height : stride, j : j + width : stride] for i in range(size) for j in range(size)]
    return jnp.matmul(jnp.concatenate(windows, axis=-1), kernel.reshape(-1, channels), precision=precision)


def takes_patches(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> bool:
    """Return whether the patches of an image are few enough."""
    windows = [(side + 2 * padding - kernel.shape[0]) // stride + 1 for side in x.shape[1:3]]
    return windows[0] * windows[1] * kernel[..., 0].size <= SMALL


def forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: int, precision: str
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Return the convolution, and what its gradients are computed from."""
    return convolve(x, kernel, stride, padding, precision), (x, kernel)


def backward(
    stride: int, padding: int, precision: str, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients of x and of the kernel, given that of what came out."""

    def elsewhere(x: jax.Array, kernel: jax.Array, grad: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, pullback = jax.vjp(partial(plain, stride=stride, padding=padding, precision=precision), x, kernel)
        dx, dkernel = pullback(grad)
        return dx, dkernel

    on_cpu = one_by_one(partial(gradients, stride=stride, padding=padding, precision=precision))
    dx, dkernel = lax.platform_dependent(*saved, grad, cpu=on_cpu, default=elsewhere)
    return dx, dkernel


convolve.defvjp(forward, backward)


def gradients(
    x: jax.Array, kernel: jax.Array, grad: jax.Array, stride: int, padding: int, precision: str
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients as convolutions of images (B, H, W, C) with kernels (i, j, C, F).

    That of x: what came out, spread by the stride, with the kernel turned by 180 degrees. That of the kernel: images
    whose batch are the channels, with kernels that are what came out, spread by the stride.
    """
    size = kernel.shape[0]
    left_over = [(side + 2 * padding - size) % stride for side in x.shape[1:3]]  # that no window reaches
    convolution = partial(lax.conv_general_dilated, dimension_numbers=LABELS, precision=precision)
    dx = convolution(
        grad,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        [(size - 1 - padding, size - 1 - padding + left) for left in left_over],
        lhs_dilation=(stride, stride),
    )
    dkernel = convolution(
        x.transpose(3, 1, 2, 0),
        grad.transpose(1, 2, 0, 3),
        (1, 1),
        [(padding, padding - left) for left in left_over],
        rhs_dilation=(stride, stride),
    )
    return dx, dkernel.transpose(1, 2, 0, 3)
