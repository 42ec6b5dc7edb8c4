"""Functional environments against Gymnasium's, step by step in float64; resets, time limits, and what is refused."""

import math
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.experimental.functional import FuncEnv

from rlpair.envs.classic_jax import CLASSIC, wrap
from rlpair.envs.functional_jax import EnvState, FromFuncEnv, functional_env, reset, step
from rlpair.envs.spec import env_spec
from rlpair.errors import ConfigError
from rlpair.types import EnvSpec

PI = math.pi
# Bounds (low, high) of random states, and states where something changes: at, just within and just beyond an end.
STATES: dict[str, tuple[list[float], list[float], list[list[float]]]] = {
    "CartPole-v1": (
        [-2.5, -4, -0.25, -4],
        [2.5, 4, 0.25, 4],
        [
            [2.4, 0, 0, 0],
            [2.39, 1, 0, 0],
            [-2.39, -1, 0, 0],
            [0, 0, 0.209, 0.1],
            [0, 0, -0.209, -0.1],
            [0, 1e3, 0, 1e3],
        ],
    ),
    "Pendulum-v1": (
        [-20, -8],
        [20, 8],
        [[PI, 0], [-PI, 0], [3 * PI, 8], [0, 8], [0, -8], [100, 7.99], [1e-9, 0]],
    ),
    "Acrobot-v1": (
        [-PI, -PI, -4 * PI, -9 * PI],
        [PI, PI, 4 * PI, 9 * PI],
        [[PI, -PI, 4 * PI, 9 * PI], [-PI, PI, -4 * PI, -9 * PI], [2 * PI / 3, 0, 0, 0], [PI, 0, 0, 0], [0, 0, 0, 0]],
    ),
    "MountainCar-v0": (
        [-1.2, -0.07],
        [0.6, 0.07],
        [[-1.2, -0.07], [-1.2, 0], [-1.17, -0.05], [0.5, 0], [0.49, 0.02], [0.6, 0.07], [0.45, 0.05]],
    ),
    "MountainCarContinuous-v0": (
        [-1.2, -0.07],
        [0.6, 0.07],
        [[-1.2, -0.07], [-1.2, 0], [-1.17, -0.05], [0.45, 0], [0.44, 0.02], [0.6, 0.07]],
    ),
}
# float64 to the last few digits; Gymnasium computes the last one in float32, in an order of its own
TOLERANCE = dict.fromkeys(STATES, 1e-12) | {"MountainCarContinuous-v0": 3e-7}


