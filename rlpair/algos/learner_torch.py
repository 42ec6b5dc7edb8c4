"""What the torch learners share: what they offer, and one update. The twin of learner_jax.py."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from rlpair.algos.optimizers_torch import OPTIMIZERS, Moments, empty_moments
from rlpair.nets.arch import Networks
from rlpair.nets.networks_torch import Network, flatten_obs
from rlpair.nets.parameters_torch import Parameters, Tensors, make_networks, parameters_of
from rlpair.types import EnvSpec, Transition, UpdateInfo

Nets = Mapping[str, Tensors]  # parameters by net
Count = Any  # of updates: an int, or a () int64 tensor where it is compiled, so that no number is compiled in
Due = Any  # what is computed of it: a bool, or a () bool tensor


class Learner:
    """An algorithm's networks and moments, by net: ``q`` for DQN; ``actor``, ``critic``, ``log_alpha`` for SAC.

    N environments, B batch. A subclass gives ``act``, ``act_noise``, ``greedy``, ``sample_noise``, ``update`` and
    ``prepare``, as its JAX twin does.
    """

    config: Any  # DQNConfig | SACConfig
    hyper: Any  # its learning rate is a tensor: filled anew, it holds from the next update on, compiled or not
    networks: dict[str, Sequence[Network]]
    params: dict[str, Parameters]  # of the networks, and numbers that are no network: log_alpha
    target_params: dict[str, Parameters]
    moments: dict[str, Moments]  # of the optimizer, for each net that is learned
    model_state: dict[str, torch.Tensor]  # what changes by no gradient, such as running statistics; {} for DQN and SAC

    def __init__(
        self,
        config: Any,
        spec: EnvSpec,
        networks: Networks,
        hyper: Any,
        targets: Iterable[str],
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Keep ``hyper``, the numbers of the equations, and make targets of the nets in ``targets``."""
        self.config, self.spec, self.dtype = config, spec, dtype
        self.hyper = hyper._replace(learning_rate=torch.tensor(config.learning_rate, dtype=dtype, device=device))
        self.low, self.high = (torch.tensor(x, dtype=dtype, device=device) for x in (spec.action_low, spec.action_high))
        self.networks = make_networks(networks, dtype, device)
        self.params = {net: parameters_of(net, its_networks) for net, its_networks in self.networks.items()}
        self.target_params = {net: self.params[net].copy() for net in targets}
        self.moments = {net: empty_moments(config.optimizer, params) for net, params in self.params.items()}
        self.model_state = {}

    def to_box(self, action: torch.Tensor) -> torch.Tensor:
        """Scale actions from [-1, 1] to the environment's units."""
        return (self.low + 0.5 * (action + 1) * (self.high - self.low)).clamp(self.low, self.high)

    def from_box(self, action: torch.Tensor) -> torch.Tensor:
        """Scale actions from the environment's units to [-1, 1]."""
        return 2 * (action.to(self.dtype) - self.low) / (self.high - self.low) - 1

    @property
    def state(self) -> list[torch.Tensor]:
        """All that updates read and change, beside their arguments."""
        own = [params.vector for params in (*self.params.values(), *self.target_params.values())]
        moments = [moment for moments in self.moments.values() for moment in moments.values()]
        return [*own, *moments, *self.model_state.values(), self.hyper.learning_rate]

    def act(self, obs: torch.Tensor, noise: Any, env_steps: int) -> torch.Tensor:
        """Choose exploring actions: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def act_noise(self, generator: torch.Generator, n: int) -> Any:
        """Return the noise of act for so many environments: all that is random in it."""
        raise NotImplementedError

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:
        """Choose the best actions: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> Any:
        """Draw the noise of updates of that leading shape."""
        raise NotImplementedError

    def prepare(self, batch: Transition) -> Transition:
        """Read a batch as the equations have it: see read_batch."""
        raise NotImplementedError

    def update(self, batch: Transition, noise: Any, num_updates: Count) -> UpdateInfo:
        """Return one gradient step of every net on (B, ...), and of the targets where it is due: to be compiled whole.

        ``num_updates``: how many were made before this one.
        """
        raise NotImplementedError

    def value_and_grad(self, net: str, loss_of: Callable[[Tensors], Any]) -> Any:
        """Return ((loss, aux), gradient as a vector) at a net's parameters, as jax.value_and_grad(has_aux=True)."""
        value, grads = self.value_and_grads([net], lambda params: loss_of(params[net]))
        return value, grads[net]

    def value_and_grads(self, nets: Sequence[str], loss_of: Callable[[Nets], Any]) -> Any:
        """Return what value_and_grad does at the parameters of several nets: ((loss, aux), a vector for each net).

        The compiler traces a gradient that is a function of vectors; eager, an update takes 1.8 times as long so.
        """
        params = {net: self.params[net] for net in nets}
        if torch.compiler.is_compiling():

            def loss_at(vectors: Mapping[str, torch.Tensor]) -> Any:
                return loss_of({net: params[net].split(vector) for net, vector in vectors.items()})

            function = torch.func.grad_and_value(loss_at, has_aux=True)
            grads, value = function({net: its_params.vector for net, its_params in params.items()})
            return value, grads
        leaves = tensors(params)
        loss, aux = loss_of(leaves)
        found = iter(torch.autograd.grad(loss, [leaf for net in nets for leaf in leaves[net]]))
        return (loss.detach(), aux), {net: torch.cat([next(found).reshape(-1) for _ in leaves[net]]) for net in nets}

    def descend(self, net: str, grad: torch.Tensor) -> None:
        """Step by (D5), (S8): params - learning_rate * direction, in place."""
        OPTIMIZERS[self.config.optimizer](self.params[net].vector, grad, self.moments[net], self.hyper.learning_rate)


