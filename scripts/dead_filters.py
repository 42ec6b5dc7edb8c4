"""How many filters of the first layer are alive, and how far the last convolution's outputs differ between frames.

    python scripts/dead_filters.py [--backend torch] [--rate 5e-5] [--target 500] [--vanilla] [--updates 3500]

DQN learns from 10,000 steps of random play of ALE/Pong-v5, kept as they are, on minibatches that are the same for every
backend and rate; prints a line every 500 updates, about a minute of a core (docs/learning_misses.md; extra atari).
"""

import argparse
from typing import Any

import numpy as np
import torch
from torch.nn.functional import conv2d

from rlpair import DQNConfig, Transition, make_agent
from rlpair.envs.make import make_envs

STRIDES = (4, 2, 1)  # of the network of Mnih et al.
STEPS, EVERY, BATCH = 10_000, 500, 32


def random_play(steps: int) -> Transition:
    """Return (steps, ...) transitions of one environment."""
    envs = make_envs("ALE/Pong-v5", 1, "sync", {}, training=True)
    rng, obs, rows = np.random.default_rng(0), envs.reset(0), []
    for _ in range(steps):
        action = envs.sample_actions(rng)
        step = envs.step(action)
        rows.append((obs[0], action[0], step.reward[0], step.next_obs[0], step.terminated[0]))
        obs = step.obs
    envs.close()
    obs, action, reward, next_obs, terminated = (np.stack(column) for column in zip(*rows, strict=True))
    return Transition(obs, action, reward.astype(np.float32), next_obs, terminated.astype(np.float32))


def alive(agent: Any, frames: np.ndarray) -> tuple[int, float]:
    """Return the first layer's filters that give more than 0 anywhere, and the last one's deviation between frames."""
    state, layers = agent.state_dict(), [torch.as_tensor(frames).permute(0, 3, 1, 2) / 255]
    for i, stride in enumerate(STRIDES):
        weight, bias = (torch.as_tensor(state[f"q.0.{i}.{part}"]) for part in ("weight", "bias"))
        layers.append(conv2d(layers[-1], weight.permute(3, 2, 0, 1), bias, stride=stride).relu())
    return int((layers[1] > 0).any(dim=3).any(dim=2).any(dim=0).sum()), float(layers[-1].std(0).mean())


def main() -> None:
    """Play, then learn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("torch", "jax"), default="torch")
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--target", type=int, default=500, help="updates between two copies to the target")
    parser.add_argument("--vanilla", action="store_true", help="DQN, not double DQN")
    parser.add_argument("--updates", type=int, default=3_500)
    args = parser.parse_args()
    network: dict[str, Any] = {"encoder": "nature", "net_arch": (), "batch_size": BATCH, "double_q": not args.vanilla}
    config = DQNConfig(**network, learning_rate=args.rate, tau=1.0, target_update_interval=args.target)
    agent = make_agent("dqn", backend=args.backend, env="ALE/Pong-v5", config=config, device="cpu")
    play, rng = random_play(STEPS), np.random.default_rng(1)
    frames = play.obs[:: STEPS // 50]
    for update in range(args.updates + 1):
        if update % EVERY == 0:
            count, spread = alive(agent, frames)
            print(
                f"{update} updates: {count} of 32 filters alive, the last layer's outputs deviate by {spread:.1e}",
                flush=True,
            )
        rows = rng.integers(STEPS, size=BATCH)
        agent.update(Transition(*(None if x is None else x[rows] for x in play)))


if __name__ == "__main__":
    main()
