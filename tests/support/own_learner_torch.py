"""DQN on observations less their running mean, in PyTorch. The twin of own_learner_jax.py."""

from typing import Any

import torch

from rlpair.algos.dqn import hyperparameters
from rlpair.algos.dqn_torch import DQN
from rlpair.types import EnvSpec, Transition, UpdateInfo


class Centred(DQN):
    """DQN, which sees other observations."""

    def centred(self, obs: torch.Tensor) -> torch.Tensor:
        return obs - self.model_state["obs.mean"]

    def best(self, obs: torch.Tensor) -> torch.Tensor:
        return super().best(self.centred(obs))

    def update(self, batch: Transition, noise: Any, num_updates: Any) -> UpdateInfo:
        obs, next_obs = self.centred(batch.obs), self.centred(batch.next_obs)
        mean, count = self.model_state["obs.mean"], self.model_state["obs.count"]
        count += len(obs)
        mean += obs.sum(0) / count
        return super().update(batch._replace(obs=obs, next_obs=next_obs), noise, num_updates)


def make_learner(config: Any, spec: EnvSpec, networks: Any, *, dtype: torch.dtype, device: torch.device) -> Centred:
    """With the mean of no observations."""
    learner = Centred(config, spec, networks, hyperparameters(config, spec), ["q"], dtype=dtype, device=device)
    zeros = {"obs.mean": torch.zeros(spec.obs_shape), "obs.count": torch.zeros(())}
    learner.model_state = {name: tensor.to(device, dtype) for name, tensor in zeros.items()}
    return learner
