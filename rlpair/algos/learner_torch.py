"""What the torch learners share: how they are built, and the optimizer step. The twin of learner_jax.py."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch

from rlpair.algos.networks_torch import MLP, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo


class Parameters:
    """The parameters of one net, which lie end to end in one vector: what is done to all of them is one call.

    ``tensors`` are what the networks compute with, and views of ``vector``.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        """Moves the data of the tensors into a vector."""
        self.tensors = list(tensors)
        self.vector = torch.cat([tensor.detach().reshape(-1) for tensor in self.tensors])
        for tensor, piece in zip(self.tensors, self.split(self.vector), strict=True):
            tensor.data = piece

    def split(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views of such a vector in the shapes of the tensors."""
        pieces = torch.split(vector, [tensor.numel() for tensor in self.tensors])
        return [piece.view(tensor.shape) for piece, tensor in zip(pieces, self.tensors, strict=True)]


def parameters_of(networks: Sequence[MLP]) -> Parameters:
    """Those of some networks, the first one's first."""
    return Parameters(param for network in networks for param in network.parameters())


class Learner:
    """An algorithm's networks and optimizers, by net: ``q`` for DQN; ``actor``, ``critic``, ``log_alpha`` for SAC.

    N environments, B batch. A subclass gives ``act``, ``greedy``, ``sample_noise``, ``update``, as its JAX twin does.
    """

    networks: dict[str, Sequence[MLP]]
    target_networks: dict[str, Sequence[MLP]]
    scalars: dict[str, torch.Tensor]  # learned or fixed numbers that are no network: log_alpha
    params: dict[str, Parameters]  # what is learned
    target_params: dict[str, Parameters]
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


# (D5), (S8)
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, betas=(0.9, 0.999), eps=1e-8, fused=True),
    "rmsprop": partial(torch.optim.RMSprop, alpha=0.99, eps=1e-8, centered=False),
    "sgd": torch.optim.SGD,
}
# The state that each keeps of the vector, by optax's names, which are the checkpoint's.
SLOTS = {"adam": {"mu": "exp_avg", "nu": "exp_avg_sq"}, "rmsprop": {"nu": "square_avg"}, "sgd": {}}


def make_optimizer(name: str, params: Parameters, learning_rate: float) -> torch.optim.Optimizer:
    """The optimizer with its state in place from the start (torch makes it at the first step)."""
    vector = params.vector
    optimizer = OPTIMIZERS[name]([vector], lr=learning_rate)
    if SLOTS[name]:
        optimizer.state[vector] = {slot: torch.zeros_like(vector) for slot in SLOTS[name].values()}
        optimizer.state[vector]["step"] = torch.zeros((), dtype=torch.float32, device=vector.device)
    return optimizer


def prepare(batch: Transition, action: torch.Tensor, spec: EnvSpec, dtype: torch.dtype) -> Transition:
    """The batch as the equations read it: ``dtype`` floats, flat observations, ``action`` from 0 or in [-1, 1]."""

    def cast(x: torch.Tensor | None) -> Any:
        return None if x is None else x.to(dtype)

    obs, next_obs = (flatten_obs(x, spec.obs_shape, dtype) for x in (batch.obs, batch.next_obs))
    reward, terminated, discount, weight = map(cast, (batch.reward, batch.terminated, batch.discount, batch.weight))
    return Transition(obs, action, reward, next_obs, terminated, discount, weight)


def discount(batch: Transition, gamma: float) -> torch.Tensor:
    """(D1), (S1): how much of the next value counts, (B,)."""
    return gamma * (1 - batch.terminated) if batch.discount is None else batch.discount


def weighted_mean(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean over the batch of each sample's loss (B,) times its importance weight."""
    return (losses if weight is None else weight * losses).mean()


def clip_by_global_norm(grad: torch.Tensor, max_norm: float) -> torch.Tensor:
    """(D4), (S7), in place. Returns the norm before."""
    norm = torch.linalg.vector_norm(grad)
    grad *= (max_norm / (norm + 1e-6)).clamp(max=1.0)
    return norm


def gradient_step(
    optimizer: torch.optim.Optimizer, loss: torch.Tensor, params: Parameters, max_norm: float | None
) -> torch.Tensor | None:
    """(D5), (S8): params - learning_rate * direction, in place. Returns the norm before the clip, if any.

    Only ``params`` get a gradient: what else the loss depends on is left alone.
    """
    grads = torch.autograd.grad(loss, params.tensors)
    params.vector.grad = grad = torch.cat([g.reshape(-1) for g in grads])
    norm = None if max_norm is None else clip_by_global_norm(grad, max_norm)
    optimizer.step()
    return norm


def target_step(target: Parameters, online: Parameters, tau: float) -> None:
    """(D6), (S9): target <- (1 - tau) target + tau online, in place."""
    target.vector.lerp_(online.vector, tau)
