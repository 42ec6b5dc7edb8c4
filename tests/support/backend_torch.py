"""The torch learners' functions as the tests call them: numpy in, numpy out. The twin of backend_jax.py."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from rlpair import DQNConfig, Transition
from rlpair.algos import dqn_torch, learner_torch, sac_torch
from rlpair.algos.learner_torch import prepare

dqn, sac = dqn_torch, sac_torch
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


def optimize(
    name: str, params: Sequence[Any], gradients: Sequence[Sequence[Any]], lr: float, max_norm: float | None = None
) -> tuple[list[list[np.ndarray]], Any]:
    """The parameters after each step along such gradients, and the last step's norm before the clip."""
    learner = learner_torch.Learner()
    own = learner_torch.Parameters(array(p).requires_grad_() for p in params)
    learner.config, learner.hyper = DQNConfig(optimizer=name), SimpleNamespace(learning_rate=array(lr))
    learner.params, learner.moments = {"q": own}, {"q": learner_torch.empty_moments(name, own)}
    steps, norm = [], None
    for grads in gradients:
        norm = learner.descend("q", torch.cat([array(g).reshape(-1) for g in grads]), max_norm)
        steps.append([numbers(p).copy() for p in own.tensors])
    return steps, norm


def blend(target: Any, online: Any, tau: float) -> np.ndarray:
    """The target after target_step."""
    own = learner_torch.Parameters([array(target)])
    learner_torch.target_step(own, learner_torch.Parameters([array(online)]), tau)
    return numbers(own.tensors[0])


def losses(agent: Any, batch: Transition, noise: Any = ()) -> dict[str, np.ndarray]:
    """Values, targets, losses and gradients per parameter at the agent's parameters, by name."""
    function = {"dqn": _dqn_losses, "sac": _sac_losses}[agent.config.name]
    batch = Transition(*(None if x is None else torch.as_tensor(x, device=agent.device) for x in batch))
    found = function(agent, batch, [torch.as_tensor(x, dtype=agent.learner.dtype, device=agent.device) for x in noise])
    return {name: numbers(x) for name, x in found.items()}


def _dqn_losses(agent: Any, batch: Transition, noise: Any) -> dict[str, torch.Tensor]:
    learner, config, spec = agent.learner, agent.config, agent.spec
    batch = prepare(batch, batch.action.long() - spec.action_start, spec, learner.dtype)
    target = dqn.td_target(learner.q, learner.target_q, batch, config.gamma, config.double_q)
    loss, (td_error, _) = dqn.q_loss(learner.q, batch, target)
    found = {"q_values": learner.q(batch.obs), "target": target, "loss": loss, "td_error": td_error}
    return found | _gradients(learner, "q", loss)


def _sac_losses(agent: Any, batch: Transition, noise: Any) -> dict[str, torch.Tensor]:
    learner, config = agent.learner, agent.config
    batch = prepare(batch, learner.from_box(batch.action), agent.spec, learner.dtype)
    alpha, (next_noise, action_noise) = learner.log_alpha.detach().exp(), noise
    policy = partial(learner.policy, learner.params["actor"].tensors)
    critics, targets = (learner.critics_of(x["critic"].tensors) for x in (learner.params, learner.target_params))
    mean, log_std = policy(batch.obs)
    target = sac.td_target(policy, targets, batch, alpha, config.gamma, next_noise)
    critic_loss, td_errors = sac.critic_loss(critics, batch, target)
    actor_loss, log_prob = sac.actor_loss(policy, critics, batch, alpha, action_noise)
    found = {"mean": mean, "log_std": log_std, "target": target, "td_errors": td_errors, "log_prob": log_prob}
    found |= {"critic_loss": critic_loss, "actor_loss": actor_loss}
    found |= _gradients(learner, "critic", critic_loss) | _gradients(learner, "actor", actor_loss)
    if config.learns_alpha:
        found["alpha_loss"] = sac.alpha_loss(learner.log_alpha, log_prob, learner.hyper.target_entropy, batch.weight)
        found["gradient.log_alpha"] = torch.autograd.grad(found["alpha_loss"], learner.log_alpha)[0]
    return found


def _gradients(learner: Any, net: str, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    params = {}
    for index, mlp in enumerate(learner.networks[net]):
        for layer, (weight, bias) in enumerate(mlp.dense):
            params[f"gradient.{net}.{index}.{layer}.weight"] = weight
            params[f"gradient.{net}.{index}.{layer}.bias"] = bias
    gradients = torch.autograd.grad(loss, list(params.values()), retain_graph=True)
    return {name: g.T if g.ndim == 2 else g for name, g in zip(params, gradients, strict=True)}


def training_noise(agent: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Both noises that an update of such a leading shape draws: (2, *shape, A)."""
    return np.stack([numbers(x) for x in agent.learner.sample_noise(agent.generator, shape)])
