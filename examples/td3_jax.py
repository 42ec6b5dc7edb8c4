"""TD3 in JAX, by the equations of td3.py. Its twin is td3_torch.py."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from td3 import Hyper, TD3Config

from rlpair.algos import learner_jax, optimizers_jax
from rlpair.algos.learner_jax import Learner, LearnerState, discount, from_box, read_batch, to_box, weighted_mean
from rlpair.algos.optimizers_jax import Tree
from rlpair.nets.networks_jax import apply, apply_each, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo


def make_learner(config: TD3Config, spec: EnvSpec, networks: Any, *, dtype: str, precision: str) -> Learner:
    """TD3 for such an environment, as a value: the nets ``actor`` and ``critic``, and the targets of both."""
    (actor,), critics = networks["actor"], networks["critic"]
    optimizer = optimizers_jax.OPTIMIZERS[config.optimizer]()

    def policy(params: Tree, obs: jax.Array) -> jax.Array:  # flat obs (B, O) -> (B, A)
        return jnp.tanh(apply(actor, params[0], obs, precision))

    def q_values(params: Tree, obs: jax.Array, action: jax.Array) -> jax.Array:  # (2, B)
        return jnp.stack(apply_each(critics, params, jnp.concatenate([obs, action], -1), precision))[..., 0]

    def prepare(batch: Transition) -> Transition:
        return read_batch(batch, from_box(batch.action, spec, dtype), spec, dtype)

    def init(params: dict[str, Tree], hyper: Hyper) -> LearnerState:
        opt_state = {net: optimizer.init(tree) for net, tree in params.items()}
        return LearnerState(params, jax.tree.map(jnp.copy, params), opt_state, {}, hyper, jnp.zeros((), jnp.int32))

    def best(state: LearnerState, obs: jax.Array) -> jax.Array:  # as greedy, in [-1, 1]
        return policy(state.params["actor"], flatten_obs(obs, spec.obs_shape, dtype))

    def greedy(state: LearnerState, obs: jax.Array) -> jax.Array:  # (N, ...) -> (N, A)
        return to_box(best(state, obs), spec)

    def act(state: LearnerState, obs: jax.Array, noise: Any, env_steps: jax.Array) -> jax.Array:  # (T6), as greedy
        return to_box(jnp.clip(best(state, obs) + state.hyper.exploration_noise * noise[0], -1, 1), spec)

    def sample_noise(key: jax.Array, leading_shape: tuple[int, ...]) -> tuple[jax.Array]:
        return (jax.random.normal(key, (*leading_shape, spec.action_dim), dtype),)

    def td_target(targets: dict[str, Tree], batch: Transition, noise: jax.Array, hyper: Hyper) -> jax.Array:
        smoothing = jnp.clip(hyper.target_noise * noise.astype(dtype), -hyper.noise_clip, hyper.noise_clip)
        next_action = jnp.clip(policy(targets["actor"], batch.next_obs) + smoothing, -1, 1)  # (T1)
        next_q = q_values(targets["critic"], batch.next_obs, next_action)
        return jax.lax.stop_gradient(batch.reward + discount(batch, hyper.gamma) * jnp.min(next_q, axis=0))  # (T2)

    def update(state: LearnerState, batch: Transition, noise: tuple[jax.Array]) -> tuple[LearnerState, UpdateInfo]:
        hyper, params, opt_state, batch = state.hyper, dict(state.params), dict(state.opt_state), prepare(batch)
        target = td_target(state.target_params, batch, *noise, hyper)

        def step(net: str, grads: Tree) -> tuple[Tree, Tree]:
            if config.max_grad_norm is not None:
                grads, _ = optimizers_jax.clip_by_global_norm(grads, config.max_grad_norm)
            return optimizers_jax.gradient_step(optimizer, params[net], grads, opt_state[net], hyper.learning_rate)

        def critic_loss_of(params: Tree) -> tuple[jax.Array, jax.Array]:  # (T3)
            td_errors = target[None] - q_values(params, batch.obs, batch.action)
            return sum(weighted_mean(0.5 * td_error**2, batch.weight) for td_error in td_errors), td_errors

        (loss, td_errors), grads = jax.value_and_grad(critic_loss_of, has_aux=True)(params["critic"])
        params["critic"], opt_state["critic"] = step("critic", grads)

        def actor_loss_of(its_params: Tree) -> jax.Array:  # (T4)
            return -weighted_mean(q_values(params["critic"], batch.obs, policy(its_params, batch.obs))[0], batch.weight)

        num_updates, before = state.num_updates + 1, (params["actor"], opt_state["actor"])
        due = num_updates % config.policy_delay == 0
        after = jax.lax.cond(due, lambda: step("actor", jax.grad(actor_loss_of)(params["actor"])), lambda: before)
        params["actor"], opt_state["actor"] = after
        follow = partial(learner_jax.target_step, tau=hyper.tau, due=due)
        targets = {net: follow(state.target_params[net], params[net]) for net in params}  # (T5)
        info = UpdateInfo({"loss/critic": loss, "train/q_mean": jnp.mean(target[None] - td_errors)}, td_errors.mean(0))
        return LearnerState(params, targets, opt_state, {}, hyper, num_updates), info

    own = prepare, q_values, policy
    return Learner(init, act, lambda key, n: sample_noise(key, (n,)), greedy, sample_noise, update, *own)
