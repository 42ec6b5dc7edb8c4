"""SAC in PyTorch: eager, by the equations of sac.py. Its twin is sac_jax.py."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch

from rlpair.algos.augment_torch import random_offsets, shift_images
from rlpair.algos.learner_torch import Count, Learner, Nets, discount, read_batch, target_step, tensors, weighted_mean
from rlpair.algos.optimizers_torch import clip_by_global_norm, empty_moments
from rlpair.algos.sac import LOG_STD_MAX, LOG_STD_MIN, SACConfig, hyperparameters
from rlpair.nets.arch import Networks
from rlpair.nets.networks_torch import apply, apply_each, flatten_obs
from rlpair.nets.parameters_torch import Tensors, scalar
from rlpair.types import EnvSpec, Transition, UpdateInfo

Policy = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # obs (B, O) -> mean, log_std, both (B, A)
QFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # obs (B, O), action (B, A) -> each critic's (E, B)
Noise = tuple[torch.Tensor, ...]  # standard normal, for the next action and the action, (B, A); of (S11) the offsets


def clip_log_std(log_std: torch.Tensor) -> torch.Tensor:
    """Clip as (S2) has it. The gradient is 1 within the bounds, the bounds included, and 0 outside."""
    inside = (log_std >= LOG_STD_MIN) & (log_std <= LOG_STD_MAX)
    return torch.where(inside, log_std, log_std.detach().clamp(LOG_STD_MIN, LOG_STD_MAX))


def squash(mean: torch.Tensor, log_std: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute (S2): the action (B, A) in [-1, 1] and its log-probability (B,)."""
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2.0) - u - torch.logaddexp(-2 * u, torch.zeros_like(u)))
    return u.tanh(), (gaussian - correction).sum(-1)


