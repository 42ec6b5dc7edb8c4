"""Classic control as pure functions beside Gymnasium's own: steps, episodes, limits, and where they begin."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classic_states import PI, TRIALS, states_of
from gymnasium import spaces

from rlpair.envs.classic_jax import CLASSIC
from rlpair.envs.functional_jax import EnvState, FunctionalStep, functional_env, reset, step
from rlpair.envs.spec import env_spec

KEY = jax.random.key(0)


def actions_of(env: gym.Env[Any, Any], count: int) -> np.ndarray:
    """(count,) int32, or (count, 1) float32 with the bounds among them."""
    env.action_space.seed(2)
    actions = np.stack([env.action_space.sample() for _ in range(count)])
    if isinstance(env.action_space, spaces.Box):
        actions[::7], actions[3::7] = env.action_space.low, env.action_space.high
        return actions
    return actions.astype(np.int32)


def one_transition(env: Any, state: jax.Array, action: jax.Array) -> tuple[jax.Array, ...]:
    successor = env.transition(state, action, KEY)
    return successor, env.observation(successor), env.reward(state, action, successor), env.terminal(successor)


def gymnasiums_transition(env: gym.Env[Any, Any], state: np.ndarray, action: Any) -> tuple[Any, ...]:
    env.reset()
    env.unwrapped.state = state.copy()  # type: ignore[attr-defined]
    obs, reward, terminated, _, _ = env.unwrapped.step(action)
    return np.array(env.unwrapped.state), obs, np.float32(reward), terminated  # type: ignore[attr-defined]


# Gymnasium holds a state in float64; acrobot's after a reset, and the continuous car's after a step, in float32.
HELD = [
    *((env_id, "float64") for env_id in CLASSIC),
    ("Acrobot-v1", "float32"),
    ("MountainCarContinuous-v0", "float32"),
]


@pytest.mark.parametrize(("env_id", "held"), HELD)
def test_steps_equal_gymnasiums(env_id: str, held: str) -> None:
    theirs, states = gym.make(env_id), states_of(env_id).astype(held)
    actions = actions_of(theirs, TRIALS)
    expected = [gymnasiums_transition(theirs, s, a if a.ndim else int(a)) for s, a in zip(states, actions, strict=True)]
    with jax.enable_x64(True):
        transition = jax.jit(jax.vmap(partial(one_transition, functional_env(env_id, dtype="float64"))))
        ours = jax.device_get(transition(states.astype(np.float64), actions))
    state, obs, reward, terminated = (np.stack(column) for column in zip(*expected, strict=True))
    assert [x.dtype for x in ours] == [np.float64, np.float32, np.float32, np.bool_]
    assert (np.abs(ours[0] - state).max(0) <= 1e-12 * np.abs(state).max(0)).all()
    np.testing.assert_allclose(ours[1], obs, rtol=3e-7, atol=1e-12)
    np.testing.assert_allclose(ours[2], reward, rtol=3e-7, atol=1e-12)
    np.testing.assert_array_equal(ours[3], terminated)
    if env_id != "Pendulum-v1":
        assert 5 < terminated.sum() < TRIALS - 5


@pytest.mark.parametrize("env_id", CLASSIC)
def test_float32_is_float64_rounded(env_id: str) -> None:
    states = states_of(env_id)[TRIALS // 2 :].astype(np.float32)  # at a switch, rounding may decide
    actions = actions_of(gym.make(env_id), len(states))
    found = {}
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            transition = jax.jit(jax.vmap(partial(one_transition, functional_env(env_id, dtype=dtype))))
            found[dtype] = jax.device_get(transition(states.astype(dtype), actions))
    assert [x.dtype for x in found["float32"]] == [np.float32, np.float32, np.float32, np.bool_]
    for low, high in zip(found["float32"][:3], found["float64"][:3], strict=True):
        scale = np.abs(high).max(0)
        assert (
            np.abs(low - high).max(0) <= 1e-4 * scale
        ).all()  # the acrobot at speed multiplies rounding a hundredfold
    np.testing.assert_array_equal(found["float32"][3], found["float64"][3])


class Told(NamedTuple):
    """A step of Gymnasium's, and the state in which the next episode begins where it ended one."""

    out: FunctionalStep
    initial: np.ndarray


def gymnasiums_steps(env: gym.Env[Any, Any], actions: np.ndarray) -> Iterator[Told]:
    """Reset in the step that ends an episode, as ours."""
    for action in actions:
        next_obs, reward, terminated, truncated, _ = env.step(action if action.ndim else int(action))
        obs = env.reset()[0] if terminated or truncated else next_obs
        start = np.array(env.unwrapped.state, np.float64)  # type: ignore[attr-defined]
        yield Told(FunctionalStep(next_obs, np.float32(reward), terminated, truncated, obs), start)  # type: ignore[arg-type]


# Steps enough for several episodes. Random actions rarely lift the acrobot or the cars, so that their limits cut.
LENGTHS = [
    ("CartPole-v1", 400, {}),
    ("CartPole-v1", 300, {"max_episode_steps": 15, "sutton_barto_reward": True}),
    ("Pendulum-v1", 700, {}),
    ("Pendulum-v1", 500, {"g": 9.81}),
    ("Acrobot-v1", 1600, {}),
    ("MountainCar-v0", 700, {}),
    ("MountainCarContinuous-v0", 2500, {}),
]
CARS = {"MountainCar-v0": 2, "MountainCarContinuous-v0": 1.0}  # and the action that accelerates to the right


