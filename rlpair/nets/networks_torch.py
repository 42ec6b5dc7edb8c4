"""Networks in torch.nn: they compute an Arch (arch.py). The twin of networks_jax.py."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from rlpair.nets.arch import Arch, Array, Branches, Conv, Dense, Layer, MaxPool, Residual, arrays_of
from rlpair.nets.onednn_torch import linear

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "silu": nn.functional.silu,
}
Compute = Callable[..., torch.Tensor]  # (x, *parameters) -> y
Step = tuple[Compute, int, int, Callable[[torch.Tensor], torch.Tensor] | None]  # begin and end of its parameters


def conv(layer: Conv) -> Compute:
    """Compute (N5) without the activation. An image in the order H, W, C is NCHW with channels_last, and no copy."""

    def compute(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        y = nn.functional.conv2d(to_image(x, layer), weight, bias, layer.stride, layer.padding)
        return from_image(y, x)

    return compute


def max_pool(layer: MaxPool) -> Compute:
    """Compute (N6) without the activation."""

    def compute(x: torch.Tensor) -> torch.Tensor:
        return from_image(nn.functional.max_pool2d(to_image(x, layer), layer.size, layer.stride, layer.padding), x)

    return compute


def residual(layer: Residual) -> Compute:
    """Compute (N7) without the activation."""
    steps = steps_of(layer.layers)
    return lambda x, *params: x + run(steps, params, torch.relu(x))


def branches(layer: Branches) -> Compute:
    """(N8) without the activation."""
    steps, sizes, ends = [steps_of(branch) for branch in layer.branches], list(layer.sizes), [0]
    for branch in layer.branches:
        ends.append(ends[-1] + len(arrays_of(branch)))

    def compute(x: torch.Tensor, *params: torch.Tensor) -> torch.Tensor:
        each = zip(steps, ends, ends[1:], torch.split(x, sizes, dim=-1), strict=False)
        return torch.cat([run(its_steps, params[begin:end], part) for its_steps, begin, end, part in each], dim=-1)

    return compute


def to_image(x: torch.Tensor, layer: Conv | MaxPool) -> torch.Tensor:
    """Shape rows as images: (..., H * W * C) -> (B, C, H, W)."""
    return x.reshape(-1, *layer.shape).permute(0, 3, 1, 2)


def from_image(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Shape images as rows: (B, C, H, W) -> (..., H * W * C), with the leading axes of ``x``."""
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


# Of each kind of layer the module that holds its parameters, and, of a layer, what computes it.
MODULES: dict[type, Callable[[Any], nn.Module]] = {
    Dense: lambda layer: nn.Linear(layer.inputs, layer.outputs),
    Conv: lambda layer: nn.Conv2d(layer.shape[2], layer.channels, layer.size),
    MaxPool: lambda layer: nn.Module(),
    Residual: lambda layer: modules_of(layer.layers),
    Branches: lambda layer: numbered(map(modules_of, layer.branches)),
}
LAYERS: dict[type, Callable[[Any], Compute]] = {
    Dense: lambda layer: linear,
    Conv: conv,
    MaxPool: max_pool,
    Residual: residual,
    Branches: branches,
}


def modules_of(layers: Sequence[Layer]) -> nn.Module:
    """Make a module a layer, under its number, so that parameters have the Arch's names."""
    return numbered(MODULES[type(layer)](layer) for layer in layers)


def numbered(modules: Iterable[nn.Module]) -> nn.Module:
    """Put modules under their numbers into one."""
    whole = nn.Module()
    for number, module in enumerate(modules):
        whole.add_module(str(number), module)
    return whole


def steps_of(layers: Sequence[Layer]) -> list[Step]:
    """Return how layers are computed: the function of each, where its parameters begin and end, its activation."""
    steps: list[Step] = []
    for layer in layers:
        begin = steps[-1][2] if steps else 0
        activation = ACTIVATIONS.get(layer.activation or "")
        steps.append((LAYERS[type(layer)](layer), begin, begin + len(layer.arrays), activation))
    return steps


def run(steps: Sequence[Step], params: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return one step after the other: (..., inputs) -> (..., outputs)."""
    for function, begin, end, activation in steps:
        x = function(x, *params[begin:end])
        if activation is not None:
            x = activation(x)
    return x


class Network(nn.Module):
    """An Arch with parameters, which have the Arch's names."""

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        self.steps = steps_of(arch.layers)
        for name, module in modules_of(arch.layers).named_children():
            self.add_module(name, module)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Its parameters in the order of the Arch."""
        return [self.get_parameter(name) for name in self.arch.arrays]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., inputs) -> (..., outputs)
        return apply(self, self.tensors, x)


def apply(network: Network, params: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Compute the outputs with such parameters, in the order of the Arch: (..., inputs) -> (..., outputs)."""
    return run(network.steps, params, x)


def apply_each(networks: Sequence[Network], params: Sequence[torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    """Compute the outputs of each of a net's networks for the same inputs; ``params``: one after the other."""
    outputs, begin = [], 0
    for network in networks:
        end = begin + network.steps[-1][2]
        outputs.append(apply(network, params[begin:end], x))
        begin = end
    return outputs


def file_layout(tensor: torch.Tensor, array: Array) -> torch.Tensor:
    """Return a view of a parameter, or of what has its shape, with the axes in the order of files."""
    return tensor.permute(sorted(range(tensor.ndim), key=array.torch_axes.__getitem__))


def flatten_obs(obs: torch.Tensor, obs_shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Flatten (..., *obs_shape) -> (..., size). Pixels, uint8, are scaled to [0, 1]; bool planes are 0 and 1."""
    flat = obs.reshape(*obs.shape[: obs.ndim - len(obs_shape)], -1).to(dtype)
    return flat / 255 if obs.dtype == torch.uint8 else flat
