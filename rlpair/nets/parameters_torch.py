"""The parameters of networks as PyTorch keeps them: one vector a net, so that an optimizer's step is one call.

It has no twin: JAX's parameters are a tree of arrays by the names of files, and ``optax.flatten`` makes a vector of it.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch

from rlpair.nets.arch import Array, Networks, named_arrays
from rlpair.nets.networks_torch import Network, file_layout

Tensors = Sequence[torch.Tensor]  # the parameters of a net's networks, end to end


class Parameters:
    """The parameters of one net, which lie end to end in one vector: what is done to all of them is one call."""

    def __init__(self, arrays: Mapping[str, Array], tensors: Iterable[torch.Tensor]) -> None:
        """Move the data of the tensors into a vector. ``arrays``: what they are in files, by name."""
        self._arrays, self._leaves = arrays, list(tensors)
        self.vector = torch.cat([tensor.detach().reshape(-1) for tensor in self._leaves])
        for tensor, piece in zip(self._leaves, self.split(self.vector), strict=True):
            tensor.data = piece

    def copy(self) -> "Parameters":
        """Return others with the same numbers, which no gradient is taken of: a target."""
        return Parameters(self._arrays, [tensor.detach().clone() for tensor in self._leaves])

    @property
    def tensors(self) -> Tensors:
        """What the networks compute with: views of the vector, which is all that a compiled step is handed."""
        return self.split(self.vector) if torch.compiler.is_compiling() else self._leaves

    def split(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Return views of such a vector in the shapes of the tensors."""
        pieces = torch.split(vector, [tensor.numel() for tensor in self._leaves])
        return [piece.view(tensor.shape) for piece, tensor in zip(pieces, self._leaves, strict=True)]

    def named(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return views of such a vector by backend-free name, in the shapes of files."""
        pieces = zip(self._arrays.items(), self.split(vector), strict=True)
        return {name: file_layout(piece, array) for (name, array), piece in pieces}


def make_networks(networks: Networks, dtype: torch.dtype, device: torch.device) -> dict[str, Sequence[Network]]:
    """Make modules of the networks, whose parameters are there for an agent to fill in."""
    return {net: [Network(arch).to(device, dtype) for arch in archs] for net, archs in networks.items()}


def parameters_of(net: str, networks: Sequence[Network]) -> Parameters:
    """Return the parameters of a net's networks, the first one's first."""
    arrays = named_arrays({net: [network.arch for network in networks]})
    return Parameters(arrays, [tensor for network in networks for tensor in network.tensors])


def scalar(net: str, dtype: torch.dtype, device: torch.device) -> Parameters:
    """Return the parameters of a net that is one number."""
    return Parameters({net: Array((), 1, ())}, [torch.zeros((), dtype=dtype, device=device, requires_grad=True)])
