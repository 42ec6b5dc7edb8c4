"""TD3 in PyTorch, by the equations of td3.py. Its twin is td3_jax.py."""

from functools import partial
from typing import Any

import torch
from td3 import TD3Config, hyperparameters

from rlpair.algos.learner_torch import Count, Learner, discount, read_batch, target_step, weighted_mean, where_due
from rlpair.algos.optimizers_torch import clip_by_global_norm
from rlpair.nets.networks_torch import apply, apply_each, flatten_obs
from rlpair.nets.parameters_torch import Tensors
from rlpair.types import EnvSpec, Transition, UpdateInfo


class TD3(Learner):
    """TD3: the nets ``actor`` and ``critic``, and the targets of both."""

    def policy(self, params: Tensors, obs: torch.Tensor) -> torch.Tensor:  # flat obs (B, O) -> (B, A)
        return apply(self.networks["actor"][0], params, obs).tanh()

    def q_values(self, params: Tensors, obs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:  # (2, B)
        return torch.stack(apply_each(self.networks["critic"], params, torch.cat([obs, action], -1)))[..., 0]

    def best(self, obs: torch.Tensor) -> torch.Tensor:  # as greedy, in [-1, 1]
        return self.policy(self.params["actor"].tensors, flatten_obs(obs, self.spec.obs_shape, self.dtype))

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:  # (N, ...) -> (N, A)
        return self.to_box(self.best(obs))

    def act(self, obs: torch.Tensor, noise: tuple[torch.Tensor], env_steps: int) -> torch.Tensor:  # (T6), as greedy
        return self.to_box((self.best(obs) + self.hyper.exploration_noise * noise[0]).clamp(-1, 1))

    def act_noise(self, generator: torch.Generator, n: int) -> tuple[torch.Tensor]:
        return self.sample_noise(generator, (n,))

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> tuple[torch.Tensor]:
        shape = (*leading_shape, self.spec.action_dim)
        return (torch.randn(shape, generator=generator, dtype=self.dtype, device=generator.device),)

    def prepare(self, batch: Transition) -> Transition:
        return read_batch(batch, self.from_box(batch.action), self.spec, self.dtype)

    @torch.no_grad()
    def td_target(self, batch: Transition, noise: torch.Tensor) -> torch.Tensor:  # (T1), (T2), (B,)
        hyper, (actor, critic) = self.hyper, (self.target_params[net].tensors for net in ("actor", "critic"))
        smoothing = (hyper.target_noise * noise.to(self.dtype)).clamp(-hyper.noise_clip, hyper.noise_clip)
        next_action = (self.policy(actor, batch.next_obs) + smoothing).clamp(-1, 1)
        return batch.reward + discount(batch, hyper.gamma) * self.q_values(critic, batch.next_obs, next_action).amin(0)

    def update(self, batch: Transition, noise: tuple[torch.Tensor], num_updates: Count) -> UpdateInfo:
        batch = self.prepare(batch)
        target = self.td_target(batch, *noise)

        def critic_loss_of(params: Tensors) -> tuple[torch.Tensor, torch.Tensor]:  # (T3)
            td_errors = target - self.q_values(params, batch.obs, batch.action)
            losses = [weighted_mean(0.5 * td_error**2, batch.weight) for td_error in td_errors]
            return torch.stack(losses).sum(), td_errors.detach()

        (loss, td_errors), grad = self.value_and_grad("critic", critic_loss_of)
        self.step("critic", grad)
        q = partial(self.q_values, self.params["critic"].tensors)

        def actor_loss_of(params: Tensors) -> tuple[torch.Tensor, tuple[()]]:  # (T4)
            return -weighted_mean(q(batch.obs, self.policy(params, batch.obs))[0], batch.weight), ()

        def improve_actor() -> None:
            self.step("actor", self.value_and_grad("actor", actor_loss_of)[1])

        due = (num_updates + 1) % self.config.policy_delay == 0
        where_due(due, improve_actor, [self.params["actor"].vector, *self.moments["actor"].values()])
        for net, target_params in self.target_params.items():  # (T5)
            target_step(target_params, self.params[net], self.hyper.tau, due)
        return UpdateInfo({"loss/critic": loss, "train/q_mean": (target - td_errors).mean()}, td_errors.mean(0))

    def step(self, net: str, grad: torch.Tensor) -> None:
        if self.config.max_grad_norm is not None:
            clip_by_global_norm(grad, self.config.max_grad_norm)
        self.descend(net, grad)


def make_learner(config: TD3Config, spec: EnvSpec, networks: Any, *, dtype: torch.dtype, device: torch.device) -> TD3:
    """TD3 for such an environment, with its networks and its optimizers' moments."""
    return TD3(config, spec, networks, hyperparameters(config, spec), ["actor", "critic"], dtype=dtype, device=device)