def min_q(q: QFunction, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Return the smallest of the critics' values, (B,). Ties share the gradient."""
    return q(obs, action).amin(0)


@torch.no_grad()
def td_target(
    policy: Policy, target_q: QFunction, batch: Transition, alpha: torch.Tensor, gamma: float, noise: torch.Tensor
) -> torch.Tensor:
    """Compute the targets (S3), (B,)."""
    next_action, next_log_prob = squash(*policy(batch.next_obs), noise)
    next_value = min_q(target_q, batch.next_obs, next_action) - alpha * next_log_prob
    return batch.reward + discount(batch, gamma) * next_value


def critic_loss(q: QFunction, batch: Transition, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute (S4). Returns the loss () and the TD errors (E, B) of the critics."""
    td_errors = target[None] - q(batch.obs, batch.action)
    losses = [weighted_mean(0.5 * td_error**2, batch.weight) for td_error in td_errors]
    return torch.stack(losses).sum(), td_errors.detach()


def actor_loss(
    policy: Policy, q: QFunction, batch: Transition, alpha: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute (S5). Returns the loss () and the log-probabilities (B,)."""
    action, log_prob = squash(*policy(batch.obs), noise)
    return weighted_mean(alpha * log_prob - min_q(q, batch.obs, action), batch.weight), log_prob.detach()


def alpha_loss(
    log_alpha: torch.Tensor, log_prob: torch.Tensor, target_entropy: float, weight: torch.Tensor | None
) -> torch.Tensor:
    """Compute the temperature's loss (S6), ()."""
    return weighted_mean(-log_alpha * (log_prob + target_entropy).detach(), weight)


class SAC(Learner):
    """SAC: the nets ``actor``, ``critic`` and the number ``log_alpha``, of images ``encoder`` too.

    The nets that the critics' losses train, ``valuing``, have targets.
    """

    valuing: Sequence[str]

    def features(self, params: Nets, obs: torch.Tensor) -> torch.Tensor:  # (S10): what policy and q_values take, (B, F)
        return apply(self.networks["encoder"][0], params["encoder"], obs) if "encoder" in self.networks else obs

    def policy(self, params: Tensors, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = apply(self.networks["actor"][0], params, obs).chunk(2, dim=-1)
        return mean, clip_log_std(log_std)

    def q_values(self, params: Tensors, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:  # (E, B)
        values = apply_each(self.networks["critic"], params, torch.cat([obs, action], -1))
        return torch.stack(values)[..., 0]

    def policy_of(self, params: Nets) -> Policy:  # of observations
        return lambda obs: self.policy(params["actor"], self.features(params, obs))

    def q_of(self, params: Nets) -> QFunction:  # of observations
        return lambda obs, action: self.q_values(params["critic"], self.features(params, obs), action)

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:  # (N, ...) -> (N, A)
        mean, _ = self.policy_of(tensors(self.params))(flatten_obs(obs, self.spec.obs_shape, self.dtype))
        return self.to_box(mean.tanh())

    def act(self, obs: torch.Tensor, noise: tuple[torch.Tensor], env_steps: int) -> torch.Tensor:
        mean, log_std = self.policy_of(tensors(self.params))(flatten_obs(obs, self.spec.obs_shape, self.dtype))
        action, _ = squash(mean, log_std, *noise)
        return self.to_box(action)

    def act_noise(self, generator: torch.Generator, n: int) -> tuple[torch.Tensor]:  # standard normal (N, A)
        shape = (n, self.spec.action_dim)
        return (torch.randn(shape, generator=generator, dtype=self.dtype, device=generator.device),)

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> Noise:
        shape, offsets = (2, *leading_shape, self.spec.action_dim), ()
        normal = torch.randn(shape, generator=generator, dtype=self.dtype, device=generator.device)
        if self.config.random_shift:
            offsets = tuple(random_offsets(generator, (2, *leading_shape), self.config.random_shift))
        return *normal, *offsets

    def prepare(self, batch: Transition) -> Transition:
        return read_batch(batch, self.from_box(batch.action), self.spec, self.dtype)

    def update(self, batch: Transition, noise: Noise, num_updates: Count) -> UpdateInfo:
        config, hyper = self.config, self.hyper
        (log_alpha,) = self.params["log_alpha"].tensors
        alpha, (next_noise, action_noise, *offsets) = log_alpha.detach().exp(), noise
        batch = self.prepare(shift_images(batch, offsets, config.random_shift))

        def step(net: str, grad: torch.Tensor) -> None:
            if config.max_grad_norm is not None and net != "log_alpha":
                clip_by_global_norm(grad, hyper.max_grad_norm)
            self.descend(net, grad)

        policy, target_q = self.policy_of(tensors(self.params)), self.q_of(tensors(self.target_params))
        target = td_target(policy, target_q, batch, alpha, hyper.gamma, next_noise)

        def critic_loss_of(params: Nets) -> tuple[torch.Tensor, torch.Tensor]:
            return critic_loss(self.q_of(params), batch, target)

        (q_loss, td_errors), grads = self.value_and_grads(self.valuing, critic_loss_of)
        for net in self.valuing:
            step(net, grads[net])
        valued = tensors(self.params)
        with torch.no_grad():
            seen = self.features(valued, batch.obs)
        q = partial(self.q_values, valued["critic"])

        def actor_loss_of(params: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
            return actor_loss(partial(self.policy, params), q, batch._replace(obs=seen), alpha, action_noise)

        (pi_loss, log_prob), grad = self.value_and_grad("actor", actor_loss_of)
        step("actor", grad)

        def alpha_loss_of(params: Tensors) -> tuple[torch.Tensor, tuple[()]]:
            return alpha_loss(params[0], log_prob, hyper.target_entropy, batch.weight), ()

        metrics = {"loss/critic": q_loss, "loss/actor": pi_loss, "train/alpha": alpha}
        metrics |= {"train/entropy": -log_prob.mean(), "train/q_mean": (target[None] - td_errors).mean()}
        if config.learns_alpha:
            (metrics["loss/alpha"], _), grad = self.value_and_grad("log_alpha", alpha_loss_of)
            step("log_alpha", grad)

        due = (num_updates + 1) % config.target_update_interval == 0
        for net in self.valuing:
            target_step(self.target_params[net], self.params[net], hyper.tau, due)
        return UpdateInfo(metrics, td_errors.mean(0))


def make_learner(
    config: SACConfig, spec: EnvSpec, networks: Networks, *, dtype: torch.dtype, device: torch.device
) -> SAC:
    """Make SAC for such an environment, with its networks and its optimizer's moments."""
    valuing = ["encoder", "critic"] if "encoder" in networks else ["critic"]
    learner = SAC(config, spec, networks, hyperparameters(config, spec), valuing, dtype=dtype, device=device)
    learner.valuing = valuing
    learner.params["log_alpha"] = scalar("log_alpha", dtype, device)
    if config.learns_alpha:
        learner.moments["log_alpha"] = empty_moments(config.optimizer, learner.params["log_alpha"])
    return learner
