"""Convolutions, pools and residuals: literal cases, both frameworks against plain numpy, and the published encoders."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from images import compute, drawn
from reference import difference_quotients

from rlpair.nets import networks_jax, networks_torch
from rlpair.nets.arch import Arch, Branches, Conv, Dense, Layer, MaxPool, Residual

Params = dict[str, np.ndarray]


def by_torch(arch: Arch, params: Params, x: np.ndarray) -> tuple[np.ndarray, Params]:
    """What torch makes of x (..., inputs), and the gradients of the sum of its squares."""
    network = networks_torch.Network(arch).double()
    for name, array in arch.arrays.items():
        networks_torch.file_layout(network.get_parameter(name).data, array).copy_(torch.from_numpy(params[name]))
    y, grads = network(torch.from_numpy(x)), Params()
    if params:
        (y**2).sum().backward()
    for name, array in arch.arrays.items():
        grads[name] = networks_torch.file_layout(network.get_parameter(name).grad, array).numpy()
    return y.detach().numpy(), grads


def by_jax(arch: Arch, params: Params, x: np.ndarray) -> tuple[np.ndarray, Params]:
    """As by_torch."""

    def loss(tree: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = networks_jax.apply(arch, tree, x, "highest")
        return (y**2).sum(), y

    with jax.enable_x64(True):
        grads, y = jax.jit(jax.grad(loss, has_aux=True))(nested(params), jnp.asarray(x))
    leaves = jax.tree_util.tree_leaves_with_path(grads)
    named = {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(g) for path, g in leaves}
    return np.asarray(y), named


def nested(params: Params) -> dict[str, Any]:
    """``{"1.weight": x}`` -> ``{"1": {"weight": x}}``."""
    tree: dict[str, Any] = {}
    for name, value in params.items():
        *layers, kind = name.split(".")
        inside = tree
        for layer in layers:
            inside = inside.setdefault(layer, {})
        inside[kind] = jnp.asarray(value)
    return tree


TWINS = {"torch": by_torch, "jax": by_jax}
both = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
Twin = Callable[[Arch, Params, np.ndarray], tuple[np.ndarray, Params]]

# By hand

IMAGE = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
CORNERS = np.array([[1.0, 10], [100, 1000]])  # a kernel: right is tens, below is hundreds


def convolved(twin: Twin, image: np.ndarray, kernel: np.ndarray, bias: list[float], **options: Any) -> np.ndarray:
    """(H, W, C), (kh, kw, C, F) -> (H' * W' * F,)."""
    arch = Arch((Conv(image.shape, kernel.shape[3], len(kernel), **options),))
    return twin(arch, {"0.weight": kernel, "0.bias": np.array(bias, float)}, image.reshape(1, -1))[0][0]


@both
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [5421, 6532, 8754, 9865]),  # VALID, and no kernel turned round: 1 + 20 + 400 + 5000
        ({"stride": 2}, [5421]),  # the last row and column are left out
        ({"padding": 1, "stride": 2}, [1000, 3200, 7040, 9865]),
        ({"padding": 1, "stride": 3}, [1000, 300, 70, 9]),
    ],
)
def test_n5_a_convolution(twin: Twin, options: dict[str, int], expected: list[float]) -> None:
    found = convolved(twin, IMAGE[..., None], CORNERS[..., None, None], [0.5], **options)
    np.testing.assert_array_equal(found, np.array(expected) + 0.5)


@both
def test_n4_channels_lie_side_by_side_in_what_goes_in_and_in_what_comes_out(twin: Twin) -> None:
    image = np.array([[[1.0, 2], [3, 4], [5, 6]]])  # (1, 3, 2): a row of three pixels
    kernel = np.array([[[[1.0, 10, 0], [100, 0, 1]]]])  # (1, 1, 2, 3)
    assert convolved(twin, image, kernel, [0, 0, 1000]).tolist() == [201, 10, 1002, 403, 30, 1004, 605, 50, 1006]


@both
def test_n4_rows_come_before_columns(twin: Twin) -> None:
    image = np.arange(6.0).reshape(2, 3, 1)
    assert convolved(twin, image, np.ones((1, 1, 1, 1)), [0]).tolist() == [0, 1, 2, 3, 4, 5]


@both
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[5, -5], [6, -4], [8, -2], [9, -1]]),
        ({"stride": 2, "padding": 1}, [[1, -9], [3, -7], [7, -3], [9, -1]]),  # what is padded is less than -9
    ],
)
def test_n6_a_max_pool(twin: Twin, options: dict[str, int], expected: list[list[float]]) -> None:
    image = np.stack([IMAGE, -IMAGE[::-1, ::-1]], axis=-1)
    found = twin(Arch((MaxPool(image.shape, 2, 2, **options),)), {}, image.reshape(1, -1))[0]
    assert found.reshape(-1, 2).tolist() == expected


@both
def test_n7_a_residual_adds_what_it_makes_of_the_relu(twin: Twin) -> None:
    double = {"0.0.weight": np.full((1, 1, 1, 1), 2.0), "0.0.bias": np.array([1.0])}
    inner = (Conv((1, 2, 1), 1, 1),)
    x = np.array([[-3.0, 5.0]])
    assert twin(Arch((Residual(inner),)), double, x)[0].tolist() == [[-3 + 1, 5 + 11]]
    assert twin(Arch((Residual(inner, "relu"),)), double, x)[0].tolist() == [[0, 16]]


@both
def test_n8_branches(twin: Twin) -> None:
    convs = tuple(Conv((1, 2, 1), 1, 1) for _ in range(2))
    arch = Arch((Branches((2, 3, 2), ((convs[0],), (), (convs[1], Dense(2, 1)))),))
    params = {"0.0.0.weight": np.full((1, 1, 1, 1), 10.0), "0.0.0.bias": np.array([1.0])}
    params |= {"0.2.0.weight": np.full((1, 1, 1, 1), 2.0), "0.2.0.bias": np.array([0.0])}
    params |= {"0.2.1.weight": np.array([[1.0], [100.0]]), "0.2.1.bias": np.array([0.5])}
    assert list(arch.arrays) == list(params)
    assert twin(arch, params, np.array([[1.0, 2, 3, 4, 5, 6, 7]]))[0].tolist() == [[11, 21, 3, 4, 5, 12 + 1400 + 0.5]]


# Any shapes, against plain numpy: what comes out, and the gradients of the sum of its squares


@st.composite
def archs(draw: st.DrawFn) -> Arch:
    """A convolution, perhaps a pool and a residual, and a dense layer."""
    size, stride, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    sides = [draw(st.integers(max(1, size - 2 * padding), 7)) for _ in range(2)]
    conv = Conv((*sides, draw(st.integers(1, 3))), draw(st.integers(1, 3)), size, stride, padding, "relu")
    layers: list[Layer] = [conv]
    if draw(st.booleans()):
        layers.append(MaxPool(conv.out_shape, conv.channels, 3, 2, 1))
    if draw(st.booleans()):
        shape = layers[-1].out_shape  # type: ignore[union-attr]
        inner = (Conv(shape, 2, 3, padding=1, activation="relu"), Conv((*shape[:2], 2), shape[2], 3, padding=1))
        layers.append(Residual(inner, draw(st.sampled_from([None, "relu"]))))
    if draw(st.booleans()):
        layers = [Branches((2, layers[0].inputs), ((), tuple(layers)))]
    return Arch((*layers, Dense(layers[-1].outputs, 2)))


@settings(max_examples=8, phases=[Phase.generate], deadline=None)
@given(archs(), st.integers(0, 2**31))
def test_layers_of_any_shape_are_those_of_plain_numpy(arch: Arch, seed: int) -> None:
    params, x = drawn(arch, seed), np.random.default_rng(seed).normal(size=(3, arch.layers[0].inputs))
    expected = compute(arch.layers, params, x)
    for twin in TWINS.values():
        found = twin(arch, params, x.reshape(3, 1, -1))[0]
        np.testing.assert_allclose(found, expected[:, None], rtol=1e-9, atol=1e-12)


@settings(max_examples=3, phases=[Phase.generate], deadline=None)
@given(archs(), st.integers(0, 2**31))
def test_gradients_are_those_of_difference_quotients(arch: Arch, seed: int) -> None:
    params, x = drawn(arch, seed), np.random.default_rng(seed).normal(size=(2, arch.layers[0].inputs))
    expected = difference_quotients(lambda params: float((compute(arch.layers, params, x) ** 2).sum()), params)
    for twin in TWINS.values():
        found = twin(arch, params, x)[1]
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            np.testing.assert_allclose(found[name], gradient, rtol=1e-6, atol=1e-6, err_msg=name)


# Observations


@pytest.mark.parametrize("module", ["torch", "jax"])
def test_pixels_are_scaled_once_and_planes_are_not(module: str) -> None:
    pixels, planes = np.array([[[[0], [51]], [[255], [102]]]], np.uint8), np.array([[[[False], [True]]]])
    with jax.enable_x64(True):
        for obs, expected in ((pixels, [[0, 0.2, 1, 0.4]]), (planes, [[0, 1]])):
            if module == "torch":
                found = networks_torch.flatten_obs(torch.from_numpy(obs), obs.shape[1:], torch.float64).numpy()
            else:
                found = np.asarray(networks_jax.flatten_obs(jnp.asarray(obs), obs.shape[1:], "float64"))
            np.testing.assert_allclose(found, expected, rtol=1e-15)
            assert found.dtype == np.float64