def actions_of(spec: EnvSpec, rng: np.random.Generator, n: int) -> np.ndarray:
    """Random ones, the extreme ones among them."""
    if spec.discrete:
        return rng.integers(spec.action_dim, size=n).astype(np.int32)
    actions = rng.uniform(spec.action_low, spec.action_high, (n, spec.action_dim)).astype(np.float32)
    actions[: n // 4] = np.where(rng.random((n // 4, 1)) < 0.5, spec.action_low, spec.action_high)
    return actions


def test_all_of_them_are_tested() -> None:
    assert STATES.keys() == CLASSIC.keys()


@pytest.mark.parametrize("env_id", STATES)
def test_one_step_from_any_state(env_id: str) -> None:
    rng, (low, high, extreme) = np.random.default_rng(0), STATES[env_id]
    states = np.concatenate([rng.uniform(low, high, (300, len(low))), np.repeat(extreme, 3, axis=0)])
    with jax.enable_x64(True):
        env = functional_env(env_id, dtype="float64")
        actions = actions_of(env.spec, rng, len(states))
        if env.spec.discrete:
            actions[300:] = np.tile(np.arange(3) % env.spec.action_dim, len(extreme))
        keys = jax.random.split(jax.random.key(0), len(states))
        next_states = jax.vmap(env.transition)(states, actions, keys)
        obs = jax.vmap(env.observation)(next_states)
        reward, terminal = jax.vmap(env.reward)(states, actions, next_states), jax.vmap(env.terminal)(next_states)
    assert (obs.dtype, next_states.dtype) == (np.float32, np.float64)
    theirs: Any = gym.make(env_id).unwrapped
    theirs.reset(seed=0)
    for i, state in enumerate(states):
        theirs.state, theirs.steps_beyond_terminated = state.copy(), None
        its_obs, its_reward, its_terminated, _, _ = theirs.step(actions[i] if actions.ndim > 1 else int(actions[i]))
        what = f"from {state} by {actions[i]}"
        np.testing.assert_allclose(next_states[i], theirs.state, TOLERANCE[env_id], 1e-14, err_msg=what)
        np.testing.assert_allclose(obs[i], its_obs, 3e-7, 1e-7, err_msg=what)
        np.testing.assert_allclose(reward[i], its_reward, TOLERANCE[env_id], err_msg=what)
        assert bool(terminal[i]) == its_terminated, what
    assert 0 < np.asarray(terminal).sum() < len(states) or env_id == "Pendulum-v1"


@pytest.mark.parametrize("env_id", STATES)
def test_episodes(env_id: str) -> None:
    """Whole ones, resets and time limits included; the starts are Gymnasium's."""
    rng, theirs = np.random.default_rng(1), gym.make(env_id)
    steps = 2_100 if env_id == "MountainCarContinuous-v0" else 700
    with jax.enable_x64(True):
        env = functional_env(env_id, dtype="float64")
        one_step = jax.jit(lambda at, action, initial: step(env, at, action, jax.random.key(0), initial))
        theirs.reset(seed=1)
        at = EnvState(np.array(theirs.unwrapped.state, np.float64), np.int32(0))  # type: ignore[attr-defined]
        ends = []
        for t, action in enumerate(actions_of(env.spec, rng, steps)):
            next_obs, reward, terminated, truncated, _ = theirs.step(action if action.ndim else int(action))
            obs = next_obs
            if terminated or truncated:
                ends.append((t, terminated, truncated))
                obs, _ = theirs.reset()
            start = np.array(theirs.unwrapped.state, np.float64)  # type: ignore[attr-defined]
            at, out = one_step(at, action, start)
            np.testing.assert_allclose(out.next_obs, next_obs, 1e-4, 1e-5)  # chaos: Acrobot's errors grow
            np.testing.assert_allclose(out.obs, obs, 1e-4, 1e-5)
            np.testing.assert_allclose(out.reward, reward, 1e-4)
            assert (bool(out.terminated), bool(out.truncated)) == (terminated, truncated)
    assert len(ends) >= 1


@pytest.mark.parametrize("env_id", STATES)
def test_spec(env_id: str) -> None:
    theirs, env = gym.make(env_id), functional_env(env_id)
    assert env.spec == env_spec(theirs)
    assert theirs.spec is not None
    assert env.time_limit == theirs.spec.max_episode_steps


@pytest.mark.parametrize("env_id", STATES)
def test_starts_have_gymnasiums_distribution(env_id: str) -> None:
    """Each of the numbers, by Kolmogorov and Smirnov; a right one fails with a probability of at most 1e-6."""
    n, theirs, env = 4_000, gym.make(env_id), functional_env(env_id)
    mine = np.asarray(jax.vmap(env.initial)(jax.random.split(jax.random.key(0), n)))
    assert mine.dtype == np.float32
    theirs.reset(seed=0)
    its = np.array([(theirs.reset(), theirs.unwrapped.state)[1] for _ in range(n)])  # type: ignore[attr-defined]
    for a, b in zip(mine.T, its.T, strict=True):
        at = np.sort(np.concatenate([a, b]))
        apart = np.searchsorted(np.sort(a), at, "right") - np.searchsorted(np.sort(b), at, "right")
        assert np.abs(apart).max() / n < math.sqrt(math.log(2 / 1e-6) / n)  # two samples of n
    assert np.abs(np.corrcoef(mine.T + 1e-9 * np.arange(n))[0, 1]) < 4.9 / math.sqrt(n) or env_id.startswith("Mountain")


@pytest.mark.parametrize(
    ("angle", "wrapped"), [(PI, PI), (-PI, -PI), (PI + 1, 1 - PI), (-PI - 1, PI - 1), (7 * PI, PI)]
)
def test_wrap(angle: float, wrapped: float) -> None:
    with jax.enable_x64(True):
        np.testing.assert_allclose(wrap(jnp.asarray(angle)), wrapped, 1e-12)


class Count(FuncEnv):  # type: ignore[type-arg]
    """Counts up by the action; it ends at 3."""

    observation_space = spaces.Box(0, 10, (1,), np.float32)
    action_space = spaces.Discrete(2, start=1)

    def get_default_params(self, **kwargs: Any) -> Any:
        return {"end": 3}

    def initial(self, rng: Any, params: Any = None) -> Any:
        return jnp.zeros((), jnp.int32)

    def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> Any:
        return state + action

    def observation(self, state: Any, rng: Any, params: Any = None) -> Any:
        return state[None]

    def reward(self, state: Any, action: Any, next_state: Any, rng: Any, params: Any = None) -> Any:
        return next_state - state

    def terminal(self, state: Any, rng: Any, params: Any = None) -> Any:
        return state >= params["end"]


def test_an_environment_of_ones_own_with_both_ends_at_once() -> None:
    env = FromFuncEnv(Count(), time_limit=3)
    assert env.spec == EnvSpec((1,), "float32", True, 2, action_start=1)
    at, obs = reset(env, jax.random.key(0))
    told = []
    for action in (1, 1, 1, 2, 2):
        at, out = step(env, at, jnp.asarray(action), jax.random.key(0))
        told.append(
            [float(x) for x in (obs[0], out.next_obs[0], out.reward, out.terminated, out.truncated, out.obs[0])]
        )
        obs = out.obs
    assert told == [
        [0, 1, 1, 0, 0, 1],
        [1, 2, 1, 0, 0, 2],
        [2, 3, 1, 1, 1, 0],  # terminated and truncated: next_obs is the successor, obs the new episode's
        [0, 2, 2, 0, 0, 2],
        [2, 4, 2, 1, 0, 0],
    ]


def test_truncated_alone() -> None:
    env = FromFuncEnv(Count(), time_limit=1)
    at, _ = reset(env, jax.random.key(0))
    at, out = step(env, at, jnp.asarray(1), jax.random.key(0), initial=jnp.asarray(2, jnp.int32))
    assert (bool(out.terminated), bool(out.truncated), float(out.next_obs[0]), float(out.obs[0])) == (False, True, 1, 2)
    assert (int(at.state), int(at.steps)) == (2, 0)


IDS = "CartPole-v1, Pendulum-v1, Acrobot-v1, MountainCar-v0, MountainCarContinuous-v0"


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "message"),
    [
        (
            "HalfCheetah-v5",
            {},
            f"env='HalfCheetah-v5' is not allowed: in mode=fused one of {IDS}; mode=host trains on any",
        ),
        (
            "phys2d/CartPole-v1",
            {},
            f"env='phys2d/CartPole-v1' is not allowed: one of {IDS}; Gymnasium's phys2d environments are others than "
            "those of classic control: CartPole's pole weighs more",
        ),
        ("Pendulum-v1", {"m": 2}, "env_kwargs={'m': 2} is not allowed: g: what Pendulum-v1 takes in mode=fused"),
        ("Acrobot-v1", {"m": 2}, "env_kwargs={'m': 2} is not allowed: none: what Acrobot-v1 takes in mode=fused"),
    ],
)
def test_what_has_no_functional_form(env_id: str, env_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        functional_env(env_id, env_kwargs=env_kwargs)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "state"),
    [
        ("Pendulum-v1", {"g": 9.81}, [1.0, 0.5]),
        ("CartPole-v1", {"sutton_barto_reward": True}, [0, 0, 0.209, 0.5]),
        ("MountainCar-v0", {"goal_velocity": 0.01}, [0.499, 0.005]),
    ],
)
def test_arguments_of_the_environment(env_id: str, env_kwargs: dict[str, Any], state: list[float]) -> None:
    theirs: Any = gym.make(env_id, **env_kwargs).unwrapped
    theirs.reset(seed=0)
    theirs.state = np.array(state)
    with jax.enable_x64(True):
        env = functional_env(env_id, dtype="float64", env_kwargs=env_kwargs)
        action = np.ones(1, np.float32) if not env.spec.discrete else np.int32(1)
        obs, reward, terminated, _, _ = theirs.step(action if action.ndim else int(action))
        next_state = env.transition(jnp.asarray(state), action, jax.random.key(0))
        np.testing.assert_allclose(next_state, theirs.state, 1e-12)
        np.testing.assert_allclose(env.observation(next_state), obs, 1e-6)
        np.testing.assert_allclose(env.reward(jnp.asarray(state), action, next_state), reward, 1e-12)
        assert bool(env.terminal(next_state)) == terminated
