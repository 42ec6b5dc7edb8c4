"""Convolutions in JAX: the fast forms are XLA's own, in numbers; in a loop none is left that is slow there."""

import re
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from rlpair.nets import convolution_jax
from rlpair.nets.convolution_jax import convolve, plain

# Height and width, size, stride, padding; in the second, third and last a part of the image is in no window.
CASES = [(9, 9, 3, 1, 0), (10, 9, 4, 2, 0), (11, 8, 3, 3, 0), (7, 7, 3, 1, 1), (8, 5, 4, 4, 3), (3, 6, 2, 3, 1)]


@partial(jax.jit, static_argnums=0)
def gradients(function: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, ...]:
    """Return what comes out, and both gradients of a sum of it with weights."""
    y, pullback = jax.vjp(function, x, kernel)
    return y, *pullback(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


@pytest.mark.parametrize("small", [0, 2**13])  # never as patches, always
@pytest.mark.parametrize(("height", "width", "size", "stride", "padding"), CASES)
def test_it_is_what_xla_has(
    height: int, width: int, size: int, stride: int, padding: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution_jax, "SMALL", small)
    rng, settings = np.random.default_rng(0), {"stride": stride, "padding": padding, "precision": "highest"}
    with jax.enable_x64(True):
        x = jnp.array(rng.standard_normal((3, height, width, 2)))
        kernel = jnp.array(rng.standard_normal((size, size, 2, 5)))
        ours = gradients(lambda x, k: convolve(x, k, stride, padding, "highest"), x, kernel)
        xlas = gradients(partial(plain, **settings), x, kernel)
        for a, b in zip(ours, xlas, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Square what comes out."""
    return jnp.square(convolve(x, kernel, 2, 1, "highest")).sum()


def descend(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Change both by their gradients, in a loop."""

    def step(_: int, both: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return jax.tree.map(lambda a, b: a - 0.001 * b, both, jax.grad(loss, argnums=(0, 1))(*both))

    return jax.lax.fori_loop(0, 3, step, (x, kernel))


SHAPES = (2, 20, 20, 8), (4, 4, 8, 16)


def arrays(*leading: int) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    return [jnp.array(rng.standard_normal((*leading, *shape)), jnp.float32) for shape in SHAPES]


def test_many_seeds_are_one_after_the_other() -> None:
    many = jax.jit(jax.vmap(descend))(*arrays(3))
    for seed in range(3):
        for a, b in zip(many, jax.jit(descend)(*(array[seed] for array in arrays(3))), strict=True):
            np.testing.assert_array_equal(a[seed], b)


@pytest.mark.parametrize("seeds", [(), (3,)])
def test_in_a_loop_every_convolution_is_of_images_with_kernels(seeds: tuple[int, ...]) -> None:
    function = jax.vmap(descend) if seeds else descend
    compiled = jax.jit(function).lower(*arrays(*seeds)).compile().as_text()
    found = re.findall(r" convolution\(.*", compiled)
    assert len(found) == 3  # forward, and both gradients
    for line in found:
        assert "dim_labels=b01f_01io->b01f" in line
        assert "group_count" not in line


def test_another_device_has_xlas_own() -> None:
    (gpu, cpu) = (
        export.export(jax.jit(jax.grad(loss, argnums=(0, 1))), platforms=[name])(*arrays()).mlir_module()
        for name in ("cuda", "cpu")
    )
    assert gpu.count("stablehlo.convolution") == cpu.count("stablehlo.convolution") == 3
    assert cpu.count("[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]") == 3
    assert gpu.count("[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]") == 1


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_the_precision_reaches_every_convolution(precision: str) -> None:
    """Of a CPU and of other devices, forward and backward: of two forms each."""
    x, kernel = arrays()

    def squared(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.square(convolve(x, kernel, 2, 1, precision)).sum()

    text = str(jax.make_jaxpr(jax.grad(squared, argnums=(0, 1)))(x, kernel))
    name = f"Precision.{precision.upper()}"
    assert text.count(f"precision=({name}, {name})") == text.count("conv_general_dilated[") >= 6
