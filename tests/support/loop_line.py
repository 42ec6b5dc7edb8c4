"""Environments whose every step is a script, and an agent that counts: what the laws of the loop are tested on."""

from typing import Any

import numpy as np
import toy_envs  # noqa: F401 - registers toy/...

from rlpair import DQNConfig, LoopConfig, Transition, UpdateInfo
from rlpair.envs.host import Step
from rlpair.loops.host import HostLoop
from rlpair.replay.buffer import ReplayBuffer
from rlpair.types import EnvSpec

SPEC = EnvSpec((2,), "float32", True, 3)


class Line:
    """N environments whose observation is (vector step, environment). What they pay and where they end is a script.

    It stands in for HostEnvs and writes down what it is given.
    """

    def __init__(
        self, num_envs: int = 1, ends: Any = lambda step, env: False, pays: Any = lambda step, env: 1.0
    ) -> None:
        self.spec, self.num_envs, self.ends, self.pays = SPEC, num_envs, ends, pays
        self.seeds, self.actions = list[int](), list[np.ndarray]()
        self.step_count, self.truncates = 0, False
        self.restores: list[bool] = [True] * num_envs

    def reset(self, seed: int) -> np.ndarray:
        self.seeds.append(seed)
        return self._obs()

    def _obs(self) -> np.ndarray:
        return np.stack([np.full(self.num_envs, self.step_count), np.arange(self.num_envs)], 1).astype(np.float32)

    def step(self, action: np.ndarray) -> Step:
        self.actions.append(action)
        self.step_count += 1
        rows = range(self.num_envs)
        reward = np.array([self.pays(self.step_count, env) for env in rows], np.float32)
        ended = np.array([self.ends(self.step_count, env) for env in rows])
        never = np.zeros(self.num_envs, bool)
        return Step(self._obs(), reward, self._obs(), *((never, ended) if self.truncates else (ended, never)))

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(3, size=self.num_envs, dtype=np.int32)

    def state_dict(self) -> dict[str, Any]:
        return {"step_count": self.step_count}

    def load_state_dict(self, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        self.step_count = state["step_count"]
        return self._obs(), np.array(self.restores)

    def close(self) -> None:
        pass


class CountingAgent:
    """Its n-th update loses n. Acts 2 when it explores, else 1."""

    def __init__(self, **config: Any) -> None:
        self.config = DQNConfig(**{"learning_starts": 0, "batch_size": 4, "train_freq": 1, **config})
        self.num_updates = 0
        self.batches, self.env_steps = list[Transition](), list[Any]()

    def act(self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None) -> np.ndarray:
        if explore:
            self.env_steps.append(env_steps)
        return np.full(len(obs), 2 if explore else 1, np.int32)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        self.batches.append(batch)
        losses = self.num_updates + np.arange(1.0, len(batch.reward) + 1)
        self.num_updates += len(batch.reward)
        return UpdateInfo({"loss/q": losses}, np.zeros_like(batch.reward))


def make_loop(agent: Any, envs: Any, eval_envs: Any = None, capacity: int = 1000, **config: Any) -> HostLoop:
    replay = ReplayBuffer(capacity, envs.num_envs, envs.spec)
    return HostLoop(agent, envs, replay, LoopConfig(**{"log_every": 1000, **config}), eval_envs=eval_envs)