@pytest.mark.parametrize(("env_id", "length", "env_kwargs"), LENGTHS)
def test_episodes_equal_gymnasiums(env_id: str, length: int, env_kwargs: dict[str, Any]) -> None:
    theirs = gym.make(env_id, **env_kwargs)
    theirs.reset(seed=3)
    first = np.array(theirs.unwrapped.state, np.float64)  # type: ignore[attr-defined]
    actions = actions_of(theirs, length)
    told = list(gymnasiums_steps(theirs, actions))
    expected = jax.tree.map(lambda *rows: np.stack(rows), *told)
    with jax.enable_x64(True):
        env = functional_env(env_id, dtype="float64", env_kwargs=env_kwargs)

        def one(at: EnvState, inputs: tuple[jax.Array, jax.Array]) -> tuple[EnvState, FunctionalStep]:
            return step(env, at, inputs[0], KEY, inputs[1])

        at, obs = reset(env, KEY, jnp.asarray(first))
        ours = jax.device_get(jax.jit(partial(jax.lax.scan, one))(at, (actions, expected.initial))[1])
    np.testing.assert_allclose(obs, env.observation(first), rtol=3e-7)
    for name in FunctionalStep._fields:
        tolerance = {"next_obs": 1e-6, "obs": 1e-6, "reward": 1e-6}.get(name, 0)
        ours_, theirs_ = getattr(ours, name), getattr(expected.out, name)
        np.testing.assert_allclose(ours_, theirs_, rtol=tolerance, atol=tolerance, err_msg=name)
    assert (ours.terminated | ours.truncated).sum() > 1
    assert ours.truncated.any() == ((env_id, env_kwargs) != ("CartPole-v1", {}))


@pytest.mark.parametrize("goal_velocity", [0.0, 0.02, 0.06])
@pytest.mark.parametrize(("env_id", "forward"), CARS.items())
def test_the_goal_wants_its_velocity(env_id: str, forward: Any, goal_velocity: float) -> None:
    """Cars that pass the goal at many speeds: the episode ends where Gymnasium's does."""
    theirs: Any = gym.make(env_id, goal_velocity=goal_velocity)
    theirs.reset(seed=0)
    env = functional_env(env_id, env_kwargs={"goal_velocity": goal_velocity})
    ends = []
    for velocity in np.linspace(0, 0.068, 18):
        begin = np.array([0.449, velocity], np.float32)
        begin[0] += 0.05 * (env_id == "MountainCar-v0")
        theirs.unwrapped.state = begin
        expected = theirs.step(forward if env_id == "MountainCar-v0" else np.array([forward], np.float32))[2]
        action = jnp.asarray(forward if env_id == "MountainCar-v0" else [forward])
        ends.append(bool(env.terminal(env.transition(jnp.asarray(begin), action, KEY))))
        assert ends[-1] == expected
    assert len(set(ends)) == 2  # some pass, some do not


@pytest.mark.parametrize("env_id", CLASSIC)
def test_spec_and_time_limit_are_gymnasiums(env_id: str) -> None:
    theirs, ours = gym.make(env_id), functional_env(env_id)
    assert ours.spec == env_spec(theirs)
    assert ours.time_limit == gym.spec(env_id).max_episode_steps


# Resets are drawn at random: each assertion below would fail for a right implementation with a probability of at most
# 1e-6 (Dvoretzky, Kiefer, Wolfowitz).
DRAWS = 20_000
KOLMOGOROV = math.sqrt(math.log(2 / 1e-6) / (2 * DRAWS))
STARTS: dict[str, list[Any]] = {
    "CartPole-v1": [(-0.05, 0.05)] * 4,
    "Pendulum-v1": [(-PI, PI), (-1, 1)],
    "Acrobot-v1": [(-0.1, 0.1)] * 4,
    "MountainCar-v0": [(-0.6, -0.4), None],
    "MountainCarContinuous-v0": [(-0.6, -0.4), None],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("env_id", CLASSIC)
def test_resets_are_uniform(env_id: str, dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        initial = jax.jit(jax.vmap(functional_env(env_id, dtype=dtype).initial))
        states = np.asarray(initial(jax.random.split(KEY, DRAWS)))
    assert states.dtype == dtype
    assert states.shape == (DRAWS, len(STARTS[env_id]))
    for column, bounds in zip(states.T, STARTS[env_id], strict=True):
        if bounds is None:
            assert not column.any()
            continue
        below = (np.sort(column.astype(np.float64)) - bounds[0]) / (bounds[1] - bounds[0])
        assert -1e-6 < below[0] < below[-1] < 1 + 1e-6
        assert np.abs(below - np.arange(DRAWS) / DRAWS).max() < KOLMOGOROV
    drawn = [column for column, bounds in zip(states.T, STARTS[env_id], strict=True) if bounds]
    for i, first in enumerate(drawn):
        for second in drawn[:i]:
            assert abs(np.corrcoef(first, second)[0, 1]) * math.sqrt(DRAWS) < 4.9  # P(|normal| > 4.9) < 1e-6
