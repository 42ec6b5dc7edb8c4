"""An environment and an agent of which all is known: what the tests of the training loop run on."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlpair import DQNConfig, EnvSpec, Transition, UpdateInfo
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import as_envs

CLOCKS = {"throughput/env_steps_per_second", "throughput/updates_per_second"}


class Stairs(gym.Env[np.ndarray, Any]):
    """The steps of an episode pay 1, 2, 3, ..., and ``length`` of them are all. The observation is their number."""

    observation_space = spaces.Box(0, 100, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, length: int, truncates: bool = False) -> None:
        self.length, self.truncates = length, truncates

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        over = self.count == self.length
        return np.full(1, self.count, np.float32), float(self.count), over and not self.truncates, over, {}


def stairs(*lengths: int, truncates: bool = False) -> HostEnvs:
    fns: list[Callable[[], Any]] = [partial(Stairs, length, truncates) for length in lengths]
    return as_envs(SyncVectorEnv(fns, autoreset_mode=AutoresetMode.SAME_STEP))


STAIRS = EnvSpec((1,), "float32", True, 2)


class FakeAgent:
    """No more than the contract of rlpair.types.Agent that a loop may use; remembers how it was called."""

    def __init__(self, loss: float = 0.5, spec: EnvSpec = STAIRS, **config: Any) -> None:
        self.spec = spec
        self.config = DQNConfig(**{"learning_starts": 0, "batch_size": 4, "train_freq": 1, **config})
        self.loss, self.num_updates = loss, 0
        self.env_steps: list[int | None] = []  # at each exploring act
        self.batches: list[Transition] = []

    def act(self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None) -> np.ndarray:
        if explore:
            self.env_steps.append(env_steps)
        return np.full(len(obs), int(not explore), np.int32)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        self.batches.append(batch)
        self.num_updates += len(batch.reward)
        return UpdateInfo({"loss/q": np.full(len(batch.reward), self.loss)}, np.zeros_like(batch.reward))
