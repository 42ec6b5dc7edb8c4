"""Sticky actions for functional environments: now and then the last action is taken again (Machado et al. 2018)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.envs.functional_jax import FunctionalEnv, Tree


class StickyState(NamedTuple):
    """A state and the action that led into it."""

    inner: Tree
    action: jax.Array  # () int32; of a state in which an episode begins, the first that there is


class StickyActions:
    """A functional environment of discrete actions in which each step repeats the one before with a probability."""

    def __init__(self, env: FunctionalEnv, probability: float) -> None:
        self.env, self.probability = env, probability
        self.spec, self.time_limit = env.spec, env.time_limit

    def initial(self, key: jax.Array) -> StickyState:
        """Return a state in which an episode begins."""
        return StickyState(self.env.initial(key), jnp.asarray(self.spec.action_start, jnp.int32))

    def transition(self, state: StickyState, action: jax.Array, key: jax.Array) -> StickyState:
        """Return the state that follows the action, or the last one."""
        key, coin = jax.random.split(key)
        taken = jnp.where(jax.random.bernoulli(coin, self.probability), state.action, action)
        return StickyState(self.env.transition(state.inner, taken, key), taken)

    def observation(self, state: StickyState) -> jax.Array:
        """Return the observation, (*obs_shape,)."""
        return self.env.observation(state.inner)

    def reward(self, state: StickyState, action: jax.Array, next_state: StickyState) -> jax.Array:
        """Return the reward, () float32, of the action that was taken."""
        return self.env.reward(state.inner, next_state.action, next_state.inner)

    def terminal(self, state: StickyState) -> jax.Array:
        """Return whether the episode has ended, () bool."""
        return self.env.terminal(state.inner)
