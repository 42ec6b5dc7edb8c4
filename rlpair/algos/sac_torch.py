"""SAC in PyTorch: eager, by the equations of sac.py. Its twin is sac_jax.py."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch

from rlpair.algos.learner_torch import (
    Learner,
    Parameters,
    Tensors,
    discount,
    empty_moments,
    parameters_of,
    prepare,
    weighted_mean,
)
from rlpair.algos.sac import LOG_STD_MAX, LOG_STD_MIN, SACConfig, hyperparameters
from rlpair.nets.networks_torch import MLP, apply, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo

Policy = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # obs (B, O) -> mean, log_std, both (B, A)
Critic = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # obs (B, O), action (B, A) -> q (B,)
Noise = tuple[torch.Tensor, torch.Tensor]  # standard normal, for the next action and for the action, both (B, A)


def clip_log_std(log_std: torch.Tensor) -> torch.Tensor:
    """(S2). The gradient is 1 within the bounds, the bounds included, and 0 outside."""
    inside = (log_std >= LOG_STD_MIN) & (log_std <= LOG_STD_MAX)
    return torch.where(inside, log_std, log_std.detach().clamp(LOG_STD_MIN, LOG_STD_MAX))


def squash(mean: torch.Tensor, log_std: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(S2): the action (B, A) in [-1, 1] and its log-probability (B,)."""
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2.0) - u - torch.logaddexp(-2 * u, torch.zeros_like(u)))
    return u.tanh(), (gaussian - correction).sum(-1)


