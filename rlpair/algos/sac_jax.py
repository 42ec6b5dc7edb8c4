"""SAC in JAX: pure functions, by the equations of sac.py. Its twin is sac_torch.py."""

from collections.abc import Callable
from functools import partial

import chex
import jax
import jax.numpy as jnp

from rlpair.algos.augment_jax import random_offsets, shift_images
from rlpair.algos.learner_jax import (
    Learner,
    LearnerState,
    Nets,
    discount,
    from_box,
    read_batch,
    target_step,
    to_box,
    weighted_mean,
)
from rlpair.algos.optimizers_jax import OPTIMIZERS, Tree, clip_by_global_norm, gradient_step
from rlpair.algos.sac import LOG_STD_MAX, LOG_STD_MIN, Hyper, SACConfig
from rlpair.nets.arch import Networks
from rlpair.nets.networks_jax import apply, apply_each, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo

Policy = Callable[[jax.Array], tuple[jax.Array, jax.Array]]  # obs (B, O) -> mean, log_std, both (B, A)
QFunction = Callable[[jax.Array, jax.Array], jax.Array]  # obs (B, O), action (B, A) -> each critic's value (E, B)
Noise = tuple[jax.Array, ...]  # standard normal, for the next action and the action, both (B, A); of (S11) the offsets


def clip_log_std(log_std: jax.Array) -> jax.Array:
    """Clip as (S2) has it. The gradient is 1 within the bounds, the bounds included, and 0 outside."""
    inside = (log_std >= LOG_STD_MIN) & (log_std <= LOG_STD_MAX)
    return jnp.where(inside, log_std, jax.lax.stop_gradient(jnp.clip(log_std, LOG_STD_MIN, LOG_STD_MAX)))


