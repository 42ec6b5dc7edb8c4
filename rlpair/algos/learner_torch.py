"""What the torch learners share: how they are built, and the optimizer step. The twin of learner_jax.py."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from rlpair.nets.arch import Array, Networks, named_arrays
from rlpair.nets.networks_torch import Network, file_layout, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo

Tensors = Sequence[torch.Tensor]  # the parameters of a net's networks, end to end


class Parameters:
    """The parameters of one net, which lie end to end in one vector: what is done to all of them is one call."""

    def __init__(self, arrays: Mapping[str, Array], tensors: Iterable[torch.Tensor]) -> None:
        """Moves the data of the tensors into a vector. ``arrays``: what they are in files, by name."""
        self._arrays, self._leaves = arrays, list(tensors)
        self.vector = torch.cat([tensor.detach().reshape(-1) for tensor in self._leaves])
        for tensor, piece in zip(self._leaves, self.split(self.vector), strict=True):
            tensor.data = piece

    def copy(self) -> "Parameters":
        """Others with the same numbers, which no gradient is taken of: a target."""
        return Parameters(self._arrays, [tensor.detach().clone() for tensor in self._leaves])

    @property
    def tensors(self) -> Tensors:
        """What the networks compute with: views of the vector, which is all that a compiled step is handed."""
        return self.split(self.vector) if torch.compiler.is_compiling() else self._leaves

    def split(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views of such a vector in the shapes of the tensors."""
        pieces = torch.split(vector, [tensor.numel() for tensor in self._leaves])
        return [piece.view(tensor.shape) for piece, tensor in zip(pieces, self._leaves, strict=True)]

    def named(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of such a vector by backend-free name, in the shapes of files."""
        pieces = zip(self._arrays.items(), self.split(vector), strict=True)
        return {name: file_layout(piece, array) for (name, array), piece in pieces}


def make_networks(networks: Networks, dtype: torch.dtype, device: torch.device) -> dict[str, Sequence[Network]]:
    """Modules of the networks, whose parameters are there for an agent to fill in."""
    return {net: [Network(arch).to(device, dtype) for arch in archs] for net, archs in networks.items()}


def parameters_of(net: str, networks: Sequence[Network]) -> Parameters:
    """Those of a net's networks, the first one's first."""
    arrays = named_arrays({net: [network.arch for network in networks]})
    return Parameters(arrays, [tensor for network in networks for tensor in network.tensors])


def scalar(net: str, dtype: torch.dtype, device: torch.device) -> Parameters:
    """Those of a net that is one number."""
    return Parameters({net: Array((), 1, ())}, [torch.zeros((), dtype=dtype, device=device, requires_grad=True)])


Moments = dict[str, torch.Tensor]  # by optax's names, which are the checkpoint's: mu, nu like the vector; count ()


def adam(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """(D5), (S8), in place: by one kernel, where there is one that reads the learning rate in all its digits."""
    exact = params.device.type == "cpu" or learning_rate.dtype == torch.float32  # on a GPU it reads a float32
    if torch.compiler.is_compiling() or not exact or not hasattr(torch, "_fused_adam_"):
        adam_by_formula(params, grad, moments, learning_rate)
    else:
        adam_by_kernel(params, grad, moments, learning_rate)


def adam_by_formula(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """As adam: what the compiler makes one kernel of."""
    moments["count"] += 1
    mu, nu = moments["mu"].mul_(0.9).add_((1 - 0.9) * grad), moments["nu"].mul_(0.999).add_((1 - 0.999) * grad**2)
    mu_scale, nu_scale = (-torch.expm1(moments["count"].to(mu.dtype) * math.log(b)) for b in (0.9, 0.999))
    params -= learning_rate * (mu / mu_scale / ((nu / nu_scale).sqrt() + 1e-8))


def adam_by_kernel(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """As adam: the kernel of torch.optim.Adam(fused=True), without what that does around it."""
    moments["count"] += 1
    vectors: Any = [params], [grad], [moments["mu"]], [moments["nu"]], [], [moments["count"]]
    settings: Any = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
    torch._fused_adam_(*vectors, lr=learning_rate, **settings)


def rmsprop(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Likewise."""
    nu = moments["nu"].mul_(0.99).addcmul_(grad, grad, value=1 - 0.99)
    params -= learning_rate * grad / (nu.sqrt() + 1e-8)


def sgd(params: torch.Tensor, grad: torch.Tensor, moments: Moments, learning_rate: torch.Tensor) -> None:
    """Likewise."""
    params -= learning_rate * grad


OPTIMIZERS = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}
SLOTS = {"adam": ("mu", "nu", "count"), "rmsprop": ("nu",), "sgd": ()}


