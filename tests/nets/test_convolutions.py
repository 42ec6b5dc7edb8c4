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
from images import compute, count, drawn
from reference import difference_quotients

from rlpair import DQNConfig, EnvSpec
from rlpair.algos import dqn
from rlpair.errors import ConfigError
from rlpair.nets import networks_jax, networks_torch
from rlpair.nets.arch import Arch, Conv, Dense, Layer, MaxPool, Residual, threads_worth
from rlpair.nets.encoders import encoder_of, find_encoder, impala, minatar, nature, way_of

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


# The published encoders


def test_nature() -> None:
    layers: Any = nature((84, 84, 4))
    first, second, third, dense = layers
    assert [layer.out_shape for layer in layers[:3]] == [(20, 20, 32), (9, 9, 64), (7, 7, 64)]
    assert (first.activation, second.activation, third.activation) == ("relu",) * 3
    assert dense == Dense(3136, 512, "relu")
    arch = Arch((*layers, Dense(512, 6)))
    assert count(arch.arrays) == 8_224 + 32_832 + 36_928 + 1_606_144 + 3_078
    products = 3_276_800, 2_654_208, 1_806_336, 1_605_632, 3_072  # of convolutions H' W' kh kw C F
    assert arch.forward_flop == 2 * sum(products)
    assert arch.training_flop == 6 * sum(products) - 2 * products[0]
    assert arch.units == 84 * 84 * 4 + 12_800 + 5_184 + 3_136 + 512 + 6
    assert threads_worth(arch, 32) == 25
    assert {name: (array.shape, array.fan_in, array.torch_axes) for name, array in first.arrays.items()} == {
        "weight": ((8, 8, 4, 32), 256, (3, 2, 0, 1)),
        "bias": ((32,), 256, (0,)),
    }


def test_minatar() -> None:
    conv, dense = minatar((10, 10, 4))
    assert (conv, dense) == (Conv((10, 10, 4), 16, 3, activation="relu"), Dense(1024, 128, "relu"))
    assert count(Arch((conv, dense)).arrays) == 592 + 131_200


def test_impala() -> None:
    layers = impala((84, 84, 4))
    assert [layer.out_shape for layer in layers if isinstance(layer, MaxPool)] == [
        (42, 42, 16),
        (21, 21, 32),
        (11, 11, 32),
    ]
    assert [layer.activation for layer in layers] == [None] * 11 + ["relu"] * 2
    assert layers[-1] == Dense(3_872, 256, "relu")
    arch = Arch(layers)
    assert [name for name in arch.arrays if name.endswith("weight")][:5] == [
        *("0.weight", "2.0.weight", "2.1.weight", "3.0.weight", "3.1.weight")
    ]
    stages = (592 + 4 * 2_320, 4_640 + 4 * 9_248, 9_248 + 4 * 9_248)
    assert count(arch.arrays) == sum(stages) + 3_872 * 256 + 256
    kernels = 84**2 * 576 + 4 * 42**2 * 2_304 + 42**2 * 4_608 + (4 * 21**2 + 21**2 + 4 * 11**2) * 9_216
    assert arch.forward_flop == 2 * (kernels + 3_872 * 256)


def image(*shape: int, dtype: str = "uint8") -> EnvSpec:
    return EnvSpec(shape, dtype, True, 3)


def test_q_is_the_encoder_and_then_net_arch() -> None:
    whole = dqn.networks(DQNConfig(net_arch=(7,)), image(10, 10, 4))["q"][0]
    assert whole.layers == (*minatar((10, 10, 4)), Dense(128, 7, "relu"), Dense(7, 3))
    assert dqn.networks(DQNConfig(net_arch=()), image(10, 10, 4))["q"][0].layers[2:] == (Dense(128, 3),)
    flat = dqn.networks(DQNConfig(net_arch=(7,), encoder="none"), image(10, 10, 4))["q"][0]
    assert flat.layers == (Dense(400, 7, "relu"), Dense(7, 3))


@pytest.mark.parametrize(
    ("spec", "choice", "name"),
    [
        (image(84, 84, 4), "auto", "nature"),
        (image(36, 36, 1), "auto", "nature"),
        (image(35, 160, 3), "auto", "minatar"),
        (image(3, 3, 1), "auto", "minatar"),
        (image(10, 10, 4, dtype="bool"), "auto", "minatar"),
        (image(84, 84), "auto", "nature"),
        (image(256, 256, 3), "auto", "nature"),
        (image(84, 84, 4), "impala", "impala"),
        (image(1, 1, 1), "impala", "impala"),
        (image(84, 84, 4), "none", "none"),
        (image(4, 84, 84), "none", "none"),
        (image(8), "auto", "none"),
        (image(8, dtype="float32"), "auto", "none"),
        (image(8, 9, dtype="float32"), "auto", "none"),  # a matrix is no image
        (image(8, 9, 3, 2), "auto", "none"),
    ],
)
def test_auto_takes_by_the_shape(spec: EnvSpec, choice: str, name: str) -> None:
    assert find_encoder(choice, spec) == name
    assert bool(encoder_of(choice, spec)) == (name != "none")
    if name != "none":
        assert all(array.shape for array in Arch(encoder_of(choice, spec)).arrays.values())
        assert all(layer.outputs >= 1 for layer in encoder_of(choice, spec))


def test_an_image_without_channels_has_one() -> None:
    assert encoder_of("minatar", image(5, 6)) == encoder_of("minatar", image(5, 6, 1))


@pytest.mark.parametrize(
    ("spec", "choice", "cause"),
    [
        (image(2, 9, 1), "auto", "minatar takes images from 3 x 3 on"),
        (image(35, 36, 1), "nature", "nature takes images from 36 x 36 on"),
        (image(8, dtype="float32"), "minatar", "an image is (height, width, channels)"),
        (image(8, 8, 2, 2), "minatar", "an image is (height, width, channels)"),
        (
            image(84, 84, 3, dtype="float32"),
            "auto",
            "an image is uint8 or bool; gymnasium.wrappers.TransformObservation can make it so",
        ),
        (
            image(4, 84, 84),
            "auto",
            "its channels come first, and an image is (height, width, channels): np.moveaxis(obs, 0, -1) in "
            "gymnasium.wrappers.TransformObservation makes it (84, 84, 4)",
        ),
        (
            image(257, 256, 3),
            "auto",
            "an image has at most 65,536 pixels, as 256 x 256 has: gymnasium.wrappers.ResizeObservation makes it "
            "smaller",
        ),
    ],
)
def test_what_cannot_be_encoded_is_one_line(spec: EnvSpec, choice: str, cause: str) -> None:
    with pytest.raises(ConfigError) as error:
        dqn.networks(DQNConfig(encoder=choice), spec)
    start = f"algo.encoder={choice!r} is not allowed: none with observations {spec.obs_shape} of {spec.obs_dtype}: "
    assert str(error.value) == start + cause


def test_the_way_of_an_image_for_people() -> None:
    assert way_of("auto", image(84, 84, 4)) == "through algo.encoder=nature: 3 convolutions, then 512 features"
    assert way_of("impala", image(9, 9, 4)) == "through algo.encoder=impala: 15 convolutions, then 256 features"
    assert way_of("none", image(84, 84, 4)) == "flattened into an MLP of 28,224 inputs"
