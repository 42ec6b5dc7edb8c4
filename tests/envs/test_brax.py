"""Brax's environments through the protocol of functional environments."""

import importlib.util
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlpair.envs.functional_jax import functional_env, reset, step
from rlpair.errors import ConfigError
from rlpair.types import EnvSpec

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("brax") is None, reason="brax is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what it is made of: JAXopt, MJX
    pytest.mark.filterwarnings("ignore:Brax System, piplines and environments:UserWarning"),
]
KEY = jax.random.key(0)
SPRING = {"backend": "spring"}


@pytest.fixture(autouse=True)
def braxs_own_ranks() -> Any:
    """It promotes ranks here and there, which our own functions are not allowed to."""
    with jax.numpy_rank_promotion("allow"):
        yield


def test_spec_and_time_limit() -> None:
    env = functional_env("brax/ant", env_kwargs=SPRING)
    assert env.spec == EnvSpec((27,), "float32", False, 8, (-1.0,) * 8, (1.0,) * 8)
    assert env.time_limit == 1000


def test_steps_equal_braxs() -> None:
    """Step by step until the pendulum falls; then an episode begins that its limit cuts."""
    from brax import envs

    env, length = functional_env("brax/inverted_pendulum", env_kwargs={**SPRING, "episode_length": 12}), 100
    theirs = envs.get_environment("inverted_pendulum", **SPRING)
    keys, actions = jax.random.split(KEY, length), jax.random.uniform(KEY, (length, 1), minval=-1.0, maxval=1.0)
    at, first = jax.jit(partial(reset, env))(KEY)
    out = jax.jit(partial(jax.lax.scan, lambda at, inputs: step(env, at, *inputs)))(at, (actions, keys))[1]
    assert [x.dtype for x in out] == [jnp.float32, jnp.float32, jnp.bool_, jnp.bool_, jnp.float32]

    begin, go_on = jax.jit(theirs.reset), jax.jit(theirs.step)
    state, steps = begin(KEY), 0
    np.testing.assert_array_equal(first, state.obs)
    for t in range(length):
        state, steps = go_on(state, actions[t]), steps + 1
        np.testing.assert_allclose(out.next_obs[t], state.obs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(out.reward[t], state.reward, rtol=1e-5)
        assert bool(out.terminated[t]) == bool(state.done)
        assert bool(out.truncated[t]) == (steps == 12)
        if out.terminated[t] or out.truncated[t]:
            state, steps = begin(jax.random.split(keys[t])[1]), 0
        np.testing.assert_allclose(out.obs[t], state.obs, rtol=1e-4, atol=1e-5)
    assert out.terminated.any()
    assert out.truncated.any()


NAMES = (
    "ant, fast, halfcheetah, hopper, humanoid, humanoidstandup, inverted_pendulum, inverted_double_pendulum, pusher, "
    "reacher, swimmer, walker2d"
)


@pytest.mark.parametrize(
    ("name", "env_kwargs", "message"),
    [
        ("Ant-v5", {}, f"env='brax/Ant-v5' is not allowed: Brax has {NAMES}"),
        (
            "ant",
            {"episode_length": 0},
            "env_kwargs.episode_length=0 is not allowed: a whole number of steps, from 1",
        ),
        (
            "inverted_pendulum",
            {"gravity": 3},
            "env_kwargs={'gravity': 3} is not allowed: brax/inverted_pendulum says: "
            "PipelineEnv.__init__() got an unexpected keyword argument 'gravity'",
        ),
    ],
)
def test_what_is_refused(name: str, env_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        functional_env(f"brax/{name}", env_kwargs=env_kwargs)
    assert str(error.value) == message
