"""Train on an environment of your own, with wrappers of your choice: python examples/own_environment.py [torch|jax]"""

import sys
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import RescaleAction, TimeLimit

import rlpair


class Reach(gym.Env[Any, Any]):
    """Push a point to a target. Observations may be a Dict: Gymnasium flattens them."""

    observation_space = spaces.Dict({name: spaces.Box(-1, 1, (2,), np.float32) for name in ("point", "target")})
    action_space = spaces.Box(-0.1, 0.1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.point, self.target = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        return {"point": self.point, "target": self.target}, {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.point = np.clip(self.point + action, -1, 1)
        distance = float(np.linalg.norm(self.point - self.target))
        return {"point": self.point, "target": self.target}, -distance, distance < 0.1, False, {}


def make_env() -> gym.Env[Any, Any]:
    """What the agent sees: actions in [-1, 1], and episodes of at most 50 steps."""
    return TimeLimit(RescaleAction(Reach(), np.float32(-1), np.float32(1)), max_episode_steps=50)


def main(backend: str) -> None:
    """Train for 3,000 steps, print how it goes, and save the agent."""
    config = rlpair.SACConfig(learning_rate=1e-3, gamma=0.95, net_arch=(64, 64), learning_starts=500)
    agent = rlpair.make_agent("sac", backend=backend, env=make_env(), config=config, seed=0)
    loop = rlpair.LoopConfig(total_timesteps=3_000, log_every=1_000, eval_every=1_000)
    for record in rlpair.run(agent, make_env, loop, eval_env=make_env):
        if "eval/mean_return" in record.values or "loss/critic" in record.values:
            print(record.env_steps, {tag: round(value, 3) for tag, value in record.values.items()})
    agent.save("reach")  # rlpair.load_agent("reach", backend="torch") reads it, in either backend


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "jax")
