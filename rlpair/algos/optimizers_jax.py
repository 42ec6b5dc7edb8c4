"""(D4), (D5), (S7), (S8): the clip and the optimizers' steps, on a net's tree. The twin of optimizers_torch.py."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

Tree = Any  # a pytree of arrays


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Scale as optax's Adam does, with all digits of 1 - b**count: float32's difference keeps four of b2's.

    That alone made the twins drift apart a hundred times as fast as rounding does (docs/parity.md).
    """

    def update(grad: jax.Array, state: Any, params: Tree = None) -> tuple[jax.Array, Any]:
        mu, nu = b1 * state.mu + (1 - b1) * grad, b2 * state.nu + (1 - b2) * grad**2
        count = state.count + 1
        mu_scale, nu_scale = (-jnp.expm1(count.astype(mu.dtype) * math.log(b)) for b in (b1, b2))
        return mu / mu_scale / (jnp.sqrt(nu / nu_scale) + eps), optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(optax.scale_by_adam(b1, b2, eps).init, update)


# (D5), (S8): the direction of a step; the learning rate is a number in the state and multiplies it in gradient_step.
# The moments of all parameters are one vector each: on small networks that saves a tenth of an update.
OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "adam": lambda: optax.flatten(scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)),
    "rmsprop": lambda: optax.flatten(optax.scale_by_rms(decay=0.99, eps=1e-8, eps_in_sqrt=False)),
    "sgd": optax.identity,
}


def clip_by_global_norm(grads: Tree, max_norm: jax.Array) -> tuple[Tree, jax.Array]:
    """Clip by (D4), (S7). Returns the clipped gradients and their norm before."""
    norm = optax.tree.norm(grads)
    scale = jnp.minimum(1.0, max_norm / (norm + 1e-6))
    return jax.tree.map(lambda g: g * scale, grads), norm


def gradient_step(
    optimizer: optax.GradientTransformation, params: Tree, grads: Tree, opt_state: Tree, learning_rate: jax.Array
) -> tuple[Tree, Tree]:
    """Step by (D5), (S8): returns params - learning_rate * direction, and the optimizer's new state."""
    direction, opt_state = optimizer.update(grads, opt_state, params)
    return jax.tree.map(lambda p, d: p - learning_rate * d, params, direction), opt_state
