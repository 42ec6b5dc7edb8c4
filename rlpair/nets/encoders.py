"""From an image to features: three published networks, and which of them suits an observation.

(E1) nature     conv 32 of 8x8 every 4, conv 64 of 4x4 every 2, conv 64 of 3x3, dense 512; a relu after each
                (Mnih et al. 2015, "Human-level control through deep reinforcement learning")
(E2) minatar    conv 16 of 3x3, dense 128; a relu after each
                (Young & Tian 2019, "MinAtar: An Atari-Inspired Testbed for Thorough and Reproducible RL Experiments")
(E3) impala     three stages of 16, 32 and 32 channels: conv 3x3, max pool 3x3 every 2, two residuals of two convs 3x3
                with a relu before each; a relu, dense 256, a relu
                (Espeholt et al. 2018, "IMPALA: Scalable Distributed Deep-RL", its large network)

Convolutions are VALID but for impala's, which pad their image by a pixel on every side and keep its size; so does its
pooling, which halves it (the paper's TensorFlow, with SAME, pads an even side for that on its far end alone). The
activation is published with them: relu, whatever ``algo.activation`` is.
"""

import math
from collections.abc import Callable

from rlpair.errors import ConfigError
from rlpair.nets.arch import Branches, Conv, Dense, Layer, MaxPool, Residual, every
from rlpair.types import EnvSpec

Shape = tuple[int, int, int]  # H, W, C

MOST_PIXELS = (
    2**16
)  # H * W of an image: 256 x 256; with more, nature's dense layer alone has tens of millions of weights
GAMES, PLANES = 36, 3  # the smallest sides that nature and minatar take: with less, nothing is left of the image
IMAGES = ("uint8", "bool")


def nature(shape: Shape) -> tuple[Layer, ...]:
    """Return the layers of (E1)."""
    first = Conv(shape, 32, 8, 4, activation="relu")
    second = Conv(first.out_shape, 64, 4, 2, activation="relu")
    third = Conv(second.out_shape, 64, 3, activation="relu")
    return first, second, third, Dense(third.outputs, 512, "relu")


def minatar(shape: Shape) -> tuple[Layer, ...]:
    """Return the layers of (E2)."""
    conv = Conv(shape, 16, 3, activation="relu")
    return conv, Dense(conv.outputs, 128, "relu")


def impala(shape: Shape) -> tuple[Layer, ...]:
    """Return the layers of (E3)."""
    layers: list[Layer] = []
    for channels in (16, 32, 32):
        conv = Conv(shape, channels, 3, padding=1)
        pool = MaxPool(conv.out_shape, channels, 3, 2, padding=1)
        shape = pool.out_shape
        inner = (Conv(shape, channels, 3, padding=1, activation="relu"), Conv(shape, channels, 3, padding=1))
        layers += [conv, pool, Residual(inner), Residual(inner)]
    layers[-1] = Residual(inner, "relu")
    return *layers, Dense(layers[-1].outputs, 256, "relu")


ENCODERS: dict[str, Callable[[Shape], tuple[Layer, ...]]] = {"nature": nature, "minatar": minatar, "impala": impala}
PUBLISHED: dict[str, Shape] = {"nature": (84, 84, 4), "minatar": (10, 10, 4), "impala": (84, 84, 4)}  # images
SMALLEST = {"nature": GAMES, "minatar": PLANES, "impala": 1}  # side of an image
CHOICES = ("auto", "none", *ENCODERS)


def encoder_of(choice: str, spec: EnvSpec) -> tuple[Layer, ...]:
    """Return the layers before all others; none where observations go in as they are. Raises ConfigError."""
    if spec.parts and choice != "none":
        each = tuple(encoder_of(choice, part_of(spec, shape)) if len(shape) > 1 else () for shape in spec.parts)
        return (Branches(tuple(map(math.prod, spec.parts)), each),)
    name = find_encoder(choice, spec)
    return () if name == "none" else ENCODERS[name](image_shape(spec))


def part_of(spec: EnvSpec, shape: Shape | tuple[int, ...]) -> EnvSpec:
    """Return the spec of an image that is a part of an observation, scaled already where others are not images."""
    return spec._replace(obs_shape=shape, obs_dtype="uint8", parts=())


def find_encoder(choice: str, spec: EnvSpec) -> str:
    """Return the name of the encoder that a choice comes to: ``auto`` is none but for images.

    Raises:
        ConfigError: it cannot encode such observations, or nothing can.
    """
    shape = spec.obs_shape
    if choice == "none" or (choice == "auto" and not is_image(spec)):
        return "none"

    def refuse(allowed: str) -> ConfigError:
        return ConfigError("algo.encoder", choice, f"none with observations {shape} of {spec.obs_dtype}: {allowed}")

    if len(shape) not in (2, 3):
        raise refuse("an image is (height, width, channels)")
    if spec.obs_dtype not in IMAGES:
        raise refuse("an image is uint8 or bool; gymnasium.wrappers.TransformObservation can make it so")
    height, width, _ = image_shape(spec)
    if len(shape) == 3 and 4 * shape[0] <= min(shape[1:]):
        advice = f"np.moveaxis(obs, 0, -1) in gymnasium.wrappers.TransformObservation makes it {(*shape[1:], shape[0])}"
        raise refuse(f"its channels come first, and an image is (height, width, channels): {advice}")
    if height * width > MOST_PIXELS:
        advice = "gymnasium.wrappers.ResizeObservation makes it smaller"
        raise refuse(f"an image has at most {MOST_PIXELS:,} pixels, as 256 x 256 has: {advice}")
    name = ("nature" if min(height, width) >= GAMES else "minatar") if choice == "auto" else choice
    if min(height, width) < (least := SMALLEST[name]):
        raise refuse(f"{name} takes images from {least} x {least} on")
    return name


def is_image(spec: EnvSpec) -> bool:
    """Return whether an observation looks like an image: planes of pixels or of bools, or three axes of anything."""
    return len(spec.obs_shape) == 3 or (len(spec.obs_shape) == 2 and spec.obs_dtype in IMAGES)


def image_shape(spec: EnvSpec) -> Shape:
    """Return (H, W, C); an image without an axis of channels has one."""
    height, width, *channels = spec.obs_shape
    return height, width, channels[0] if channels else 1


def names_of(choice: str, spec: EnvSpec) -> str:
    """Return the names of the encoders that a choice comes to: ``nature``, or those of several images; ``none``."""
    images = [part_of(spec, shape) for shape in spec.parts if len(shape) > 1] or [spec]
    return " and ".join(dict.fromkeys(find_encoder(choice, image) for image in images))


def way_of(choice: str, spec: EnvSpec) -> str:
    """Return what becomes of observations, for people: ``into an MLP`` or an encoder, and of how many inputs."""
    if not (layers := encoder_of(choice, spec)):
        return f"flattened into an MLP of {math.prod(spec.obs_shape):,} inputs"
    count = sum(isinstance(layer, Conv) for layer in every(layers))
    convolutions = "1 convolution" if count == 1 else f"{count} convolutions"
    named = names_of(choice, spec)
    features, numbers = layers[-1].outputs, sum(shape[0] for shape in spec.parts if len(shape) == 1)
    beside = f", {numbers} numbers beside them" if numbers else ""
    return f"through algo.encoder={named}: {convolutions}{beside}, then {features} features"
