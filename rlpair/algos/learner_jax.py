"""What the JAX learners share: their state, the pure functions that they offer, and the target's step.

A ``Learner`` is a value: pure functions closed over static facts only (shapes, networks, the optimizer's name). All
numbers live in the state, so anyone can jit, scan and vmap over seeds and hyperparameters alike.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from rlpair.algos.optimizers_jax import Tree
from rlpair.nets.networks_jax import flatten_obs
from rlpair.types import EnvSpec, Transition

Nets = Mapping[str, Tree]  # parameters by net


class LearnerState(NamedTuple):
    """Everything that an update changes, by net: ``q`` for DQN; ``actor``, ``critic`` and ``log_alpha`` for SAC."""

    params: dict[str, Tree]  # a tuple of networks' parameters; log_alpha: ()
    target_params: dict[str, Tree]
    opt_state: dict[str, Tree]
    model_state: dict[str, Tree]  # what changes by no gradient, such as running statistics; {} for DQN and SAC
    hyper: Tree  # a NamedTuple of float scalars
    num_updates: jax.Array  # () int32


class Learner(NamedTuple):
    """The pure functions of an algorithm. N environments, B batch."""

    init: Callable[..., LearnerState]  # (params, hyper) -> state
    act: Callable[..., jax.Array]  # (state, obs (N, ...), noise, env_steps ()) -> exploring action (N, ...)
    act_noise: Callable[..., Tree]  # (key, N) -> the noise of act: all that is random in it
    greedy: Callable[..., jax.Array]  # (state, obs (N, ...)) -> best action (N, ...)
    sample_noise: Callable[..., Tree]  # (key, leading_shape) -> the noise of updates of that leading shape
    update: Callable[..., Any]  # (state, batch (B, ...), noise) -> (state, UpdateInfo): one gradient step
    # What these are made of, for who makes something else of it; a net's params are state.params[net].
    prepare: Any = None  # batch (B, ...) -> the batch as the equations read it: see read_batch
    q_values: Any = None  # DQN: (params of q, flat obs) -> (B, A). SAC: (params of critic, flat obs, action) -> (E, B)
    policy: Any = None  # SAC: (params of actor, flat obs) -> mean, log_std, both (B, A)
    features: Any = None  # SAC: (params by net, flat obs) -> what q_values and policy take of an image for flat obs


def update_many(learner: Learner, state: LearnerState, batch: Transition, noise: Tree) -> tuple[LearnerState, Any]:
    """Make U gradient steps in order, on (U, B, ...). Returns what they tell, with a leading axis U as well."""
    return jax.lax.scan(lambda state, inputs: learner.update(state, *inputs), state, (batch, noise))


def read_batch(batch: Transition, action: jax.Array, spec: EnvSpec, dtype: str) -> Transition:
    """Read a batch as the equations have it: ``dtype`` floats, flat observations, ``action`` from 0 or in [-1, 1]."""
    floats = {
        name: None if value is None else value.astype(dtype)
        for name, value in batch._asdict().items()
        if name in ("reward", "terminated", "discount", "weight")
    }
    obs, next_obs = (flatten_obs(x, spec.obs_shape, dtype) for x in (batch.obs, batch.next_obs))
    return Transition(obs=obs, action=action, next_obs=next_obs, **floats)


def to_box(action: jax.Array, spec: EnvSpec) -> jax.Array:
    """Scale actions from [-1, 1] to the environment's units: (N, A)."""
    low, high = box(spec, action.dtype)
    return jnp.clip(low + 0.5 * (action + 1) * (high - low), low, high)


def from_box(action: jax.Array, spec: EnvSpec, dtype: str) -> jax.Array:
    """Scale actions from the environment's units to [-1, 1]: (B, A)."""
    low, high = box(spec, dtype)
    return 2 * (action.astype(dtype) - low) / (high - low) - 1


def box(spec: EnvSpec, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Return the least and the greatest action, (1, A) each."""
    return jnp.asarray([spec.action_low], dtype), jnp.asarray([spec.action_high], dtype)


def discount(batch: Transition, gamma: jax.Array) -> jax.Array:
    """Compute (D1), (S1), how much of the next value counts: (B,)."""
    return gamma * (1 - batch.terminated) if batch.discount is None else batch.discount


def weighted_mean(losses: jax.Array, weight: jax.Array | None) -> jax.Array:
    """Average each sample's loss (B,) times its importance weight over the batch."""
    chex.assert_rank(losses, 1)
    return jnp.mean(losses if weight is None else weight * losses)


def target_step(target: Tree, online: Tree, tau: jax.Array, due: jax.Array) -> Tree:
    """Step by (D6), (S9): target <- (1 - tau) target + tau online where ``due``, else the target as it is."""
    return jax.tree.map(lambda t, o: jnp.where(due, (1 - tau) * t + tau * o, t), target, online)
