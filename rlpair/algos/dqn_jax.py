"""DQN in JAX: pure functions, by the equations of dqn.py. Its twin is dqn_torch.py."""

from collections.abc import Callable
from functools import partial

import chex
import jax
import jax.numpy as jnp

from rlpair.algos.dqn import DQNConfig, Hyper
from rlpair.algos.learner_jax import Learner, LearnerState, discount, read_batch, target_step, weighted_mean
from rlpair.algos.optimizers_jax import OPTIMIZERS, Tree, clip_by_global_norm, gradient_step
from rlpair.nets.arch import Networks
from rlpair.nets.networks_jax import apply, flatten_obs
from rlpair.types import EnvSpec, Transition, UpdateInfo

QFunction = Callable[[jax.Array], jax.Array]  # obs (B, ...) -> a value per action (B, A)
ActNoise = tuple[jax.Array, jax.Array]  # a coin, uniform in [0, 1), and any action, from 0: both (N,)


def epsilon(hyper: Hyper, env_steps: jax.Array) -> jax.Array:
    """Compute the share of random actions (D7), ()."""
    fraction = jnp.minimum(env_steps / hyper.exploration_steps, 1.0)
    return hyper.initial_eps + fraction * (hyper.final_eps - hyper.initial_eps)


def select(q_values: jax.Array, action: jax.Array) -> jax.Array:
    """Select each row's value of its action: (B, A), (B,) -> (B,). A masked sum: XLA's gather is slow on a CPU."""
    chosen = jax.nn.one_hot(action, q_values.shape[-1], dtype=q_values.dtype)
    return jnp.sum(q_values * chosen, axis=-1)


def huber(x: jax.Array) -> jax.Array:
    """Apply the loss of (D3), with delta 1, to each TD error."""
    return jnp.where(jnp.abs(x) <= 1, 0.5 * x**2, jnp.abs(x) - 0.5)


def td_target(q: QFunction, target_q: QFunction, batch: Transition, gamma: jax.Array, double_q: bool) -> jax.Array:
    """Compute the targets (D2), (B,)."""
    next_q = target_q(batch.next_obs)  # (B, A)
    next_value = (
        select(next_q, jnp.argmax(q(batch.next_obs), axis=-1)) if double_q else jnp.max(next_q, axis=-1)
    )  # (B,)
    return jax.lax.stop_gradient(batch.reward + discount(batch, gamma) * next_value)


def q_loss(q: QFunction, batch: Transition, target: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Compute (D3). Returns the loss () and, for the log, the TD error and the value of the action taken, both (B,)."""
    q_taken = select(q(batch.obs), batch.action)
    chex.assert_equal_shape([q_taken, target])
    td_error = target - q_taken
    return weighted_mean(huber(td_error), batch.weight), (td_error, q_taken)


def make_learner(config: DQNConfig, spec: EnvSpec, networks: Networks, *, dtype: str, precision: str) -> Learner:
    """Make DQN for such an environment, as a value. ``dtype`` and ``precision`` are those of the networks."""
    (network,) = networks["q"]
    optimizer = OPTIMIZERS[config.optimizer]()

    def q_values(params: Tree, obs: jax.Array) -> jax.Array:  # flat obs (B, O) -> (B, A)
        return apply(network, params[0], obs, precision)

    def prepare(batch: Transition) -> Transition:
        return read_batch(batch, batch.action.astype(jnp.int32) - spec.action_start, spec, dtype)

    def init(params: dict[str, Tree], hyper: Hyper) -> LearnerState:
        target_params = jax.tree.map(jnp.copy, params)  # a copy: donated buffers must not be shared
        opt_state = {"q": optimizer.init(params["q"])}
        return LearnerState(params, target_params, opt_state, {}, hyper, jnp.zeros((), jnp.int32))

    def greedy(state: LearnerState, obs: jax.Array) -> jax.Array:  # (N, ...) -> (N,)
        return best(state, obs) + spec.action_start

    def best(state: LearnerState, obs: jax.Array) -> jax.Array:  # as greedy, from 0
        q = q_values(state.params["q"], flatten_obs(obs, spec.obs_shape, dtype))
        return jnp.argmax(q, axis=-1).astype(jnp.int32)

    def act(state: LearnerState, obs: jax.Array, noise: ActNoise, env_steps: jax.Array) -> jax.Array:  # as greedy
        coin, anything = noise
        explore = coin < epsilon(state.hyper, env_steps)
        return jnp.where(explore, anything, best(state, obs)) + spec.action_start

    def act_noise(key: jax.Array, n: int) -> ActNoise:
        coin_key, action_key = jax.random.split(key)
        return jax.random.uniform(coin_key, (n,)), jax.random.randint(action_key, (n,), 0, spec.action_dim)

    def sample_noise(key: jax.Array, leading_shape: tuple[int, ...]) -> tuple[()]:
        return ()

    def update(state: LearnerState, batch: Transition, noise: tuple[()]) -> tuple[LearnerState, UpdateInfo]:
        hyper, params, target_params = state.hyper, state.params["q"], state.target_params["q"]
        batch = prepare(batch)

        q, target_q = partial(q_values, params), partial(q_values, target_params)
        target = td_target(q, target_q, batch, hyper.gamma, config.double_q)

        def loss_of(params: Tree) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            return q_loss(partial(q_values, params), batch, target)

        (loss, (td_error, q_taken)), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
        metrics = {"loss/q": loss, "train/q_mean": jnp.mean(q_taken)}
        if config.max_grad_norm is not None:
            grads, metrics["train/grad_norm"] = clip_by_global_norm(grads, hyper.max_grad_norm)
        params, opt_state = gradient_step(optimizer, params, grads, state.opt_state["q"], hyper.learning_rate)

        num_updates = state.num_updates + 1
        due = num_updates % config.target_update_interval == 0
        target_params = target_step(target_params, params, hyper.tau, due)
        nets = {"q": params}, {"q": target_params}, {"q": opt_state}
        return LearnerState(*nets, state.model_state, hyper, num_updates), UpdateInfo(metrics, td_error)

    return Learner(init, act, act_noise, greedy, sample_noise, update, prepare, q_values)
