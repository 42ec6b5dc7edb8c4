"""The torch learners' functions as the tests call them: numpy in, numpy out. The twin of backend_jax.py."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from rlpair import DQNConfig, Transition
from rlpair.algos import dqn_torch, learner_torch, optimizers_torch, sac_torch
from rlpair.nets.arch import Array
from rlpair.nets.parameters_torch import Parameters

dqn, sac, stack = dqn_torch, sac_torch, torch.stack
torch.set_num_threads(1)  # networks this small only lose by a second thread


def array(x: Any) -> torch.Tensor:
    """A float64 tensor."""
    return torch.tensor(x, dtype=torch.float64)


def batch_of(**arrays: Any) -> Transition:
    """A batch as the equations read it; what is not given is zeros (B,)."""
    zeros = torch.zeros(len(next(iter(arrays.values()))), dtype=torch.float64)
    given = {name: torch.tensor(x) if name == "action" else array(x) for name, x in arrays.items()}
    return Transition(**dict.fromkeys(Transition._fields[:5], zeros) | given)


def numbers(x: Any) -> np.ndarray:
    """As numpy."""
    return x.detach().cpu().numpy()


def gradient(function: Callable[[Any], Any], x: Any) -> np.ndarray:
    """Of the sum of the function's values at x; 0 where nothing flows."""
    x = array(x).requires_grad_()
    value = function(x).sum()
    return numbers(torch.autograd.grad(value, x)[0]) if value.requires_grad else np.zeros(x.shape)


def parameters(tensors: Iterable[torch.Tensor]) -> Parameters:
    """Those of a net, named 0, 1 and so on."""
    tensors = list(tensors)
    arrays = {str(k): Array(tuple(x.shape), 1, tuple(range(x.ndim))) for k, x in enumerate(tensors)}
    return Parameters(arrays, tensors)


def optimize(
    name: str, params: Sequence[Any], gradients: Sequence[Sequence[Any]], lr: float, max_norm: float | None = None
) -> tuple[list[list[np.ndarray]], Any]:
    """The parameters after each step along such gradients, and the last step's norm before the clip."""
    learner = learner_torch.Learner.__new__(learner_torch.Learner)  # which has networks of its own
    own = parameters(array(p).requires_grad_() for p in params)
    learner.config, learner.hyper = DQNConfig(optimizer=name), SimpleNamespace(learning_rate=array(lr))
    learner.params, learner.moments = {"q": own}, {"q": optimizers_torch.empty_moments(name, own)}
    steps, norm = [], None
    for grads in gradients:
        grad = torch.cat([array(g).reshape(-1) for g in grads])
        if max_norm is not None:
            norm = optimizers_torch.clip_by_global_norm(grad, max_norm)
        learner.descend("q", grad)
        steps.append([numbers(p).copy() for p in own.tensors])
    return steps, norm


def blend(target: Any, online: Any, tau: float) -> np.ndarray:
    """The target after target_step."""
    own = parameters([array(target)])
    learner_torch.target_step(own, parameters([array(online)]), tau, True)
    return numbers(own.tensors[0])


def losses(agent: Any, batch: Transition, noise: Any = ()) -> dict[str, np.ndarray]:
    """Values, targets, losses and gradients per parameter at the agent's parameters, by name."""
    function = {"dqn": _dqn_losses, "sac": _sac_losses}[agent.config.name]
    batch = Transition(*(None if x is None else torch.as_tensor(x, device=agent.device) for x in batch))
    found = function(agent, batch, [torch.as_tensor(x, dtype=agent.learner.dtype, device=agent.device) for x in noise])
    return {name: numbers(x) for name, x in found.items()}


def _dqn_losses(agent: Any, batch: Transition, noise: Any) -> dict[str, torch.Tensor]:
    learner = agent.learner
    q, target_q = (partial(learner.q_values, x["q"].tensors) for x in (learner.params, learner.target_params))
    batch = learner.prepare(batch)
    target = dqn.td_target(q, target_q, batch, agent.config.gamma, agent.config.double_q)
    loss, (td_error, _) = dqn.q_loss(q, batch, target)
    found = {"q_values": q(batch.obs), "target": target, "loss": loss, "td_error": td_error}
    return found | _gradients(learner, "q", loss)


def _sac_losses(agent: Any, batch: Transition, noise: Any) -> dict[str, torch.Tensor]:
    learner = agent.learner
    (log_alpha,), (next_noise, action_noise, *_) = learner.params["log_alpha"].tensors, noise
    policy, alpha = learner.policy_of(learner_torch.tensors(learner.params)), log_alpha.detach().exp()
    q, target_q = (learner.q_of(learner_torch.tensors(x)) for x in (learner.params, learner.target_params))
    batch = learner.prepare(batch)
    target = sac.td_target(policy, target_q, batch, alpha, agent.config.gamma, next_noise)
    critic_loss, td_errors = sac.critic_loss(q, batch, target)
    actor_loss, log_prob = sac.actor_loss(policy, q, batch, alpha, action_noise)
    mean, log_std = policy(batch.obs)
    found = {"mean": mean, "log_std": log_std, "target": target, "td_errors": td_errors, "log_prob": log_prob}
    found |= {"critic_loss": critic_loss, "actor_loss": actor_loss}
    found |= _gradients(learner, "critic", critic_loss) | _gradients(learner, "actor", actor_loss)
    if "encoder" in learner.params:
        found |= _gradients(learner, "encoder", critic_loss)
    if agent.config.learns_alpha:
        found["alpha_loss"] = sac.alpha_loss(log_alpha, log_prob, learner.hyper.target_entropy, batch.weight)
        found |= _gradients(learner, "log_alpha", found["alpha_loss"])
    return found


def _gradients(learner: Any, net: str, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    params = learner.params[net]
    grads = torch.autograd.grad(loss, params.tensors, retain_graph=True)
    vector = torch.cat([grad.reshape(-1) for grad in grads])
    return {f"gradient.{name}": grad for name, grad in params.named(vector).items()}


def explore(agent: Any, obs: np.ndarray, noise: Sequence[np.ndarray], env_steps: int) -> np.ndarray:
    """Exploring actions as the learner computes them, in the agent's dtype."""
    tensor, *given = (torch.as_tensor(x, device=agent.device) for x in (obs, *noise))
    return numbers(agent.learner.act(tensor, tuple(given), env_steps))


def training_noise(agent: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Both noises that an update of such a leading shape draws: (2, *shape, A)."""
    return np.stack([numbers(x) for x in agent.learner.sample_noise(agent.generator, shape)])