def tensors(params: Mapping[str, Parameters]) -> dict[str, Tensors]:
    """Return what networks compute with, by net."""
    return {net: its_params.tensors for net, its_params in params.items()}


def read_batch(batch: Transition, action: torch.Tensor, spec: EnvSpec, dtype: torch.dtype) -> Transition:
    """Read a batch as the equations have it: ``dtype`` floats, flat observations, ``action`` from 0 or in [-1, 1]."""

    def cast(x: torch.Tensor | None) -> Any:
        return None if x is None else x.to(dtype)

    obs, next_obs = (flatten_obs(x, spec.obs_shape, dtype) for x in (batch.obs, batch.next_obs))
    reward, terminated, discount, weight = map(cast, (batch.reward, batch.terminated, batch.discount, batch.weight))
    return Transition(obs, action, reward, next_obs, terminated, discount, weight)


def discount(batch: Transition, gamma: float) -> torch.Tensor:
    """Compute (D1), (S1), how much of the next value counts: (B,)."""
    return gamma * (1 - batch.terminated) if batch.discount is None else batch.discount


def weighted_mean(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Average each sample's loss (B,) times its importance weight over the batch."""
    return (losses if weight is None else weight * losses).mean()


def target_step(target: Parameters, online: Parameters, tau: float, due: Due) -> None:
    """Step by (D6), (S9): target <- (1 - tau) target + tau online where ``due``, else the target as it is, in place."""
    where_due(due, lambda: target.vector.lerp_(online.vector, tau), [target.vector])


def where_due(due: Due, change: Callable[[], Any], tensors: Sequence[torch.Tensor]) -> None:
    """Call ``change`` if it is due. A compiled update, which cannot branch, calls it and puts back what was not due.

    Args:
        due: whether it is.
        change: changes these tensors, in place, and nothing else.
        tensors: of no gradient.
    """
    if isinstance(due, bool):
        if due:
            change()
        return
    before = [tensor.clone() for tensor in tensors]
    change()
    for tensor, value in zip(tensors, before, strict=True):
        tensor.copy_(torch.where(due, tensor, value))
