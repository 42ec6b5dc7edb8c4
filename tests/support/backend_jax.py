"""The JAX learners' functions as the tests call them: numpy in, numpy out. The twin of backend_torch.py."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlpair import Transition
from rlpair.algos import dqn_jax, learner_jax, optimizers_jax, sac_jax

dqn, sac, stack = dqn_jax, sac_jax, jnp.stack


def array(x: Any) -> jax.Array:
    """A float64 array, within ``jax.enable_x64``."""
    return jnp.asarray(x, jnp.float64)


def batch_of(**arrays: Any) -> Transition:
    """A batch as the equations read it; what is not given is zeros (B,)."""
    zeros = jnp.zeros(len(next(iter(arrays.values()))))
    given = {name: jnp.asarray(x) if name == "action" else array(x) for name, x in arrays.items()}
    return Transition(**dict.fromkeys(Transition._fields[:5], zeros) | given)


def numbers(x: Any) -> np.ndarray:
    """As numpy."""
    return np.asarray(x)


def gradient(function: Callable[[Any], Any], x: Any) -> np.ndarray:
    """Of the sum of the function's values at x; 0 where nothing flows."""
    return numbers(jax.grad(lambda x: function(x).sum())(array(x)))


def optimize(
    name: str, params: Sequence[Any], gradients: Sequence[Sequence[Any]], lr: float, max_norm: float | None = None
) -> tuple[list[list[np.ndarray]], Any]:
    """The parameters after each step along such gradients, and the last step's norm before the clip."""
    optimizer, params, steps, norm = optimizers_jax.OPTIMIZERS[name](), [array(p) for p in params], [], None
    opt_state = optimizer.init(params)
    for given in gradients:
        grads = [array(g) for g in given]
        if max_norm is not None:
            grads, norm = optimizers_jax.clip_by_global_norm(grads, array(max_norm))
        params, opt_state = optimizers_jax.gradient_step(optimizer, params, grads, opt_state, array(lr))
        steps.append([numbers(p) for p in params])
    return steps, norm


def blend(target: Any, online: Any, tau: float) -> np.ndarray:
    """The target after target_step."""
    return numbers(learner_jax.target_step(array(target), array(online), array(tau), jnp.asarray(True)))


def losses(agent: Any, batch: Transition, noise: Any = ()) -> dict[str, np.ndarray]:
    """Values, targets, losses and gradients per parameter at the agent's parameters, by name."""
    function = {"dqn": _dqn_losses, "sac": _sac_losses}[agent.config.name]
    with jax.enable_x64(agent.dtype == "float64"):
        noise = [jnp.asarray(x, agent.dtype) for x in noise]
        found = jax.jit(partial(function, agent))(agent.state, batch, noise)
    return {name: numbers(x) for name, x in found.items()}


def _dqn_losses(agent: Any, state: Any, batch: Transition, noise: Any) -> dict[str, jax.Array]:
    learner, params = agent.learner, state.params["q"]
    q, batch = partial(learner.q_values, params), learner.prepare(batch)
    target_q = partial(learner.q_values, state.target_params["q"])
    target = dqn.td_target(q, target_q, batch, state.hyper.gamma, agent.config.double_q)

    def loss_of(params: Any) -> Any:
        return dqn.q_loss(partial(learner.q_values, params), batch, target)

    (loss, (td_error, _)), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    found = {"q_values": q(batch.obs), "target": target, "loss": loss, "td_error": td_error}
    return found | _gradients({"q": grads})


def _sac_losses(agent: Any, state: Any, batch: Transition, noise: Any) -> dict[str, jax.Array]:
    learner, hyper, params = agent.learner, state.hyper, state.params
    alpha, (next_noise, action_noise, *_) = jnp.exp(params["log_alpha"]), noise
    batch = learner.prepare(batch)
    valued = {net: tree for net, tree in params.items() if net in ("critic", "encoder")}

    def policy(obs: Any, actor_params: Any = params["actor"]) -> Any:
        return learner.policy(actor_params, learner.features(params, obs))

    def q_of(params: Any) -> Any:
        return lambda obs, action: learner.q_values(params["critic"], learner.features(params, obs), action)

    q, target_q = q_of(params), q_of(state.target_params)
    target = sac.td_target(policy, target_q, batch, alpha, hyper.gamma, next_noise)

    def critic_loss_of(params: Any) -> Any:
        return sac.critic_loss(q_of(params), batch, target)

    def actor_loss_of(params: Any) -> Any:
        return sac.actor_loss(partial(policy, actor_params=params), q, batch, alpha, action_noise)

    (critic_loss, td_errors), critic_grads = jax.value_and_grad(critic_loss_of, has_aux=True)(valued)
    (actor_loss, log_prob), actor_grads = jax.value_and_grad(actor_loss_of, has_aux=True)(params["actor"])
    mean, log_std = policy(batch.obs)
    found = {"mean": mean, "log_std": log_std, "target": target, "td_errors": td_errors, "log_prob": log_prob}
    found |= {"critic_loss": critic_loss, "actor_loss": actor_loss}
    found |= _gradients({**critic_grads, "actor": actor_grads})
    if agent.config.learns_alpha:
        args = (params["log_alpha"], log_prob, hyper.target_entropy, batch.weight)
        found["alpha_loss"], found["gradient.log_alpha"] = jax.value_and_grad(sac.alpha_loss)(*args)
    return found


def _gradients(grads: dict[str, Any]) -> dict[str, jax.Array]:
    paths = jax.tree_util.tree_leaves_with_path(grads)
    return {f"gradient.{jax.tree_util.keystr(path, simple=True, separator='.')}": leaf for path, leaf in paths}


def explore(agent: Any, obs: np.ndarray, noise: Sequence[np.ndarray], env_steps: int) -> np.ndarray:
    """Exploring actions as the learner computes them, in the agent's dtype."""
    with jax.enable_x64(agent.dtype == "float64"):
        return numbers(jax.jit(agent.learner.act)(agent.state, obs, tuple(noise), np.int32(env_steps)))


def training_noise(agent: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Both noises that an update of such a leading shape draws: (2, *shape, A)."""
    return np.stack(agent.learner.sample_noise(jax.random.key(0), shape))
