"""The encoders of images as they were published, and which one an image gets."""

from typing import Any

import pytest
from images import count

from rlpair import DQNConfig, EnvSpec
from rlpair.algos import dqn
from rlpair.errors import ConfigError
from rlpair.nets.arch import Arch, Branches, Conv, Dense, MaxPool, threads_worth
from rlpair.nets.encoders import encoder_of, find_encoder, impala, minatar, nature, way_of

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


PARTS = EnvSpec((400 + 5 + 1296,), "float32", True, 3, parts=((10, 10, 4), (5,), (36, 36)))


def test_images_and_vectors_each_have_their_own_way() -> None:
    (joined,) = encoder_of("auto", PARTS)
    assert joined == Branches((400, 5, 1296), (minatar((10, 10, 4)), (), nature((36, 36, 1))))
    assert (joined.inputs, joined.outputs) == (1701, 128 + 5 + 512)
    whole = dqn.networks(DQNConfig(net_arch=()), PARTS)["q"][0]
    assert whole.layers == (joined, Dense(645, 3))
    assert list(whole.arrays)[4:6] == ["0.2.0.weight", "0.2.0.bias"]
    conv, first = 64 * 9 * 4 * 16, 64 * 64 * 32  # to whose inputs no gradient goes
    assert whole.training_flop == 3 * whole.forward_flop - 2 * (conv + first)
    assert encoder_of("none", PARTS) == ()
    assert way_of("auto", PARTS) == (
        "through algo.encoder=minatar and nature: 4 convolutions, 5 numbers beside them, then 645 features"
    )


def test_a_part_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        encoder_of("auto", PARTS._replace(parts=((2, 2, 1), (1697,))))
    assert str(error.value) == (
        "algo.encoder='auto' is not allowed: none with observations (2, 2, 1) of uint8: "
        "minatar takes images from 3 x 3 on"
    )


def test_the_way_of_an_image_for_people() -> None:
    assert way_of("auto", image(84, 84, 4)) == "through algo.encoder=nature: 3 convolutions, then 512 features"
    assert way_of("impala", image(9, 9, 4)) == "through algo.encoder=impala: 15 convolutions, then 256 features"
    assert way_of("none", image(84, 84, 4)) == "flattened into an MLP of 28,224 inputs"