def min_q(critics: Sequence[Critic], obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """The smallest of the critics' values, (B,). Ties share the gradient."""
    return torch.stack([critic(obs, action) for critic in critics]).amin(0)


@torch.no_grad()
def td_target(
    policy: Policy,
    target_critics: Sequence[Critic],
    batch: Transition,
    alpha: torch.Tensor,
    gamma: float,
    noise: torch.Tensor,
) -> torch.Tensor:
    """(S3), (B,)."""
    next_action, next_log_prob = squash(*policy(batch.next_obs), noise)
    next_value = min_q(target_critics, batch.next_obs, next_action) - alpha * next_log_prob
    return batch.reward + discount(batch, gamma) * next_value


def critic_loss(
    critics: Sequence[Critic], batch: Transition, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S4). Returns the loss () and the TD errors (E, B) of the critics."""
    td_errors = torch.stack([target - critic(batch.obs, batch.action) for critic in critics])
    losses = [weighted_mean(0.5 * td_error**2, batch.weight) for td_error in td_errors]
    return torch.stack(losses).sum(), td_errors.detach()


def actor_loss(
    policy: Policy, critics: Sequence[Critic], batch: Transition, alpha: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S5). Returns the loss () and the log-probabilities (B,)."""
    action, log_prob = squash(*policy(batch.obs), noise)
    return weighted_mean(alpha * log_prob - min_q(critics, batch.obs, action), batch.weight), log_prob.detach()


def alpha_loss(
    log_alpha: torch.Tensor, log_prob: torch.Tensor, target_entropy: float, weight: torch.Tensor | None
) -> torch.Tensor:
    """(S6), ()."""
    return weighted_mean(-log_alpha * (log_prob + target_entropy).detach(), weight)


class SAC(Learner):
    """SAC for such an environment, with its networks and its optimizer's moments."""

    def __init__(self, config: SACConfig, spec: EnvSpec, *, dtype: torch.dtype, device: torch.device) -> None:
        self.config, self.spec, self.dtype = config, spec, dtype
        learning_rate = torch.tensor(config.learning_rate, dtype=dtype, device=device)
        self.hyper = hyperparameters(config, spec)._replace(learning_rate=learning_rate)
        obs_size = torch.Size(spec.obs_shape).numel()
        bounds = (spec.action_low, spec.action_high)
        self.low, self.high = (torch.tensor(bound, dtype=dtype, device=device) for bound in bounds)

        def networks(count: int, inputs: int, outputs: int) -> list[MLP]:
            return [MLP((inputs, *config.net_arch, outputs), config.activation).to(device, dtype) for _ in range(count)]

        actor = networks(1, obs_size, 2 * spec.action_dim)
        critics, targets = (networks(config.n_critics, obs_size + spec.action_dim, 1) for _ in range(2))
        self.log_alpha = torch.zeros((), dtype=dtype, device=device, requires_grad=config.learns_alpha)
        self.networks, self.target_networks = {"actor": actor, "critic": critics}, {"critic": targets}
        self.scalars = {"log_alpha": self.log_alpha}
        self.params = {net: parameters_of(mlps) for net, mlps in self.networks.items()}
        self.target_params = {"critic": parameters_of(targets)}
        if config.learns_alpha:
            self.params["log_alpha"] = Parameters([self.log_alpha])
        self.moments = {net: empty_moments(config.optimizer, params) for net, params in self.params.items()}

    def policy(self, params: Tensors, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = apply(self.networks["actor"][0], params, obs).chunk(2, dim=-1)
        return mean, clip_log_std(log_std)

    def q_values(self, params: Tensors, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:  # of one critic
        return apply(self.networks["critic"][0], params, torch.cat([obs, action], -1))[..., 0]

    def critics_of(self, params: Tensors) -> list[Critic]:
        size = len(params) // self.config.n_critics
        return [partial(self.q_values, params[i : i + size]) for i in range(0, len(params), size)]

    def to_box(self, action: torch.Tensor) -> torch.Tensor:  # [-1, 1] -> the environment's units
        return (self.low + 0.5 * (action + 1) * (self.high - self.low)).clamp(self.low, self.high)

    def from_box(self, action: torch.Tensor) -> torch.Tensor:  # the environment's units -> [-1, 1]
        return 2 * (action.to(self.dtype) - self.low) / (self.high - self.low) - 1

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:  # (N, ...) -> (N, A)
        mean, _ = self.policy(self.params["actor"].tensors, flatten_obs(obs, self.spec.obs_shape, self.dtype))
        return self.to_box(mean.tanh())

    def act(self, obs: torch.Tensor, generator: torch.Generator, env_steps: int) -> torch.Tensor:  # as greedy
        mean, log_std = self.policy(self.params["actor"].tensors, flatten_obs(obs, self.spec.obs_shape, self.dtype))
        noise = torch.randn(mean.shape, generator=generator, dtype=self.dtype, device=mean.device)
        action, _ = squash(mean, log_std, noise)
        return self.to_box(action)

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> Noise:
        shape = (2, *leading_shape, self.spec.action_dim)
        next_noise, noise = torch.randn(shape, generator=generator, dtype=self.dtype, device=self.low.device)
        return next_noise, noise

    def step(self, batch: Transition, noise: Noise) -> UpdateInfo:
        config, hyper = self.config, self.hyper
        batch = prepare(batch, self.from_box(batch.action), self.spec, self.dtype)
        log_alpha = self.params["log_alpha"].tensors[0] if config.learns_alpha else self.log_alpha
        alpha, (next_noise, action_noise) = log_alpha.detach().exp(), noise

        target_critics = self.critics_of(self.target_params["critic"].tensors)
        policy = partial(self.policy, self.params["actor"].tensors)
        target = td_target(policy, target_critics, batch, alpha, hyper.gamma, next_noise)

        def critic_loss_of(params: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
            return critic_loss(self.critics_of(params), batch, target)

        (q_loss, td_errors), grad = self.value_and_grad("critic", critic_loss_of)
        self.descend("critic", grad, config.max_grad_norm)
        critics = self.critics_of(self.params["critic"].tensors)

        def actor_loss_of(params: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
            return actor_loss(partial(self.policy, params), critics, batch, alpha, action_noise)

        (pi_loss, log_prob), grad = self.value_and_grad("actor", actor_loss_of)
        self.descend("actor", grad, config.max_grad_norm)

        def alpha_loss_of(params: Tensors) -> tuple[torch.Tensor, tuple[()]]:
            return alpha_loss(params[0], log_prob, hyper.target_entropy, batch.weight), ()

        metrics = {"loss/critic": q_loss, "loss/actor": pi_loss, "train/alpha": alpha}
        metrics |= {"train/entropy": -log_prob.mean(), "train/q_mean": (target[None] - td_errors).mean()}
        if config.learns_alpha:
            (metrics["loss/alpha"], _), grad = self.value_and_grad("log_alpha", alpha_loss_of)
            self.descend("log_alpha", grad, None)
        return UpdateInfo(metrics, td_errors.mean(0))


make_learner = SAC
