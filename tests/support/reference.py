"""DQN and SAC in plain numpy, from the equations alone: the oracle that neither twin wrote.

It imports nothing of the learners. Everything is float64 and slow; gradients are central differences of the losses.
A state is a dict by the names of docs/checkpoints.md.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

State = dict[str, np.ndarray]
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.where(x > 0, x, 0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


class Batch(NamedTuple):
    """A batch as the equations have it: flat observations, actions from 0 or in [-1, 1], gamma_t and w in full."""

    obs: np.ndarray  # (B, O)
    action: np.ndarray  # (B,) | (B, A)
    reward: np.ndarray  # (B,)
    next_obs: np.ndarray  # (B, O)
    discount: np.ndarray  # (B,)
    weight: np.ndarray  # (B,)


def read(batch: Any, spec: Any, gamma: float) -> Batch:
    """(D1), (S1), and the units of observations and actions."""
    obs, next_obs = (x.reshape(len(x), -1).astype(float) for x in (batch.obs, batch.next_obs))
    if spec.obs_dtype == "uint8":
        obs, next_obs = obs / 255, next_obs / 255
    if spec.discrete:
        action = batch.action - spec.action_start
    else:
        middle = (np.array(spec.action_high) + spec.action_low) / 2
        action = (batch.action - middle) / (np.array(spec.action_high) - middle)
    discount = np.where(batch.terminated == 1, 0.0, gamma) if batch.discount is None else batch.discount.astype(float)
    weight = np.ones(len(obs)) if batch.weight is None else batch.weight.astype(float)
    return Batch(obs, action, batch.reward.astype(float), next_obs, discount, weight)


def mlp(params: State, net: str, x: np.ndarray, activation: str) -> np.ndarray:
    """(B, inputs) -> (B, outputs)."""
    layers = sum(name.startswith(f"{net}.") and name.endswith(".bias") for name in params)
    for layer in range(layers):
        x = x @ params[f"{net}.{layer}.weight"] + params[f"{net}.{layer}.bias"]
        if layer + 1 < layers:
            x = ACTIVATIONS[activation](x)
    return x


def difference_quotients(function: Callable[[State], float], params: State, h: float = 1e-5) -> State:
    """The gradient of ``function`` by central differences: right to about 1e-10 for a loss around 1."""
    gradients = {}
    for name, value in params.items():
        gradients[name] = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            sides = []
            for step in (h, -h):
                moved = value.copy()
                moved[index] += step
                sides.append(function(params | {name: moved}))
            gradients[name][index] = (sides[0] - sides[1]) / (2 * h)
    return gradients


def net_of(state: State, net: str) -> State:
    """The parameters of one net: ``q``, ``actor``, ``critic``, ``log_alpha``."""
    return {name: value for name, value in state.items() if name == net or name.startswith(f"{net}.")}


# The steps: (D4), (D5), (D6), (S7), (S8), (S9)


def clipped(gradients: State, max_norm: float | None) -> tuple[State, float]:
    """The gradients scaled down to ``max_norm``, and their norm before."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    if max_norm is None or max_norm >= norm + 1e-6:
        return gradients, norm
    return {name: g * max_norm / (norm + 1e-6) for name, g in gradients.items()}, norm


def descend(state: State, net: str, gradients: State, config: Any) -> None:
    """One step of the optimizer on one net, in place: its parameters, its moments and its count."""

    def slot(kind: str, name: str) -> str:
        return f"optimizer.{net}.{kind}{name.removeprefix(net)}"

    if config.optimizer == "adam":
        state[f"optimizer.{net}.count"] = state[f"optimizer.{net}.count"] + 1
    for name, g in gradients.items():
        direction = g
        if config.optimizer == "rmsprop":
            nu = state[slot("nu", name)] = 0.99 * state[slot("nu", name)] + 0.01 * g**2
            direction = g / (np.sqrt(nu) + 1e-8)
        elif config.optimizer == "adam":
            count = state[f"optimizer.{net}.count"]
            mu = state[slot("mu", name)] = 0.9 * state[slot("mu", name)] + 0.1 * g
            nu = state[slot("nu", name)] = 0.999 * state[slot("nu", name)] + 0.001 * g**2
            direction = mu / (1 - 0.9**count) / (np.sqrt(nu / (1 - 0.999**count)) + 1e-8)
        state[name] = state[name] - config.learning_rate * direction


def count_update(state: State, net: str, config: Any) -> None:
    """Count the update and move the target where it is due, in place."""
    state["num_updates"] = state["num_updates"] + 1
    if state["num_updates"] % config.target_update_interval == 0:
        for name, value in net_of(state, net).items():
            target = state[f"target_{name}"]
            state[f"target_{name}"] = target + config.tau * (value - target)


# DQN


def huber(x: np.ndarray) -> np.ndarray:
    """Quadratic up to 1, then a line that continues it."""
    return np.minimum(abs(x), 1) * (abs(x) - np.minimum(abs(x), 1) / 2)


