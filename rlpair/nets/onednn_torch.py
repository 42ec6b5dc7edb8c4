"""Dense layers in PyTorch: in a compiled update on a CPU the wide ones by oneDNN, all others by torch's own products.

torch's own are MKL's, which leaves half of AVX-512 unused on some processors of AMD. oneDNN, a part of torch as well,
takes half as long there, and a compiled SAC update becomes a quarter faster; on others it gains nothing. In an eager
update, what it costs to enter an operator of ours eats the gain (docs/speed.md).
"""

from typing import Any

import torch

WIDE = 128  # the least of batch, inputs and outputs for which it pays
AVAILABLE = torch.backends.cpu.get_cpu_capability() == "AVX512" and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Compute a layer: x (..., I), weight (O, I), bias (O,) -> (..., O)."""
    possible = AVAILABLE and x.device.type == "cpu" and x.dtype == torch.float32 and x.ndim == 2
    if torch.compiler.is_compiling() and possible and min(*x.shape, len(bias)) >= WIDE:
        return wide_linear(x, weight, bias)
    return torch.nn.functional.linear(x, weight, bias)


# Defined by its schema, without gradients: torch.func refuses those that custom_op registers. They are WideLinear's.
torch.library.define("rlpair::wide_product", "(Tensor x, Tensor weight, Tensor? bias) -> Tensor")
wide_product = torch.ops.rlpair.wide_product


@torch.library.impl("rlpair::wide_product", "cpu")
def by_onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Compute by oneDNN: x (B, I), weight (O, I), bias (O,) or None -> (B, O): float32 on a CPU."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


@torch.library.register_fake("rlpair::wide_product")  # type: ignore[untyped-decorator]
def shape_of(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return a tensor of the shape that it returns, for the compiler, which looks at nothing else."""
    return x.new_empty(len(x), len(weight))


class WideLinear(torch.autograd.Function):
    """That product and its gradients. oneDNN gains nothing where its left factor is transposed."""

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Any:
        return wide_product(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        return (
            wide_product(grad, weight.T, None) if for_x else None,
            grad.T @ x if for_weight else None,
            grad.sum(0) if for_bias else None,
        )


def wide_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Compute what linear does, by oneDNN, for x (B, I)."""
    product: torch.Tensor = WideLinear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return product
