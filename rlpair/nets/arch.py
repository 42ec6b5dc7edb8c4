"""What a network is, said once: its layers, and what follows from them for whoever computes, stores or counts it.

networks_torch.py and networks_jax.py compute what is described here and describe nothing. A kind of layer is a class
beside ``Dense`` and a function in each of the two; encoders.py has the networks for images.

(N1) dense      y = activation(x W + b), W (inputs, outputs), b (outputs,); a network's last layer has no activation
(N2) beginning  every number is drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), biases too, in float64, in the order of
                networks, layers and arrays; fan_in counts the inputs of one output
(N3) names      ``critic.0.1.weight``: net, network, layer, array; a layer inside of another has a number more,
                ``q.0.3.1.weight``. Files, gradients and JAX's trees have the shapes that stand here; PyTorch keeps some
                arrays with their axes in another order
(N4) images     (H, W, C) go from layer to layer flat, in that order: channel c of pixel (h, w) is h W C + w C + c
(N5) conv       y[h, w, f] = activation(b[f] + sum_ijc K[i, j, c, f] x[h s + i - p, w s + j - p, c]), K (kh, kw, C, F),
                b (F,), stride s; p zeros on every side, 0 where it is VALID; a window that does not fit is left out
(N6) max pool   y[h, w, c] = max_ij x[h s + i - p, w s + j - p, c], over what is inside of the image
(N7) residual   y = activation(x + layers(relu(x)))
(N8) branches   x is cut into parts, each goes through layers of its own, if any, and what comes out is joined
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np

from rlpair.types import State

ACTIVATIONS = ("relu", "tanh", "elu", "silu")
WORTH_A_THREAD = 2**22  # multiply-adds of a matrix product; with fewer a thread costs what it saves


class Array(NamedTuple):
    """One parameter of a layer."""

    shape: tuple[int, ...]
    fan_in: int  # inputs of each output
    torch_axes: tuple[int, ...]  # PyTorch keeps numpy.transpose(array, torch_axes)


class LayerDefaults:
    """A layer that is made of others has their parameters and computes nothing itself, unless it says so."""

    @property
    def inside(self) -> "tuple[Layer, ...]":
        """The layers that it is made of."""
        return ()

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, in the order in which they are drawn."""
        return arrays_of(self.inside)

    @property
    def first(self) -> "tuple[Layer, ...]":
        """The layers that what goes in meets first."""
        return (cast(Layer, self),)

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with an addition one row takes, but for those of the layers inside."""
        return 0


@dataclass(frozen=True)
class Dense(LayerDefaults):
    """(N1): (..., inputs) -> (..., outputs)."""

    inputs: int
    outputs: int
    activation: str | None = None

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, in the order in which they are drawn."""
        weight = Array((self.inputs, self.outputs), self.inputs, (1, 0))
        return {"weight": weight, "bias": Array((self.outputs,), self.inputs, (0,))}

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with an addition one row takes."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Window(LayerDefaults):
    """What slides over an image, of ``shape`` (H, W, C): (..., H * W * C) -> (..., H' * W' * channels)."""

    shape: tuple[int, int, int]
    channels: int  # that come out
    size: int  # of the window's sides
    stride: int = 1
    padding: int = 0
    activation: str | None = None

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """The shape of an image that comes out, (H', W', channels)."""
        height, width = ((side + 2 * self.padding - self.size) // self.stride + 1 for side in self.shape[:2])
        return height, width, self.channels

    @property
    def inputs(self) -> int:
        """How many numbers go in."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """How many come out."""
        return math.prod(self.out_shape)


class Conv(Window):
    """A convolution (N5)."""

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, in the order in which they are drawn."""
        kernel = (self.size, self.size, self.shape[2], self.channels)
        fan_in = math.prod(kernel[:3])
        return {"weight": Array(kernel, fan_in, (3, 2, 0, 1)), "bias": Array(kernel[3:], fan_in, (0,))}

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with an addition one image takes, padding included."""
        return self.outputs * self.size**2 * self.shape[2]


class MaxPool(Window):
    """(N6); as many channels come out as go in."""


@dataclass(frozen=True)
class Residual(LayerDefaults):
    """(N7), of layers that end as large as they begin."""

    layers: "tuple[Layer, ...]"
    activation: str | None = None

    @property
    def inside(self) -> "tuple[Layer, ...]":
        """The layers that it is made of."""
        return self.layers

    @property
    def inputs(self) -> int:
        """How many numbers go in."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """How many come out."""
        return self.inputs


@dataclass(frozen=True)
class Branches(LayerDefaults):
    """(N8); names begin with the number of the part."""

    sizes: tuple[int, ...]  # of the parts
    branches: "tuple[tuple[Layer, ...], ...]"  # of each part
    activation: str | None = None

    @property
    def inside(self) -> "tuple[Layer, ...]":
        """The layers that it is made of."""
        return tuple(layer for branch in self.branches for layer in branch)

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, in the order in which they are drawn."""
        each = enumerate(map(arrays_of, self.branches))
        return {f"{number}.{name}": array for number, arrays in each for name, array in arrays.items()}

    @property
    def first(self) -> "tuple[Layer, ...]":
        """The layers that what goes in meets first."""
        return tuple(branch[0] for branch in self.branches if branch)

    @property
    def inputs(self) -> int:
        """How many numbers go in."""
        return sum(self.sizes)

    @property
    def outputs(self) -> int:
        """How many come out."""
        each = zip(self.sizes, self.branches, strict=True)
        return sum(branch[-1].outputs if branch else size for size, branch in each)


Layer = Dense | Conv | MaxPool | Residual | Branches


def arrays_of(layers: Sequence[Layer]) -> dict[str, Array]:
    """Return the parameters of layers by name, such as ``1.weight``, in the order in which they are drawn."""
    return {f"{number}.{name}": array for number, layer in enumerate(layers) for name, array in layer.arrays.items()}


def every(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Return the layers, and those inside of them."""
    for layer in layers:
        yield layer
        yield from every(layer.inside)


@dataclass(frozen=True)
class Arch:
    """A network: its layers, the first one first."""

    layers: tuple[Layer, ...]

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, such as ``1.weight``, in the order in which they are drawn."""
        return arrays_of(self.layers)

    @property
    def units(self) -> int:
        """How many numbers a row becomes on its way: the inputs, and the outputs of every layer."""
        return self.layers[0].inputs + sum(layer.outputs for layer in every(self.layers))

    @property
    def forward_flop(self) -> int:
        """Floating-point operations of the products for one row, two for a multiplication and its addition."""
        return 2 * sum(layer.multiply_adds for layer in every(self.layers))

    @property
    def training_flop(self) -> int:
        """As ``forward_flop``, with the gradients of all parameters.

        The weights' gradients cost as much as the forward pass, and so do those of what is between the layers, without
        the first one, to whose inputs no gradient goes.
        """
        return 3 * self.forward_flop - 2 * sum(layer.multiply_adds for layer in self.layers[0].first)


Networks = Mapping[str, Sequence[Arch]]  # by net: ``q`` for DQN; ``actor`` and ``critic`` for SAC


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: str) -> Arch:
    """Return hidden layers with an activation after each, and a last layer without: raw outputs."""
    activations = [activation] * len(hidden) + [None]
    sizes = pairwise((inputs, *hidden, outputs))
    return Arch(tuple(Dense(*size, activation) for size, activation in zip(sizes, activations, strict=True)))


def named_arrays(networks: Networks) -> dict[str, Array]:
    """Return the parameters of all networks by the names of (N3), in the order in which they are drawn."""
    return {
        f"{net}.{index}.{name}": array
        for net, archs in networks.items()
        for index, arch in enumerate(archs)
        for name, array in arch.arrays.items()
    }


def draw_params(networks: Networks, rng: np.random.Generator) -> State:
    """Return what the parameters of all networks begin as (N2), by name."""
    params = {}
    for name, array in named_arrays(networks).items():
        bound = 1 / np.sqrt(array.fan_in)
        params[name] = rng.uniform(-bound, bound, array.shape)
    return params


def threads_worth(arch: Arch, rows: int) -> int:
    """Return how many threads of a CPU its widest product keeps busy, at least one."""
    return max(1, rows * max(layer.multiply_adds for layer in every(arch.layers)) // WORTH_A_THREAD)