def dqn_target(state: State, batch: Batch, config: Any) -> np.ndarray:
    """(D2)."""
    target_q = mlp(state, "target_q.0", batch.next_obs, config.activation)
    choosing_q = mlp(state, "q.0", batch.next_obs, config.activation) if config.double_q else target_q
    values = np.array([row[choice.argmax()] for row, choice in zip(target_q, choosing_q, strict=True)])
    return batch.reward + batch.discount * values


def dqn_update(state: State, raw: Any, config: Any, spec: Any) -> tuple[State, dict[str, Any], np.ndarray]:
    """One update: the new state, the metrics and the TD errors."""
    state, batch = dict(state), read(raw, spec, config.gamma)
    target = dqn_target(state, batch, config)

    def q_taken(params: State) -> np.ndarray:
        q_values = mlp(params, "q.0", batch.obs, config.activation)
        return np.array([row[a] for row, a in zip(q_values, batch.action, strict=True)])

    def loss(params: State) -> float:
        return float(np.mean(batch.weight * huber(target - q_taken(params))))

    params = net_of(state, "q")
    metrics, td_error = {"loss/q": loss(params), "train/q_mean": q_taken(params).mean()}, target - q_taken(params)
    gradients, norm = clipped(difference_quotients(loss, params), config.max_grad_norm)
    if config.max_grad_norm is not None:
        metrics["train/grad_norm"] = norm
    descend(state, "q", gradients, config)
    count_update(state, "q", config)
    return state, metrics, td_error


# SAC


def sample(params: State, obs: np.ndarray, noise: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """(S2): the actions (B, A) and their log-probabilities (B,), with log(1 - tanh^2) = -2 log cosh."""
    mean, log_std = np.split(mlp(params, "actor.0", obs, activation), 2, axis=-1)
    std = np.exp(np.minimum(np.maximum(log_std, -20), 2))
    u = mean + std * noise
    log_density = -((u - mean) ** 2) / (2 * std**2) - np.log(std * np.sqrt(2 * np.pi))
    log_cosh = np.logaddexp(u, -u) - np.log(2)
    return np.tanh(u), (log_density + 2 * log_cosh).sum(-1)


def q_values(params: State, net: str, obs: np.ndarray, action: np.ndarray, config: Any) -> np.ndarray:
    """Of all critics: (E, B)."""
    inputs = np.concatenate([obs, action], -1)
    return np.array([mlp(params, f"{net}.{i}", inputs, config.activation)[:, 0] for i in range(config.n_critics)])


def sac_target(state: State, batch: Batch, noise: np.ndarray, config: Any) -> np.ndarray:
    """(S3)."""
    action, log_prob = sample(state, batch.next_obs, noise, config.activation)
    value = q_values(state, "target_critic", batch.next_obs, action, config).min(0)
    return batch.reward + batch.discount * (value - np.exp(state["log_alpha"]) * log_prob)


def sac_update(state: State, raw: Any, noise: Any, config: Any, spec: Any) -> tuple[State, dict[str, Any], np.ndarray]:
    """One update: the new state, the metrics and the TD errors."""
    state, batch, alpha = dict(state), read(raw, spec, config.gamma), np.exp(state["log_alpha"])
    target = sac_target(state, batch, noise[0], config)

    def critic_loss(params: State) -> float:  # (S4)
        squares = (q_values(params, "critic", batch.obs, batch.action, config) - target) ** 2
        return float((batch.weight * squares).mean(1).sum() / 2)

    q = q_values(state, "critic", batch.obs, batch.action, config)
    metrics = {"loss/critic": critic_loss(state), "train/alpha": alpha, "train/q_mean": q.mean()}
    gradients = difference_quotients(critic_loss, net_of(state, "critic"))
    descend(state, "critic", clipped(gradients, config.max_grad_norm)[0], config)

    def actor_loss(params: State) -> float:  # (S5)
        action, log_prob = sample(params, batch.obs, noise[1], config.activation)
        value = q_values(state, "critic", batch.obs, action, config).min(0)
        return float(np.mean(batch.weight * (alpha * log_prob - value)))

    _, log_prob = sample(state, batch.obs, noise[1], config.activation)
    metrics |= {"loss/actor": actor_loss(state), "train/entropy": -log_prob.mean()}
    gradients = difference_quotients(actor_loss, net_of(state, "actor"))
    descend(state, "actor", clipped(gradients, config.max_grad_norm)[0], config)

    if config.learns_alpha:  # (S6), whose gradient is the factor of log_alpha
        target_entropy = -spec.action_dim if config.target_entropy == "auto" else config.target_entropy
        factor = -np.mean(batch.weight * (log_prob + target_entropy))
        metrics["loss/alpha"] = state["log_alpha"] * factor
        descend(state, "log_alpha", {"log_alpha": factor}, config)
    count_update(state, "critic", config)
    return state, metrics, (target - q).mean(0)