def empty_moments(optimizer: str, params: Parameters) -> Moments:
    """Those before the first step."""
    vector = params.vector
    shapes = {"mu": vector.shape, "nu": vector.shape, "count": ()}
    dtypes = {"mu": vector.dtype, "nu": vector.dtype, "count": torch.float32}
    return {x: torch.zeros(shapes[x], dtype=dtypes[x], device=vector.device) for x in SLOTS[optimizer]}


class Learner:
    """An algorithm's networks and moments, by net: ``q`` for DQN; ``actor``, ``critic``, ``log_alpha`` for SAC.

    N environments, B batch. A subclass gives ``act``, ``greedy``, ``sample_noise`` and ``step``, as its JAX twin does.
    """

    config: Any  # DQNConfig | SACConfig
    hyper: Any  # its learning rate is a tensor: filled anew, it holds from the next update on, compiled or not
    networks: dict[str, Sequence[Network]]
    params: dict[str, Parameters]  # of the networks, and numbers that are no network: log_alpha
    target_params: dict[str, Parameters]
    moments: dict[str, Moments]  # of the optimizer, for each net that is learned
    num_updates: int = 0

    @property
    def state(self) -> list[torch.Tensor]:
        """All that updates read and change, beside their arguments."""
        own = [params.vector for params in (*self.params.values(), *self.target_params.values())]
        moments = [moment for moments in self.moments.values() for moment in moments.values()]
        return [*own, *moments, self.hyper.learning_rate]

    def act(self, obs: torch.Tensor, generator: torch.Generator, env_steps: int) -> torch.Tensor:
        """Exploring action: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:
        """Best action: (N, *obs_shape) -> (N,) or (N, A)."""
        raise NotImplementedError

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> Any:
        """The noise of updates of that leading shape."""
        raise NotImplementedError

    def prepare(self, batch: Transition) -> Transition:
        """The batch as the equations read it: see read_batch."""
        raise NotImplementedError

    def step(self, batch: Transition, noise: Any) -> UpdateInfo:
        """One gradient step of every net on (B, ...), targets aside: nothing but tensors, to be compiled whole."""
        raise NotImplementedError

    def value_and_grad(self, net: str, loss_of: Callable[[Tensors], Any]) -> Any:
        """As jax.value_and_grad(loss_of, has_aux=True) at the net's parameters: returns ((loss, aux), a vector).

        The compiler traces a gradient that is a function of the vector; eager, an update takes 1.8 times as long so.
        """
        params = self.params[net]
        if torch.compiler.is_compiling():
            function = torch.func.grad_and_value(lambda vector: loss_of(params.split(vector)), has_aux=True)
            grad, value = function(params.vector)
            return value, grad
        loss, aux = loss_of(params.tensors)
        grads = torch.autograd.grad(loss, params.tensors)
        return (loss.detach(), aux), torch.cat([g.reshape(-1) for g in grads])

    def descend(self, net: str, grad: torch.Tensor, max_norm: float | None) -> torch.Tensor | None:
        """Clip, (D5), (S8): params - learning_rate * direction, in place. Returns the norm before the clip, if any."""
        norm = None if max_norm is None else clip_by_global_norm(grad, max_norm)
        OPTIMIZERS[self.config.optimizer](self.params[net].vector, grad, self.moments[net], self.hyper.learning_rate)
        return norm

    def update(self, batch: Transition, noise: Any) -> UpdateInfo:
        """One gradient step on (B, ...), then (D6), (S9) where they are due."""
        info = self.step(batch, noise)
        self.num_updates += 1
        if self.num_updates % self.config.target_update_interval == 0:
            for net, target in self.target_params.items():
                target_step(target, self.params[net], self.hyper.tau)
        return info


def read_batch(batch: Transition, action: torch.Tensor, spec: EnvSpec, dtype: torch.dtype) -> Transition:
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


def target_step(target: Parameters, online: Parameters, tau: float) -> None:
    """(D6), (S9): target <- (1 - tau) target + tau online, in place."""
    target.vector.lerp_(online.vector, tau)
