"""Env steps per second of Stable-Baselines3 or SBX at the work of bench_peers.py, which runs it in their environments.

    python bench_peer.py sb3|sbx dqn|sac ENV STEPS UPDATES TORCH_THREADS

One environment, UPDATES updates after as many environment steps, from step 500 on; the clock starts at step 2000. SBX
builds both hidden layers from net_arch[0]: it gets 120-120 where the others have 120-84. On an Atari game: one update
after as many steps, with what stable_baselines3 wraps such a game in; the clock starts at step 1000.
"""

import sys
import time
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback


class StartClock(BaseCallback):
    """Remembers when the step was reached from which the clock counts."""

    def __init__(self, from_step: int) -> None:
        super().__init__()
        self.from_step = from_step

    def _on_step(self) -> bool:
        if self.num_timesteps == self.from_step:
            self.started = time.perf_counter()
        return True


def main(library: str, algo: str, env: str, steps: int, updates: int, threads: int) -> None:
    """Train and print the rate."""
    torch.set_num_threads(threads)
    is_atari = "NoFrameskip" in env
    if library == "sb3":
        from stable_baselines3 import DQN, SAC
    else:
        from sbx import DQN, SAC
    common: dict[str, Any] = {
        "seed": 0,
        "learning_starts": 500,
        "buffer_size": 100_000,
        "train_freq": updates,
        "gradient_steps": updates,
    }
    if is_atari:
        import ale_py  # noqa: F401 - registers its games
        from stable_baselines3.common.env_util import make_atari_env
        from stable_baselines3.common.vec_env import VecFrameStack

        common |= {"buffer_size": 10_000, "gradient_steps": 1, "batch_size": 32, "learning_rate": 1e-4}
        model = DQN("CnnPolicy", VecFrameStack(make_atari_env(env, 1), 4), target_update_interval=1_000, **common)
    elif algo == "dqn":
        settings = {"learning_rate": 1e-3, "batch_size": 128, "target_update_interval": 500}
        model = DQN("MlpPolicy", env, policy_kwargs={"net_arch": [120, 84]}, **settings, **common)
    else:
        model = SAC("MlpPolicy", env, batch_size=256, policy_kwargs={"net_arch": [256, 256]}, **common)
    clock = StartClock(1_000 if is_atari else 2_000)
    model.learn(steps, callback=clock)
    print((steps - clock.from_step) / (time.perf_counter() - clock.started))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
