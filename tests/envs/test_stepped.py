"""A functional environment stepped from the host: every step draws anew, by the seed of the reset."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlpair.envs.stepped_jax import SteppedEnvs, make
from rlpair.types import EnvSpec


class Noise:
    """Its state is the last number that it drew, and the one of its reset."""

    spec, time_limit = EnvSpec((2,), "float32", True, 2), 30

    def initial(self, key: jax.Array) -> jax.Array:
        return jnp.full(2, jax.random.uniform(key))

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        return state.at[0].set(jax.random.uniform(key))

    def observation(self, state: jax.Array) -> jax.Array:
        return state

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return action.astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return jnp.zeros((), bool)


def drawn(envs: SteppedEnvs, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What the steps of two episodes drew, and what their beginnings did, for each of three environments."""
    begun, steps = [envs.reset(seed)], []
    for _ in range(60):
        step = envs.step(np.ones(3, np.int32))
        assert step.reward.tolist() == [1, 1, 1]
        steps.append(step.next_obs[:, 0])
        if step.truncated.all():
            begun.append(step.obs)
    assert len(begun) == 3
    return np.array(steps), np.array(begun)[..., 1]


def test_every_step_and_every_episode_of_each_draws_anew() -> None:
    envs: Any = SteppedEnvs(Noise(), 3, "Noise")
    (steps, begun), (again, _), (other, _) = (drawn(envs, seed) for seed in (0, 0, 1))
    assert len(np.unique(np.append(steps, begun))) == 60 * 3 + 3 * 3
    np.testing.assert_array_equal(steps, again)
    assert not np.isin(other, steps).any()


def test_it_is_made_with_the_arguments_that_are_given() -> None:
    envs = make("CartPole-v1", {"max_episode_steps": 3})
    envs.reset(0)
    assert [bool(envs.step(np.zeros(1, np.int32)).truncated[0]) for _ in range(6)] == [False, False, True] * 2
