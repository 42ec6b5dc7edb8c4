"""How often random actions reach the goal of MountainCarContinuous-v0, if each is held for some steps.

    python scripts/held_actions.py

Prints, for each number of steps that a uniform action is held, the share of 10,000 episodes of 999 steps that end at
the flag: what SAC's noise, new at each step, is up against (docs/learning_misses.md).
"""

import jax
import jax.numpy as jnp

from rlpair.envs.classic_jax import make

EPISODES, STEPS = 10_000, 999


def share_that_arrives(held: int) -> float:
    """The share of episodes in which uniform actions, each held for so many steps, reach the goal."""
    env = make("MountainCarContinuous-v0", "float32", {})

    def episode(key: jax.Array) -> jax.Array:
        start, choose = jax.random.split(key)
        actions = jax.random.uniform(choose, (-(-STEPS // held), 1), minval=-1.0, maxval=1.0)

        def step(carry: tuple[jax.Array, jax.Array], action: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
            state, arrived = carry
            state = env.transition(state, action, choose)  # which draws nothing
            return (state, arrived | env.terminal(state)), None

        taken = jnp.repeat(actions, held, axis=0)[:STEPS]
        (_, arrived), _ = jax.lax.scan(step, (env.initial(start), jnp.array(False)), taken)
        return arrived

    return float(jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), EPISODES)).mean())


def main() -> None:
    """Print a line for each number of steps."""
    for held in (1, 2, 4, 8, 16, 32):
        print(f"held for {held:2}: {share_that_arrives(held):.1%}", flush=True)


if __name__ == "__main__":
    main()
