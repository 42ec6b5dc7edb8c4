"""Env steps per second of skrl 2.1 at the work of bench_peers.py, which runs it in an environment of its own.

    python bench_peer_skrl.py torch|jax dqn|sac ENV STEPS UPDATES TORCH_THREADS

Its SAC does not squash actions (its policy is a clipped Gaussian): another algorithm, so bench_peers.py leaves it out.
"""

import importlib
import sys
import time
from typing import Any

import gymnasium as gym

FROM_STEP = 2_000
NET_ARCH = {"dqn": [120, 84], "sac": [256, 256]}


def network(inputs: str, layers: list[int]) -> list[dict[str, Any]]:
    """One hidden stack with ReLU, as skrl's model instantiators take it."""
    return [{"name": "net", "input": inputs, "layers": layers, "activations": "relu"}]


def models_of(backend: str, algo: str, env: Any) -> dict[str, Any]:
    """Policy and critics by skrl's roles."""
    make = importlib.import_module(f"skrl.utils.model_instantiators.{backend}")
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    layers = NET_ARCH[algo]
    if algo == "dqn":
        q = {"network": network("OBSERVATIONS", layers), "output": "ACTIONS"}
        models = {role: make.deterministic_model(**spaces, **q) for role in ("q_network", "target_q_network")}
    else:
        policy = {"network": network("OBSERVATIONS", layers), "output": "ACTIONS"}
        critic = {"network": network("concatenate([OBSERVATIONS, ACTIONS])", layers), "output": "ONE"}
        models = {"policy": make.gaussian_model(**spaces, clip_actions=True, **policy)}
        roles = ("critic_1", "critic_2", "target_critic_1", "target_critic_2")
        models |= {role: make.deterministic_model(**spaces, **critic) for role in roles}
    for role, model in models.items():
        model.init_state_dict(role=role)
    return models


def settings_of(algo: str, updates: int) -> dict[str, Any]:
    """The work, in skrl's words; nothing is logged."""
    common: dict[str, Any] = {"gradient_steps": updates, "random_timesteps": 500, "learning_starts": 500}
    common["experiment"] = {"write_interval": 0, "checkpoint_interval": 0}
    if algo == "dqn":
        schedule = {"exploration_scheduler": lambda step, steps: max(0.05, 1 - 0.95 * step / 5_000)}
        target = {"target_update_interval": 500, "polyak": 1.0}
        return common | target | schedule | {"batch_size": 128, "learning_rate": 1e-3}
    return common | {"batch_size": 256, "learn_entropy": True, "polyak": 0.005, "learning_rate": (3e-4, 3e-4, 3e-4)}


def main(backend: str, algo: str, env_id: str, steps: int, updates: int, threads: int) -> None:
    """Train and print the rate."""
    if backend == "torch":
        import torch

        torch.set_num_threads(threads)
    name = f"skrl.agents.{backend}.{algo}"
    agent_class = getattr(importlib.import_module(name), algo.upper())
    env = importlib.import_module(f"skrl.envs.wrappers.{backend}").wrap_env(gym.make_vec(env_id, 1, "sync"))
    memory = importlib.import_module(f"skrl.memories.{backend}").RandomMemory(
        memory_size=100_000, num_envs=1, device=env.device
    )
    agent = agent_class(
        models=models_of(backend, algo, env),
        memory=memory,
        cfg=settings_of(algo, updates),
        observation_space=env.observation_space,
        action_space=env.action_space,
        device=env.device,
    )
    started, interact = [0.0], agent.post_interaction

    def watched(*, timestep: int, timesteps: int) -> None:
        interact(timestep=timestep, timesteps=timesteps)
        if timestep == FROM_STEP:
            started[0] = time.perf_counter()

    agent.post_interaction = watched
    trainers = importlib.import_module(f"skrl.trainers.{backend}")
    trainers.SequentialTrainer(
        env=env, agents=agent, cfg={"timesteps": steps, "headless": True, "disable_progressbar": True}
    ).train()
    print((steps - FROM_STEP) / (time.perf_counter() - started[0]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
