"""DQN in PyTorch: eager, by the equations of dqn.py. Its twin is dqn_jax.py."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from rlpair.algos.dqn import DQNConfig, Hyper, hyperparameters
from rlpair.algos.learner_torch import Count, Learner, discount, read_batch, target_step, weighted_mean
from rlpair.algos.optimizers_torch import clip_by_global_norm
from rlpair.nets.arch import Networks
from rlpair.nets.networks_torch import apply, flatten_obs
from rlpair.nets.parameters_torch import Tensors
from rlpair.types import EnvSpec, Transition, UpdateInfo

QFunction = Callable[[torch.Tensor], torch.Tensor]  # obs (B, ...) -> a value per action (B, A)
ActNoise = tuple[torch.Tensor, torch.Tensor]  # a coin, uniform in [0, 1), and any action, from 0: both (N,)


def epsilon(hyper: Hyper, env_steps: int) -> float:
    """Compute the share of random actions (D7), ()."""
    fraction = min(env_steps / hyper.exploration_steps, 1.0)
    return hyper.initial_eps + fraction * (hyper.final_eps - hyper.initial_eps)


def select(q_values: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Select each row's value of its action: (B, A), (B,) -> (B,)."""
    return q_values.gather(-1, action[:, None])[:, 0]


def huber(x: torch.Tensor) -> torch.Tensor:
    """Apply the loss of (D3), with delta 1, to each TD error."""
    return nn.functional.huber_loss(x, torch.zeros_like(x), reduction="none", delta=1.0)


@torch.no_grad()
def td_target(q: QFunction, target_q: QFunction, batch: Transition, gamma: float, double_q: bool) -> torch.Tensor:
    """Compute the targets (D2), (B,)."""
    next_q = target_q(batch.next_obs)  # (B, A)
    best = q(batch.next_obs).argmax(-1) if double_q else None  # (B,)
    next_value = next_q.amax(-1) if best is None else select(next_q, best)
    return batch.reward + discount(batch, gamma) * next_value


def q_loss(
    q: QFunction, batch: Transition, target: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Compute (D3). Returns the loss () and, for the log, the TD error and the value of the action taken, both (B,)."""
    q_taken = select(q(batch.obs), batch.action)
    td_error = target - q_taken
    return weighted_mean(huber(td_error), batch.weight), (td_error.detach(), q_taken.detach())


class DQN(Learner):
    """DQN: one net, ``q``, and its target."""

    def q_values(self, params: Tensors, obs: torch.Tensor) -> torch.Tensor:  # flat obs (B, O) -> (B, A)
        return apply(self.networks["q"][0], params, obs)

    def greedy(self, obs: torch.Tensor) -> torch.Tensor:  # (N, ...) -> (N,)
        return self.best(obs) + self.spec.action_start

    def best(self, obs: torch.Tensor) -> torch.Tensor:  # as greedy, from 0
        q = self.q_values(self.params["q"].tensors, flatten_obs(obs, self.spec.obs_shape, self.dtype))
        return q.argmax(-1)

    def act(self, obs: torch.Tensor, noise: ActNoise, env_steps: int) -> torch.Tensor:  # as greedy
        coin, anything = noise
        explore = coin < epsilon(self.hyper, env_steps)
        return torch.where(explore, anything, self.best(obs)) + self.spec.action_start

    def act_noise(self, generator: torch.Generator, n: int) -> ActNoise:
        coin = torch.rand(n, generator=generator, device=generator.device)
        return coin, torch.randint(self.spec.action_dim, (n,), generator=generator, device=generator.device)

    def sample_noise(self, generator: torch.Generator, leading_shape: tuple[int, ...]) -> tuple[()]:
        return ()

    def prepare(self, batch: Transition) -> Transition:
        return read_batch(batch, batch.action.long() - self.spec.action_start, self.spec, self.dtype)

    def update(self, batch: Transition, noise: tuple[()], num_updates: Count) -> UpdateInfo:
        config, hyper, batch = self.config, self.hyper, self.prepare(batch)

        q, target_q = (partial(self.q_values, nets["q"].tensors) for nets in (self.params, self.target_params))
        target = td_target(q, target_q, batch, hyper.gamma, config.double_q)

        def loss_of(params: Tensors) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
            return q_loss(partial(self.q_values, params), batch, target)

        (loss, (td_error, q_taken)), grad = self.value_and_grad("q", loss_of)
        metrics = {"loss/q": loss, "train/q_mean": q_taken.mean()}
        if config.max_grad_norm is not None:
            metrics["train/grad_norm"] = clip_by_global_norm(grad, hyper.max_grad_norm)
        self.descend("q", grad)

        due = (num_updates + 1) % config.target_update_interval == 0
        target_step(self.target_params["q"], self.params["q"], hyper.tau, due)
        return UpdateInfo(metrics, td_error)


def make_learner(
    config: DQNConfig, spec: EnvSpec, networks: Networks, *, dtype: torch.dtype, device: torch.device
) -> DQN:
    """Make DQN for such an environment, with its networks and its optimizer's moments."""
    return DQN(config, spec, networks, hyperparameters(config, spec), ["q"], dtype=dtype, device=device)