def squash(mean: jax.Array, log_std: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute (S2): the action (B, A) in [-1, 1] and its log-probability (B,)."""
    chex.assert_equal_shape([mean, log_std, noise])
    u = mean + jnp.exp(log_std) * noise
    gaussian = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    correction = 2 * (jnp.log(2.0) - u - jnp.logaddexp(-2 * u, 0.0))
    return jnp.tanh(u), jnp.sum(gaussian - correction, axis=-1)


def min_q(q: QFunction, obs: jax.Array, action: jax.Array) -> jax.Array:
    """Return the smallest of the critics' values, (B,). Ties share the gradient."""
    return jnp.min(q(obs, action), axis=0)


def td_target(
    policy: Policy, target_q: QFunction, batch: Transition, alpha: jax.Array, gamma: jax.Array, noise: jax.Array
) -> jax.Array:
    """Compute the targets (S3), (B,)."""
    next_action, next_log_prob = squash(*policy(batch.next_obs), noise)
    next_value = min_q(target_q, batch.next_obs, next_action) - alpha * next_log_prob
    return jax.lax.stop_gradient(batch.reward + discount(batch, gamma) * next_value)


def critic_loss(q: QFunction, batch: Transition, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute (S4). Returns the loss () and the TD errors (E, B) of the critics."""
    td_errors = target[None] - q(batch.obs, batch.action)
    losses = [weighted_mean(0.5 * td_error**2, batch.weight) for td_error in td_errors]
    return jnp.sum(jnp.stack(losses)), td_errors


def actor_loss(
    policy: Policy, q: QFunction, batch: Transition, alpha: jax.Array, noise: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Compute (S5). Returns the loss () and the log-probabilities (B,)."""
    action, log_prob = squash(*policy(batch.obs), noise)
    return weighted_mean(alpha * log_prob - min_q(q, batch.obs, action), batch.weight), log_prob


def alpha_loss(
    log_alpha: jax.Array, log_prob: jax.Array, target_entropy: jax.Array, weight: jax.Array | None
) -> jax.Array:
    """Compute the temperature's loss (S6), ()."""
    return weighted_mean(-log_alpha * jax.lax.stop_gradient(log_prob + target_entropy), weight)


def make_learner(config: SACConfig, spec: EnvSpec, networks: Networks, *, dtype: str, precision: str) -> Learner:
    """Make SAC for such an environment, as a value. ``dtype`` and ``precision`` are those of the networks."""
    (actor,), critics, encoders = networks["actor"], networks["critic"], networks.get("encoder", ())
    valuing = ("encoder", "critic") if encoders else ("critic",)  # nets that critics' losses train, with targets
    optimizer = OPTIMIZERS[config.optimizer]()

    def features(params: Nets, obs: jax.Array) -> jax.Array:  # (S10): what of obs policy and q_values take, (B, F)
        return apply(encoders[0], params["encoder"][0], obs, precision) if encoders else obs

    def policy(params: Tree, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean, log_std = jnp.split(apply(actor, params[0], obs, precision), 2, axis=-1)
        return mean, clip_log_std(log_std)

    def q_values(params: Tree, obs: jax.Array, action: jax.Array) -> jax.Array:  # (E, B)
        values = apply_each(critics, params, jnp.concatenate([obs, action], axis=-1), precision)
        return jnp.stack(values)[..., 0]

    def policy_of(params: Nets) -> Policy:  # of observations
        return lambda obs: policy(params["actor"], features(params, obs))

    def q_of(params: Nets) -> QFunction:  # of observations
        return lambda obs, action: q_values(params["critic"], features(params, obs), action)

    def prepare(batch: Transition) -> Transition:
        return read_batch(batch, from_box(batch.action, spec, dtype), spec, dtype)

    def init(params: dict[str, Tree], hyper: Hyper) -> LearnerState:
        target_params = jax.tree.map(jnp.copy, {net: params[net] for net in valuing})  # donated: not to be shared
        learned = params if config.learns_alpha else {net: params[net] for net in networks}
        opt_state = {net: optimizer.init(tree) for net, tree in learned.items()}
        return LearnerState(params, target_params, opt_state, {}, hyper, jnp.zeros((), jnp.int32))

    def greedy(state: LearnerState, obs: jax.Array) -> jax.Array:  # (N, ...) -> (N, A)
        mean, _ = policy_of(state.params)(flatten_obs(obs, spec.obs_shape, dtype))
        return to_box(jnp.tanh(mean), spec)

    def act(state: LearnerState, obs: jax.Array, noise: tuple[jax.Array], env_steps: jax.Array) -> jax.Array:
        mean, log_std = policy_of(state.params)(flatten_obs(obs, spec.obs_shape, dtype))
        action, _ = squash(mean, log_std, *noise)
        return to_box(action, spec)

    def act_noise(key: jax.Array, n: int) -> tuple[jax.Array]:  # standard normal (N, A)
        return (jax.random.normal(key, (n, spec.action_dim), dtype),)

    def sample_noise(key: jax.Array, leading_shape: tuple[int, ...]) -> Noise:
        offsets: tuple[jax.Array, ...] = ()
        if config.random_shift:
            key, offset_key = jax.random.split(key)
            offsets = tuple(random_offsets(offset_key, (2, *leading_shape), config.random_shift))
        return *jax.random.normal(key, (2, *leading_shape, spec.action_dim), dtype), *offsets

    def update(state: LearnerState, batch: Transition, noise: Noise) -> tuple[LearnerState, UpdateInfo]:
        hyper, params, target_params, opt_state = state.hyper, state.params, state.target_params, dict(state.opt_state)
        actor_params, log_alpha = params["actor"], params["log_alpha"]
        alpha, (next_noise, action_noise, *offsets) = jnp.exp(log_alpha), noise
        batch = prepare(shift_images(batch, offsets, config.random_shift))

        def step(net: str, params: Tree, grads: Tree) -> Tree:
            if config.max_grad_norm is not None and net != "log_alpha":
                grads, _ = clip_by_global_norm(grads, hyper.max_grad_norm)
            params, opt_state[net] = gradient_step(optimizer, params, grads, opt_state[net], hyper.learning_rate)
            return params

        target = td_target(policy_of(params), q_of(target_params), batch, alpha, hyper.gamma, next_noise)

        def critic_loss_of(params: Nets) -> tuple[jax.Array, jax.Array]:
            return critic_loss(q_of(params), batch, target)

        valued = {net: params[net] for net in valuing}
        (q_loss, td_errors), grads = jax.value_and_grad(critic_loss_of, has_aux=True)(valued)
        valued = {net: step(net, valued[net], grads[net]) for net in valuing}
        q, seen = partial(q_values, valued["critic"]), jax.lax.stop_gradient(features(valued, batch.obs))

        def actor_loss_of(params: Tree) -> tuple[jax.Array, jax.Array]:
            return actor_loss(partial(policy, params), q, batch._replace(obs=seen), alpha, action_noise)

        (pi_loss, log_prob), grads = jax.value_and_grad(actor_loss_of, has_aux=True)(actor_params)
        actor_params = step("actor", actor_params, grads)

        metrics = {"loss/critic": q_loss, "loss/actor": pi_loss, "train/alpha": alpha}
        metrics |= {"train/entropy": -jnp.mean(log_prob), "train/q_mean": jnp.mean(target[None] - td_errors)}
        if config.learns_alpha:
            args = (log_prob, hyper.target_entropy, batch.weight)
            metrics["loss/alpha"], grad = jax.value_and_grad(alpha_loss)(log_alpha, *args)
            log_alpha = step("log_alpha", log_alpha, grad)

        num_updates = state.num_updates + 1
        due = num_updates % config.target_update_interval == 0
        target_params = {net: target_step(target_params[net], valued[net], hyper.tau, due) for net in valuing}
        params = {**valued, "actor": actor_params, "log_alpha": log_alpha}
        state = LearnerState(params, target_params, opt_state, state.model_state, hyper, num_updates)
        return state, UpdateInfo(metrics, jnp.mean(td_errors, axis=0))

    return Learner(init, act, act_noise, greedy, sample_noise, update, prepare, q_values, policy, features)
