"""(D4), (D5), (S7), (S8): the clip and the optimizers' steps, on a net's flat vector. The twin of optimizers_jax.py."""

import math
from typing import Any

import torch

from rlpair.nets.parameters_torch import Parameters

HAS_KERNEL = hasattr(torch, "_fused_adam_")  # which is not public
Moments = dict[str, torch.Tensor]  # by optax's names, which are the checkpoint's: mu, nu like the vector; count ()


def adam(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Step by (D5), (S8), in place: by one kernel, where one reads the learning rate in all its digits."""
    exact = params.device.type == "cpu" or learning_rate.dtype == torch.float32  # on a GPU it reads a float32
    if torch.compiler.is_compiling() or not exact or not HAS_KERNEL:
        adam_by_formula(params, grad, moments, learning_rate)
    else:
        adam_by_kernel(params, grad, moments, learning_rate)


def adam_by_formula(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Step as adam does, in operations of which the compiler makes one kernel."""
    moments["count"] += 1
    mu, nu = moments["mu"].mul_(0.9).add_((1 - 0.9) * grad), moments["nu"].mul_(0.999).add_((1 - 0.999) * grad**2)
    mu_scale, nu_scale = (-torch.expm1(moments["count"].to(mu.dtype) * math.log(b)) for b in (0.9, 0.999))
    params -= learning_rate * (mu / mu_scale / ((nu / nu_scale).sqrt() + 1e-8))


def adam_by_kernel(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Step as adam does, by the kernel of torch.optim.Adam(fused=True), without what torch does around it.

    That takes a twentieth of a DQN update (docs/speed.md), and so does a weight decay of 0 in place of 0.0.
    """
    moments["count"] += 1
    settings: Any = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    mu, nu, count = [moments["mu"]], [moments["nu"]], [moments["count"]]
    torch._fused_adam_([params], [grad], mu, nu, [], count, lr=learning_rate, amsgrad=False, maximize=False, **settings)


def rmsprop(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Step along the gradient over the root of its running square (D5), in place."""
    nu = moments["nu"].mul_(0.99).addcmul_(grad, grad, value=1 - 0.99)
    params -= learning_rate * grad / (nu.sqrt() + 1e-8)


def sgd(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Step along the gradient (D5), in place."""
    params -= learning_rate * grad


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}
SLOTS = {"adam": ("mu", "nu", "count"), "rmsprop": ("nu",), "sgd": ()}


def empty_moments(optimizer: str, params: Parameters) -> Moments:
    """Return the moments before the first step."""
    vector = params.vector
    shapes = {"mu": vector.shape, "nu": vector.shape, "count": ()}
    dtypes = {"mu": vector.dtype, "nu": vector.dtype, "count": torch.float32}
    return {x: torch.zeros(shapes[x], dtype=dtypes[x], device=vector.device) for x in SLOTS[optimizer]}


def clip_by_global_norm(grads: torch.Tensor, max_norm: float) -> torch.Tensor:
    """Clip by (D4), (S7), in place. Returns the norm before."""
    norm = torch.linalg.vector_norm(grads)
    grads *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
    return norm
