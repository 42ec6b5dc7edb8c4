"""One contract of acting in both backends: a batch, one observation, and the one line for any other shape."""

from typing import Any

import numpy as np
import pytest

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, make_agent
from rlpair.errors import ObservationError

SPECS = {
    "dqn": EnvSpec((3,), "float32", True, 2, action_start=-1),
    "sac": EnvSpec((3,), "float32", False, 2, (-1.0, 0.0), (1.0, 2.0)),
}


def small_agent(algo: str, backend: str, spec: EnvSpec | None = None) -> Any:
    config = DQNConfig(net_arch=(8,)) if algo == "dqn" else SACConfig(net_arch=(8,))
    return make_agent(algo, backend=backend, env=spec or SPECS[algo], config=config)


@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_one_observation_gives_one_action(algo: str, explore: bool) -> None:
    obs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = []
    for backend in ("torch", "jax"):
        one = small_agent(algo, backend).act(obs[0], explore=explore)
        of_a_batch = small_agent(algo, backend).act(obs[:1], explore=explore)  # the same draws
        assert (of_a_batch.shape, of_a_batch.dtype) == ((1, *one.shape), one.dtype)
        np.testing.assert_array_equal(one, of_a_batch[0])
        found.append((one.shape, one.dtype.name))
        assert small_agent(algo, backend).act(obs).shape == (4, *one.shape)
    assert found == [((), "int32") if algo == "dqn" else ((2,), "float32")] * 2


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_observations_may_be_views_that_torch_cannot_share(backend: str) -> None:
    """Flipped, as of an image whose channels are turned round, or read-only, as what JAX's environments give."""
    obs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    read_only = obs[::-1].copy()
    read_only.flags.writeable = False
    zeros, found = np.zeros(4, np.float32), []
    for view in (obs[::-1].copy(), obs[::-1], read_only):
        agent = small_agent("sac", backend)
        info = agent.update(Transition(view, np.zeros((4, 2), np.float32), zeros, view, zeros))
        found.append((agent.act(view, explore=False), np.asarray(info.td_error)))
    for action, td_error in found[1:]:
        np.testing.assert_array_equal(action, found[0][0])
        np.testing.assert_array_equal(td_error, found[0][1])


@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_an_action_may_be_changed(algo: str, explore: bool) -> None:
    """By an environment that clips it in place, say; the next one is none the worse."""
    obs = np.zeros((4, 3), np.float32)
    for backend in ("torch", "jax"):
        agent = small_agent(algo, backend)
        action = agent.act(obs, explore=explore)
        action[:] = 9
        assert (agent.act(obs, explore=explore) != 9).all()


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(
    ("obs", "found"),
    [
        (np.zeros(4, np.float32), "has shape (4,)"),
        (np.zeros((2, 4), np.float32), "has shape (2, 4)"),
        (np.zeros((1, 2, 3), np.float32), "has shape (1, 2, 3)"),
        (np.zeros((0, 3), np.float32), "has shape (0, 3)"),
        (np.zeros((), np.float32), "has shape ()"),
        ([0.0, 0.0, 0.0], "is a list"),
        (None, "is a NoneType"),
    ],
)
def test_another_shape_is_one_line(backend: str, obs: Any, found: str) -> None:
    with pytest.raises(ObservationError) as error:
        small_agent("sac", backend).act(obs)
    assert str(error.value) == f"obs {found}, and this agent takes an array of (3,) or (N, 3)"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_an_action_at_a_bound_is_not_rounded_over_it(backend: str) -> None:
    """Of 500 boxes some lie so that float32 computes a bound too far."""
    rng = np.random.default_rng(0)
    low = rng.uniform(-2, 0, 500).astype(np.float32)
    high = rng.uniform(0.1, 3, 500).astype(np.float32)
    assert (low + (high - low) > high).sum() > 50
    agent = small_agent("sac", backend, EnvSpec((3,), "float32", False, 500, tuple(low.tolist()), tuple(high.tolist())))
    action = agent.act(1e8 * rng.normal(size=(50, 3)).astype(np.float32))
    assert (low <= action).all()
    assert (action <= high).all()
    for bound in (low, high):
        assert (action == bound).mean() > 0.3  # so large observations lead to


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_an_image(backend: str) -> None:
    agent = small_agent("dqn", backend, EnvSpec((4, 3, 1), "uint8", True, 2))
    assert agent.act(np.zeros((4, 3, 1), np.uint8)).shape == ()
    with pytest.raises(ObservationError) as error:
        agent.act(np.zeros((4, 3), np.uint8))
    assert str(error.value) == "obs has shape (4, 3), and this agent takes an array of (4, 3, 1) or (N, 4, 3, 1)"
