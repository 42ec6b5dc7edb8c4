"""The equations D1 to D7 and S1 to S9, each in both backends: literal cases worked out by hand."""

import math
from collections.abc import Iterator
from typing import Any

import backend_jax
import backend_torch
import jax
import numpy as np
import pytest

from rlpair import DQNConfig, EnvSpec
from rlpair.algos.dqn import hyperparameters

BACKENDS = {"torch": backend_torch, "jax": backend_jax}
HALF_LOG_2PI = 0.9189385332046727
LOG_2 = 0.6931471805599453


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    """What JAX would else make float32."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=BACKENDS)
def twin(request: pytest.FixtureRequest) -> Any:
    """The functions of one backend."""
    return BACKENDS[request.param]


def close(actual: Any, expected: Any) -> None:
    """Equal to 12 digits, shapes included."""
    actual, expected = np.asarray(actual), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


# DQN


def test_d1_s1_discount(twin: Any) -> None:
    batch = twin.batch_of(reward=[0, 0, 0], terminated=[0, 1, 0])
    close(twin.dqn.discount(batch, 0.9), [0.9, 0, 0.9])
    brought = batch._replace(discount=twin.array([0.81, 0.5, 0.0]))
    close(twin.sac.discount(brought, 0.9), [0.81, 0.5, 0.0])


@pytest.mark.parametrize(
    ("double_q", "expected"), [(False, [1 + 0.5 * 30, 2, 3 + 0.5 * 9]), (True, [1 + 0.5 * 20, 2, 3 + 0.5 * 8])]
)
def test_d2_target(twin: Any, double_q: bool, expected: list[float]) -> None:
    batch = twin.batch_of(reward=[1, 2, 3], terminated=[0, 1, 0], next_obs=[[0], [0], [0]])
    online, target = twin.array([[0, 9, 2], [1, 2, 3], [5, 4, 4]]), twin.array([[10, 20, 30], [7, 8, 9], [8, 9, 7]])
    close(twin.dqn.td_target(lambda obs: online, lambda obs: target, batch, 0.5, double_q), expected)


def test_d2_target_passes_no_gradient(twin: Any) -> None:
    batch = twin.batch_of(reward=[1, 2], next_obs=[[0], [0]])
    q_values = [[0.0, 9.0], [3.0, 2.0]]

    def target(q: Any) -> Any:
        return twin.dqn.td_target(lambda obs: q, lambda obs: q, batch, 0.5, True)

    close(twin.gradient(target, q_values), np.zeros((2, 2)))


def test_d3_huber(twin: Any) -> None:
    x = [-3, -1, -0.5, 0, 0.5, 1, 2]
    close(twin.dqn.huber(twin.array(x)), [2.5, 0.5, 0.125, 0, 0.125, 0.5, 1.5])
    close(twin.gradient(twin.dqn.huber, x), [-1, -1, -0.5, 0, 0.5, 1, 1])


def test_d3_loss(twin: Any) -> None:
    q_values, target = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], twin.array([1.5, 1.0, 6.0])
    batch = twin.batch_of(obs=[[0], [0], [0]], action=[0, 1, 1])
    weighted = batch._replace(weight=twin.array([2.0, 0.5, 7.0]))

    def loss(q_values: Any, batch: Any = batch) -> Any:
        return twin.dqn.q_loss(lambda obs: q_values, batch, target)

    value, (td_error, q_taken) = loss(twin.array(q_values))
    close(value, (0.125 + 2.5 + 0) / 3)
    close(td_error, [0.5, -3, 0])
    close(q_taken, [1, 4, 6])
    close(loss(twin.array(q_values), weighted)[0], (2 * 0.125 + 0.5 * 2.5) / 3)
    close(twin.gradient(lambda q: loss(q)[0], q_values), [[-0.5 / 3, 0], [0, 1 / 3], [0, 0]])
    close(twin.gradient(lambda q: loss(q, weighted)[0], q_values), [[-1 / 3, 0], [0, 0.5 / 3], [0, 0]])


@pytest.mark.parametrize("max_norm", [100, 13.1, 13, 6.5, 1e-3])
def test_d4_s7_clip(twin: Any, max_norm: float) -> None:
    scale = 1 if max_norm > 13 else max_norm / (13 + 1e-6)
    grads = [[[3.0, 4.0]], [12.0]]  # of one norm, 13, and not each of its own
    (after,), norm = twin.optimize("sgd", [[[0.0, 0.0]], [0.0]], [grads], lr=1.0, max_norm=max_norm)
    close(norm, 13)
    close(after[0], [[-3 * scale, -4 * scale]])
    close(after[1], [-12 * scale])


def test_d5_s8_adam(twin: Any) -> None:
    after, _ = twin.optimize("adam", [1.0], [[2.0], [-1.0]], lr=0.1)
    first = 1 - 0.1 * 2 / (2 + 1e-8)  # mu 0.2, nu 0.004; divided by 0.1 and 0.001
    close(after[0], [first])
    mu, nu = 0.08 / 0.19, 0.004996 / 0.001999
    np.testing.assert_allclose(after[1], [first - 0.1 * mu / (math.sqrt(nu) + 1e-8)], rtol=1e-12)


def test_d5_s8_adam_with_a_tiny_gradient(twin: Any) -> None:  # where eps counts, and it counts outside the root
    after, _ = twin.optimize("adam", [0.0], [[1e-8]], lr=0.1)
    close(after[0], [-0.1 / 2])


def test_d5_s8_rmsprop(twin: Any) -> None:
    after, _ = twin.optimize("rmsprop", [1.0], [[2.0], [-1.0]], lr=0.1)
    first = 1 - 0.1 * 2 / (0.2 + 1e-8)  # nu 0.04
    close(after[0], [first])
    close(after[1], [first + 0.1 * 1 / (math.sqrt(0.0496) + 1e-8)])


def test_d5_s8_rmsprop_with_a_tiny_gradient(twin: Any) -> None:
    after, _ = twin.optimize("rmsprop", [0.0], [[1e-7]], lr=0.1)
    close(after[0], [-0.1 * 1e-7 / 2e-8])


def test_d5_s8_sgd(twin: Any) -> None:
    after, norm = twin.optimize("sgd", [1.0], [[2.0], [-1.0]], lr=0.1)
    close(after, [[0.8], [0.9]])
    assert norm is None


@pytest.mark.parametrize(("tau", "expected"), [(0.25, [1.75, -1.5]), (0.75, [3.25, 1.5]), (1.0, [4.0, 3.0])])
def test_d6_s9_target(twin: Any, tau: float, expected: list[float]) -> None:
    close(twin.blend([1.0, -3.0], [4.0, 3.0], tau), expected)


@pytest.mark.parametrize(("env_steps", "expected"), [(0, 0.9), (50, 0.5), (75, 0.3), (100, 0.1), (10**9, 0.1)])
def test_d7_epsilon(twin: Any, env_steps: int, expected: float) -> None:
    config = DQNConfig(exploration_initial_eps=0.9, exploration_final_eps=0.1, exploration_steps=100)
    close(twin.dqn.epsilon(hyperparameters(config, EnvSpec((1,), "float32", True, 2)), env_steps), expected)


# SAC


def test_s2_bounds_of_log_std(twin: Any) -> None:
    x = [-21, -20, -19.5, 0, 2, 2.5]
    close(twin.sac.clip_log_std(twin.array(x)), [-20, -20, -19.5, 0, 2, 2])
    close(twin.gradient(twin.sac.clip_log_std, x), [0, 1, 1, 1, 1, 0])


@pytest.mark.parametrize(
    ("mean", "log_std", "noise", "action", "log_prob"),
    [
        ([0], [0], [0], [0], -HALF_LOG_2PI),
        ([0.5], [LOG_2], [-0.25], [0], -1 / 32 - LOG_2 - HALF_LOG_2PI),  # u = 0
        ([1], [0], [0], [0.7615941559557649], -HALF_LOG_2PI + 0.8675616609660542),  # -log(1 - tanh(1)^2)
        ([20], [0], [1], [1], -0.5 - HALF_LOG_2PI + 42 - 2 * LOG_2),  # u = 21: 1 - tanh^2 is 0 to 17 digits
        ([-400], [0], [0], [-1], -HALF_LOG_2PI + 800 - 2 * LOG_2),
        ([0, 1], [0, 0], [0, 0], [0, 0.7615941559557649], -2 * HALF_LOG_2PI + 0.8675616609660542),
    ],
)
def test_s2_squash(twin: Any, mean: Any, log_std: Any, noise: Any, action: Any, log_prob: float) -> None:
    found = twin.sac.squash(twin.array([mean]), twin.array([log_std]), twin.array([noise]))
    close(found[0], [action])
    close(found[1], [log_prob])


def test_s2_gradient_of_log_prob(twin: Any) -> None:
    zero, noise = twin.array([[0.0]]), twin.array([[2.0]])

    def log_prob(mean: Any) -> Any:
        return twin.sac.squash(mean, zero, noise)[1]

    close(twin.gradient(log_prob, [[-2.0]]), [[0]])  # u = 0
    close(twin.gradient(log_prob, [[-1.0]]), [[2 * math.tanh(1)]])  # d/du of -log(1 - tanh^2)
    close(twin.gradient(log_prob, [[50.0]]), [[2]])


def test_s3_target(twin: Any) -> None:
    batch = twin.batch_of(reward=[1, 2], terminated=[0, 1], next_obs=[[0], [0]])
    noise, zero = twin.array([[1.0], [1.0]]), twin.array([[0.0], [0.0]])

    def q(obs: Any, action: Any) -> Any:
        return twin.stack([3 * action[:, 0] + 10, action[:, 0] + 11])

    def target(mean: Any) -> Any:
        return twin.sac.td_target(lambda obs: (mean, zero), q, batch, twin.array(0.5), 0.9, noise)

    action = math.tanh(0.75)  # mean -0.25, noise 1; below 0.5 the first critic is smaller, above it the second
    log_prob = -0.5 - HALF_LOG_2PI - math.log(1 - action**2)
    assert action > 0.5
    close(target(twin.array([[-0.25], [-0.25]])), [1 + 0.9 * (action + 11 - 0.5 * log_prob), 2])
    close(twin.gradient(target, [[-0.25], [-0.25]]), [[0], [0]])


def test_s4_critics(twin: Any) -> None:
    batch = twin.batch_of(obs=[[0], [0]], action=[[0.5], [-1.0]])
    target = twin.array([2.0, 1.0])

    def loss(scales: Any, weight: Any = None) -> Any:
        def q(obs: Any, action: Any) -> Any:
            return twin.stack([scale * action[:, 0] for scale in scales])

        return twin.sac.critic_loss(q, batch._replace(weight=weight), target)

    value, td_errors = loss(twin.array([2.0, -4.0]))
    close(td_errors, [[1, 3], [4, -3]])
    close(value, (1 + 9) / 4 + (16 + 9) / 4)
    close(twin.gradient(lambda x: loss(x)[0], [2.0, -4.0]), [(-0.5 + 3) / 2, (-2 - 3) / 2])
    weight = twin.array([3.0, 0.5])
    close(loss(twin.array([2.0, -4.0]), weight)[0], (3 * 1 + 0.5 * 9) / 4 + (3 * 16 + 0.5 * 9) / 4)


def test_s5_actor(twin: Any) -> None:
    batch = twin.batch_of(obs=[[0], [0]], action=[[9.0], [9.0]])  # whose action the actor must not see
    zero, alpha = twin.array([[0.0], [0.0]]), twin.array(0.5)

    def q(obs: Any, action: Any) -> Any:
        return twin.stack([3 * action[:, 0], action[:, 0]])

    def loss(mean: Any, weight: Any = None) -> Any:
        return twin.sac.actor_loss(lambda obs: (mean, zero), q, batch._replace(weight=weight), alpha, zero)

    t, mean = math.tanh(1), [[1.0], [-1.0]]
    log_prob = -HALF_LOG_2PI - math.log(1 - t**2)
    value, log_probs = loss(twin.array(mean))
    close(log_probs, [log_prob, log_prob])
    close(value, (0.5 * log_prob - t + 0.5 * log_prob + 3 * t) / 2)  # the minimum: t, then -3t
    slope = 1 - t**2
    close(twin.gradient(lambda x: loss(x)[0], mean), [[(t - slope) / 2], [(-t - 3 * slope) / 2]])
    weighted, _ = loss(twin.array(mean), twin.array([2.0, 0.25]))
    close(weighted, (2 * (0.5 * log_prob - t) + 0.25 * (0.5 * log_prob + 3 * t)) / 2)


def test_s5_critics_that_tie_share_the_gradient(twin: Any) -> None:
    def q(obs: Any, action: Any) -> Any:
        return twin.stack([2 * action[:, 0], -action[:, 0], action[:, 0] + 1])

    close(twin.gradient(lambda action: twin.sac.min_q(q, None, action), [[0.0]]), [[(2 - 1) / 2]])


def test_s6_alpha(twin: Any) -> None:
    log_prob, weight = twin.array([-1.0, 4.0]), twin.array([2.0, 0.5])
    close(twin.sac.alpha_loss(twin.array(0.5), log_prob, -2.0, None), -0.5 * (-3 + 2) / 2)
    close(twin.sac.alpha_loss(twin.array(0.5), log_prob, -2.0, weight), -0.5 * (-6 + 1) / 2)
    close(twin.gradient(lambda x: twin.sac.alpha_loss(x, log_prob, -2.0, weight), 0.5), 2.5)
    close(twin.gradient(lambda x: twin.sac.alpha_loss(twin.array(0.5), x, -2.0, None), [-1.0, 4.0]), [0, 0])
