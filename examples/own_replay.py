"""Bring a replay of your own: python examples/own_replay.py [torch|jax]

Half of every minibatch comes from demonstrations, here of a controller written by hand. A replay is any object with the
methods of rlpair.types.Replay; this one adds to rlpair's.
"""

import sys
from typing import Any

import gymnasium as gym
import numpy as np

import rlpair
from rlpair.replay.buffer import ReplayBuffer

STEPS = 2_500  # of training, and of demonstrations


class WithDemonstrations(ReplayBuffer):
    """Minibatches of which one half is shown by somebody else."""

    def __init__(self, capacity: int, spec: rlpair.EnvSpec, demonstrations: ReplayBuffer) -> None:
        super().__init__(capacity, 1, spec)
        self.demonstrations = demonstrations

    def sample(self, batch_size: int, num_batches: int, rng: np.random.Generator) -> tuple[rlpair.Transition, Any]:
        shown, _ = self.demonstrations.sample(batch_size // 2, num_batches, rng)  # (U, B / 2, ...)
        own, indices = super().sample(batch_size - batch_size // 2, num_batches, rng)
        return rlpair.Transition(*[np.concatenate(x, axis=1) for x in zip(own[:5], shown[:5], strict=True)]), indices


def demonstrate(env: gym.Env[Any, Any], spec: rlpair.EnvSpec) -> ReplayBuffer:
    """What the controller does, which pushes to where the pole falls."""
    replay, obs = ReplayBuffer(STEPS, 1, spec), env.reset(seed=0)[0]
    for _ in range(STEPS):
        action = int(obs[2] + obs[3] > 0)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        step = (obs, action, float(reward), next_obs, float(terminated))
        replay.add(rlpair.Transition(*[np.asarray(x)[None] for x in step]), np.array([truncated]))
        obs = env.reset()[0] if terminated or truncated else next_obs
    return replay


def main(backend: str) -> None:
    """Train with demonstrations and without, and print the greedy return of both."""
    for name in ("with", "without"):
        agent = rlpair.make_agent("dqn", backend=backend, env="CartPole-v1", config=rlpair.DQNConfig(train_freq=1))
        shown = demonstrate(gym.make("CartPole-v1"), agent.spec)
        replay = WithDemonstrations(STEPS, agent.spec, shown) if name == "with" else None
        list(rlpair.run(agent, "CartPole-v1", rlpair.LoopConfig(total_timesteps=STEPS), replay=replay))
        print(name, "demonstrations:", rlpair.evaluate_agent(agent, "CartPole-v1", episodes=20).returns.mean())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "jax")
