"""Bring your own data and your own loop: python examples/research_update.py

First with an agent, whose update takes a batch of numpy arrays. Then with the pure JAX learner under it: twelve agents,
three seeds times four learning rates, trained by one compiled program.
"""

from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

import rlpair
from rlpair.agents.agent_jax import make_state
from rlpair.algos.registry import find
from rlpair.envs.spec import env_spec
from rlpair.seeding import stream

UPDATES, BATCH = 500, 64
SEEDS, LEARNING_RATES = [0, 1, 2], [1e-4, 3e-4, 1e-3, 3e-3]


def collect(env: gym.Env[Any, Any], steps: int) -> rlpair.Transition:
    """Transitions (steps, ...) of random actions: stands for a data set of yours."""
    rows, obs = [], env.reset(seed=0)[0]
    env.action_space.seed(0)
    for _ in range(steps):
        action = env.action_space.sample()
        next_obs, reward, terminated, truncated, _ = env.step(action)
        rows.append((obs, np.int32(action), np.float32(reward), next_obs, np.float32(terminated)))
        obs = env.reset()[0] if terminated or truncated else next_obs
    return rlpair.Transition(*map(np.stack, zip(*rows, strict=True)))


def sample(data: rlpair.Transition, *leading_shape: int) -> rlpair.Transition:
    """Transitions (*leading_shape, ...) of the data, uniformly."""
    index = np.random.default_rng(0).integers(len(data.reward), size=leading_shape)
    return rlpair.Transition(*[x[index] for x in data[:5]])


def with_an_agent(env: gym.Env[Any, Any], data: rlpair.Transition, config: rlpair.DQNConfig) -> None:
    """(B, ...) is one gradient step, (U, B, ...) are U. Weights and discounts of your own are fields of the batch."""
    agent = rlpair.make_agent("dqn", backend="jax", env=env, config=config)
    info = agent.update(sample(data, BATCH)._replace(weight=np.full(BATCH, 0.5, np.float32)))
    print("first TD errors of a batch:", np.asarray(info.td_error)[:5].round(2))
    info = agent.update(sample(data, UPDATES, BATCH))
    print("loss of every hundredth update:", np.asarray(info.metrics["loss/q"])[::100].round(3))


def with_the_learner(env: gym.Env[Any, Any], data: rlpair.Transition, config: rlpair.DQNConfig) -> None:
    """The learner is pure functions and its state a pytree, hyperparameters included: so vmap over both."""
    spec = env_spec(env)
    states = []
    for seed in SEEDS:
        params = find("dqn").initial_params(config, spec, stream(seed, "parameters"))
        learner, state = make_state(config, spec, params, "float32", "highest")
        for rate in LEARNING_RATES:
            states.append(state._replace(hyper=state.hyper._replace(learning_rate=jnp.float32(rate))))
    agents = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)  # leading axis: seeds x learning rates

    def train(state: Any, batches: rlpair.Transition) -> Any:  # one agent on (U, B, ...)
        return jax.lax.scan(lambda state, batch: learner.update(state, batch, ()), state, batches)

    batches = sample(data, UPDATES, BATCH)  # the same for all agents
    agents, info = jax.jit(jax.vmap(train, in_axes=(0, None)))(agents, batches)
    loss = info.metrics["loss/q"][:, -100:].mean(axis=1).reshape(len(SEEDS), len(LEARNING_RATES))
    print("mean loss of the last 100 updates; a row for each seed, a column for each learning rate", LEARNING_RATES)
    print(np.asarray(loss).round(4))


def main() -> None:
    """Both, on the same data."""
    env = gym.make("CartPole-v1")
    data = collect(env, 5_000)
    config = rlpair.DQNConfig(tau=0.01, target_update_interval=1)
    with_an_agent(env, data, config)
    with_the_learner(env, data, config)


if __name__ == "__main__":
    main()
