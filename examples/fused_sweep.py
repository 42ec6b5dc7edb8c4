"""Whole trainings, vmapped over seeds and hyperparameters: python examples/fused_sweep.py

Environment, replay and learner are one compiled program; three seeds times four learning rates run in it together.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rlpair
from rlpair.agents.agent_jax import hyper_of, tree_of
from rlpair.algos.dqn_jax import make_learner
from rlpair.algos.registry import find
from rlpair.envs.functional_jax import functional_env
from rlpair.loops.fused_jax import make_fused, play
from rlpair.seeding import stream

SEEDS, LEARNING_RATES = [0, 1, 2], [1e-5, 1e-4, 1e-3, 1e-2]
ROUNDS = 8_000  # of four steps and an update
CONFIG = rlpair.DQNConfig(
    net_arch=(64, 64), learning_starts=500, train_freq=4, tau=0.01, target_update_interval=1, exploration_steps=5_000
)


def main() -> None:
    """Train twelve agents and print what each learning rate comes to."""
    env = functional_env("CartPole-v1")
    algorithm = find("dqn")
    networks = algorithm.networks(CONFIG, env.spec)
    learner = make_learner(CONFIG, env.spec, networks, dtype="float32", precision="highest")
    fused = make_fused(learner, env, CONFIG, num_envs=1)

    def train(params: Any, rate: jax.Array, key: jax.Array) -> jax.Array:  # -> () mean return of ten greedy episodes
        hyper = hyper_of(CONFIG, env.spec, "float32")._replace(learning_rate=rate)
        state, _ = fused.run(fused.init(params, hyper, key), 0, ROUNDS)
        return play(learner, env, state.learner, key, 10).returns.mean()

    begun = [algorithm.initial_params(CONFIG, env.spec, stream(seed, "parameters")) for seed in SEEDS]
    params = [tree_of(params, "float32") for params in begun]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *params)
    keys = jnp.stack([jax.random.key(seed) for seed in SEEDS])
    over_rates = jax.vmap(train, in_axes=(None, 0, None))
    over_both = jax.jit(jax.vmap(over_rates, in_axes=(0, None, 0)))
    returns = np.asarray(over_both(stacked, jnp.array(LEARNING_RATES), keys))  # (seeds, rates)
    for rate, column in zip(LEARNING_RATES, returns.T, strict=True):
        print(f"learning rate {rate:g}: greedy returns {column.round(1)}")


if __name__ == "__main__":
    main()
