"""What a network is, said once: its layers, and what follows from them for whoever computes, stores or counts it.

networks_torch.py and networks_jax.py compute what is described here and describe nothing. A kind of layer is a class
beside ``Dense`` and a function in each of the two.

(N1) dense      y = activation(x W + b), W (inputs, outputs), b (outputs,); a network's last layer has no activation
(N2) beginning  every number is drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), biases too, in float64, in the order of
                networks, layers and arrays
(N3) names      ``critic.0.1.weight``: net, network, layer, array. Files, gradients and JAX's trees have the shapes that
                stand here; PyTorch keeps some arrays with their axes in another order
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rlpair.types import State

ACTIVATIONS = ("relu", "tanh", "elu", "silu")
WORTH_A_THREAD = 2**22  # multiply-adds of a matrix product; with fewer a thread costs what it saves


class Array(NamedTuple):
    """One parameter of a layer."""

    shape: tuple[int, ...]
    fan_in: int  # inputs of each output
    torch_axes: tuple[int, ...]  # PyTorch keeps numpy.transpose(array, torch_axes)


@dataclass(frozen=True)
class Dense:
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


Layer = Dense  # a union, once there are others


@dataclass(frozen=True)
class Arch:
    """A network: its layers, the first one first."""

    layers: tuple[Layer, ...]

    @property
    def arrays(self) -> dict[str, Array]:
        """Its parameters by name, such as ``1.weight``, in the order in which they are drawn."""
        layers = enumerate(self.layers)
        return {f"{number}.{name}": array for number, layer in layers for name, array in layer.arrays.items()}

    @property
    def units(self) -> int:
        """How many numbers a row becomes on its way: the inputs, and the outputs of every layer."""
        return self.layers[0].inputs + sum(layer.outputs for layer in self.layers)

    @property
    def forward_flop(self) -> int:
        """Floating-point operations of the products for one row, two for a multiplication and its addition."""
        return 2 * sum(layer.multiply_adds for layer in self.layers)

    @property
    def training_flop(self) -> int:
        """As ``forward_flop``, with the gradients of all parameters.

        The weights' gradients cost as much as the forward pass, and so do those of what is between the layers, without
        the first one, to whose inputs no gradient goes.
        """
        return 3 * self.forward_flop - 2 * self.layers[0].multiply_adds


Networks = Mapping[str, Sequence[Arch]]  # by net: ``q`` for DQN; ``actor`` and ``critic`` for SAC


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: str) -> Arch:
    """Returns hidden layers with an activation after each, and a last layer without: raw outputs."""
    activations = [activation] * len(hidden) + [None]
    sizes = pairwise((inputs, *hidden, outputs))
    return Arch(tuple(Dense(*size, activation) for size, activation in zip(sizes, activations, strict=True)))


def named_arrays(networks: Networks) -> dict[str, Array]:
    """Returns the parameters of all networks by the names of (N3), in the order in which they are drawn."""
    return {
        f"{net}.{index}.{name}": array
        for net, archs in networks.items()
        for index, arch in enumerate(archs)
        for name, array in arch.arrays.items()
    }


def draw_params(networks: Networks, rng: np.random.Generator) -> State:
    """Returns what the parameters of all networks begin as (N2), by name."""
    params = {}
    for name, array in named_arrays(networks).items():
        bound = 1 / np.sqrt(array.fan_in)
        params[name] = rng.uniform(-bound, bound, array.shape)
    return params


def threads_worth(arch: Arch, rows: int) -> int:
    """Returns how many threads of a CPU its widest product keeps busy, at least one."""
    return max(1, rows * max(layer.multiply_adds for layer in arch.layers) // WORTH_A_THREAD)
