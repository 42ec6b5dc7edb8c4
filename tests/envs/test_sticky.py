"""Sticky actions of functional environments: how often, which action, and what else stays as it is."""

import jax
import jax.numpy as jnp
import numpy as np

from rlpair.envs.sticky_jax import StickyActions
from rlpair.types import EnvSpec

ACTIONS, STEPS, PROBABILITY = 1_000, 20_000, 0.25


class Told:
    """Its state is the action that led into it, and the reward of an action that action."""

    spec, time_limit = EnvSpec((), "float32", True, ACTIONS, (), (), 7), 50

    def initial(self, key: jax.Array) -> jax.Array:
        return jnp.asarray(-1, jnp.int32)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.asarray(action, jnp.int32)

    def observation(self, state: jax.Array) -> jax.Array:
        return state.astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return action.astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return state == 5


def test_the_last_action_is_taken_again_as_often_as_is_said() -> None:
    env = StickyActions(Told(), PROBABILITY)
    asked = jax.random.randint(jax.random.key(0), (STEPS,), 0, ACTIONS)

    def step(state, inputs):  # type: ignore[no-untyped-def]
        action, key = inputs
        after = env.transition(state, action, key)
        return after, (env.observation(after), env.reward(state, action, after), env.terminal(after))

    start = env.initial(jax.random.key(1))
    keys = jax.random.split(jax.random.key(2), STEPS)
    taken, reward, terminal = (np.asarray(x) for x in jax.lax.scan(step, start, (asked, keys))[1])
    before = np.array([7, *taken[:-1]])  # an episode begins as if the first action had been taken
    assert ((taken == np.asarray(asked)) | (taken == before)).all()
    stuck = (taken != np.asarray(asked)).mean()
    expected = PROBABILITY * (1 - 1 / ACTIONS)
    assert abs(stuck - expected) < 5 * (expected * (1 - expected) / STEPS) ** 0.5  # one in two million goes beyond
    np.testing.assert_array_equal(reward, taken)
    np.testing.assert_array_equal(terminal, taken == 5)
    assert (env.spec, env.time_limit) == (Told.spec, 50)


def test_before_the_first_action_of_an_episode_stands_the_first_that_there_is() -> None:
    env = StickyActions(Told(), 1.0)
    after = env.transition(env.initial(jax.random.key(0)), jnp.asarray(9), jax.random.key(1))
    assert int(env.observation(after)) == 7
