"""What the torch learners share: how they are built, and the optimizer step. The twin of learner_jax.py."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from rlpair.algos.networks_torch import MLP, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo

Params = Sequence[torch.Tensor]


class Learner:
    """An algorithm's networks and optimizers, by net: ``q`` for DQN; ``actor``, ``critic``, ``log_alpha`` for SAC.

    N environments, B batch. A subclass gives ``act``, ``greedy``, ``sample_noise``, ``update``, as its JAX twin does.
    """

    networks: dict[str, Sequence[MLP]]
    target_networks: dict[str, Sequence[MLP]]
    scalars: dict[str, torch.Tensor]  # learned or fixed numbers that are no network: log_alpha
    optimizers: dict[str, torch.optim.Optimizer]
    num_updates: int

    def act(self, obs: torch.Tensor, generator: torch.Generator, env_steps: int) -> torch.Tensor:
        """Exploring action: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:
        """Best action: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> Any:
        """The noise of updates of that leading shape."""
        raise NotImplementedError

    def update(self, batch: Transition, noise: Any) -> UpdateInfo:
        """One gradient step on (B, ...)."""
        raise NotImplementedError


# (D5), (S8). The fused Adam is one call for all parameters: a fifth of an update's time on a small network.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, betas=(0.9, 0.999), eps=1e-8, fused=True),
    "rmsprop": partial(torch.optim.RMSprop, alpha=0.99, eps=1e-8, centered=False),
    "sgd": torch.optim.SGD,
}
# The state that each keeps for a parameter, by optax's names, which are the checkpoint's.
SLOTS = {"adam": {"mu": "exp_avg", "nu": "exp_avg_sq"}, "rmsprop": {"nu": "square_avg"}, "sgd": {}}


def make_optimizer(name: str, params: Params, learning_rate: float) -> torch.optim.Optimizer:
    """The optimizer with its state in place from the start (torch makes it at the first step)."""
    optimizer = OPTIMIZERS[name](params, lr=learning_rate)
    for param in params if SLOTS[name] else ():
        optimizer.state[param] = {slot: torch.zeros_like(param) for slot in SLOTS[name].values()}
        optimizer.state[param]["step"] = torch.zeros((), dtype=torch.float32, device=param.device)
    return optimizer


def prepare(batch: Transition, action: torch.Tensor, spec: EnvSpec, dtype: torch.dtype) -> Transition:
    """The batch as the equations read it: ``dtype`` floats, flat observations, ``action`` from 0 or in [-1, 1]."""
    floats = {
        name: None if value is None else value.to(dtype)
        for name, value in batch._asdict().items()
        if name in ("reward", "terminated", "discount", "weight")
    }
    obs, next_obs = (flatten_obs(x, spec.obs_shape, dtype) for x in (batch.obs, batch.next_obs))
    return Transition(obs=obs, action=action, next_obs=next_obs, **floats)


def discount(batch: Transition, gamma: float) -> torch.Tensor:
    """(D1), (S1): how much of the next value counts, (B,)."""
    return gamma * (1 - batch.terminated) if batch.discount is None else batch.discount


def weighted_mean(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean over the batch of each sample's loss (B,) times its importance weight."""
    return (losses if weight is None else weight * losses).mean()


def gradient_step(
    optimizer: torch.optim.Optimizer, loss: torch.Tensor, params: Params, max_norm: float | None
) -> torch.Tensor | None:
    """(D4), (D5), (S7), (S8): params - learning_rate * direction, in place. Returns the norm before the clip, if any.

    Only ``params`` get a gradient: what else the loss depends on is left alone.
    """
    for param, grad in zip(params, torch.autograd.grad(loss, params), strict=True):
        param.grad = grad
    norm = None if max_norm is None else nn.utils.clip_grad_norm_(params, max_norm)
    optimizer.step()
    return norm


@torch.no_grad()
def target_step(target: Params, online: Params, tau: float) -> None:
    """(D6), (S9): target <- (1 - tau) target + tau online, in place."""
    for t, o in zip(target, online, strict=True):
        t.lerp_(o, tau)
