"""JAX-native environments: the twins of classic control beside Gymnasium's own, resets, limits, and what is refused."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.experimental.functional import FuncEnv

from rlpair.advice import install_command
from rlpair.envs.classic_jax import CLASSIC
from rlpair.envs.functional_jax import EnvState, FunctionalStep, from_func_env, functional_env, reset, step
from rlpair.envs.spec import env_spec
from rlpair.errors import ConfigError, EnvError, MissingExtraError, RLPairError
from rlpair.types import EnvSpec

KEY = jax.random.key(0)
TRIALS = 600  # states from which a step is compared
PI = math.pi


class Ranges(NamedTuple):
    """Where states are tried: each coordinate's usual bound, and values at which something switches."""

    bound: tuple[float, ...]
    extremes: tuple[tuple[float, ...], ...]


RANGES = {
    "CartPole-v1": Ranges(
        (2.4, 3.0, 0.21, 3.0),
        ((-2.4, 2.4, 9.0, 0.0), (-60.0, 60.0, 0.0), (-0.20943951023931953, 0.20943951023931953, 3.0), (-80.0, 80.0)),
    ),
    "Pendulum-v1": Ranges((4.0, 8.0), ((-PI, PI, 0.0, 3 * PI, -300.0, 1e4), (-8.0, 8.0, 0.0, 7.99))),
    "Acrobot-v1": Ranges((PI, PI, 12.0, 28.0), ((-PI, PI, 0.0), (-PI, PI, 9.5), (-4 * PI, 4 * PI), (-9 * PI, 9 * PI))),
    "MountainCar-v0": Ranges((1.2, 0.07), ((-1.2, 0.6, 0.5, 0.45, -1.15), (-0.07, 0.07, 0.0))),
    "MountainCarContinuous-v0": Ranges((1.2, 0.07), ((-1.2, 0.6, 0.45, 0.449, -1.15), (-0.07, 0.07, 0.0))),
}


def states_of(env_id: str) -> np.ndarray:
    """(TRIALS, S) float64: half of them with some coordinates at an extreme. The cars' stay within their bounds."""
    rng, ranges = np.random.default_rng(1), RANGES[env_id]
    states = rng.uniform(-1, 1, (TRIALS, len(ranges.bound))) * ranges.bound
    for column, extremes in enumerate(ranges.extremes):
        rows = rng.choice(TRIALS // 2, TRIALS // 3, replace=False)
        states[rows, column] = rng.choice(extremes, len(rows))
    if env_id.startswith("MountainCar"):
        states[:, 0] = np.minimum(states[:, 0], 0.6)
    return states


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


# --- Each task beside Gymnasium's


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


# --- Limits and resets, on a walk along a line


class Walk(FuncEnv[Any, Any, Any, Any, Any, Any, Any]):
    """Steps of -1, 0 or 1 from 0, or as far as the draw says; terminal at ``goal`` or beyond."""

    observation_space = spaces.Box(-9, 9, (1,))
    action_space = spaces.Discrete(3, start=-1)

    def get_default_params(self, **_: Any) -> dict[str, float]:
        return {"goal": 3.0}

    def initial(self, rng: Any, params: Any = None) -> jax.Array:
        return jnp.zeros(())

    def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> jax.Array:
        return state + action

    def observation(self, state: Any, rng: Any, params: Any = None) -> jax.Array:
        return state[None]

    def reward(self, state: Any, action: Any, next_state: Any, rng: Any, params: Any = None) -> jax.Array:
        return 10 * state + next_state

    def terminal(self, state: Any, rng: Any, params: Any = None) -> jax.Array:
        return state >= params["goal"]


def walked(env: Any, actions: list[Any]) -> FunctionalStep:
    """What the steps told, one after the other, as lists."""
    at, _ = reset(env, KEY)
    out = jax.lax.scan(lambda at, action: step(env, at, action, KEY), at, jnp.asarray(actions))[1]
    return FunctionalStep(*(np.asarray(x).squeeze().tolist() for x in out))


def test_an_episode_ends_and_the_next_begins_in_the_same_step() -> None:
    out = walked(from_func_env(Walk(), time_limit=4), [1, 1, 1, 1, -1, 0, 0, 1])
    assert out.next_obs == [1, 2, 3, 1, 0, 0, 0, 1]  # the true successors
    assert out.obs == [1, 2, 0, 1, 0, 0, 0, 1]
    assert out.reward == [1, 12, 23, 1, 10, 0, 0, 1]
    assert out.terminated == [False, False, True, False, False, False, False, False]
    assert out.truncated == [False, False, False, False, False, False, True, False]


def test_the_limit_truncates_what_terminates_at_it_as_in_gymnasium() -> None:
    out = walked(from_func_env(Walk(), time_limit=3), [1, 1, 1, 1])
    assert out.terminated == out.truncated == [False, False, True, False]
    assert out.next_obs == [1, 2, 3, 1]
    assert out.obs == [1, 2, 0, 1]


def test_without_a_limit_nothing_is_truncated() -> None:
    env = from_func_env(Walk())
    assert env.time_limit is None
    assert walked(env, [0] * 5).truncated == [False] * 5


def test_a_given_state_is_where_the_next_episode_begins() -> None:
    env = functional_env("MountainCar-v0", env_kwargs={"max_episode_steps": 1})
    start = jnp.array([-0.5, 0.01])
    at, obs = reset(env, KEY, start)
    assert (obs == start).all()
    assert at.steps == 0
    at, out = step(env, at, jnp.int32(2), KEY, -start)
    assert (out.obs == -start).all()
    assert (at.state == -start).all()
    assert at.steps == 0
    assert out.next_obs[0] > -0.5


def test_resets_of_many_environments_differ() -> None:
    env = functional_env("CartPole-v1", env_kwargs={"max_episode_steps": 1})
    keys = jax.random.split(KEY, 8)
    at, obs = jax.vmap(partial(reset, env))(keys)
    _, out = jax.vmap(partial(step, env))(at, jnp.zeros(8, jnp.int32), keys)
    assert len(np.unique(np.concatenate([obs, out.obs]), axis=0)) == 16


# --- Environments of Gymnasium's functional kind


class Drawing(Walk):
    """Observations in a matrix, drawn anew in each state; actions in a matrix."""

    observation_space: Any = spaces.Box(0, 1, (2, 2), np.float64)  # type: ignore[arg-type]
    action_space: Any = spaces.Box(-1, 1, (1, 2), np.float32)

    def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> jax.Array:
        return state + action[0, 0] - action[0, 1]

    def observation(self, state: Any, rng: Any, params: Any = None) -> jax.Array:
        return jax.random.uniform(rng, (2, 2))


def test_from_func_env_of_boxes() -> None:
    env = from_func_env(Drawing())
    assert env.spec == EnvSpec((2, 2), "float32", False, 2, (-1.0, -1.0), (1.0, 1.0))
    at, obs = reset(env, KEY)
    at, out = step(env, at, jnp.array([1.0, 0.25]), KEY)
    assert at.state.inner == 0.75
    assert out.next_obs.shape == (2, 2)
    assert (obs != out.next_obs).all()
    assert (out.next_obs == env.observation(at.state)).all()  # drawn once a step


def test_from_func_env_of_discrete() -> None:
    assert from_func_env(Walk()).spec == EnvSpec((1,), "float32", True, 3, action_start=-1)


def test_from_func_env_of_gymnasiums_own() -> None:
    phys2d = pytest.importorskip("gymnasium.envs.phys2d.cartpole")
    func_env = phys2d.CartPoleFunctional()
    env = from_func_env(func_env, time_limit=500)
    assert env.spec == EnvSpec((4,), "float32", True, 2)
    states = states_of("CartPole-v1").astype(np.float32)
    actions = np.arange(TRIALS, dtype=np.int32) % 2
    expected = jax.vmap(lambda state, action: func_env.transition(state, action))(states, actions)
    ends = np.asarray(jax.vmap(lambda state: func_env.terminal(state, None))(expected))

    def from_state(state: jax.Array, action: jax.Array) -> FunctionalStep:
        at, _ = reset(env, KEY)
        return step(env, at._replace(state=at.state._replace(inner=state)), action, KEY)[1]

    out = jax.jit(jax.vmap(from_state))(states, actions)
    np.testing.assert_allclose(out.next_obs, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out.terminated, ends)
    assert 0 < ends.sum() < TRIALS
    assert (out.reward == 1).all()
    assert (np.abs(out.obs[ends]) <= 0.05).all()


def test_the_pole_of_gymnasiums_phys2d_is_another() -> None:
    cartpole = pytest.importorskip("gymnasium.envs.phys2d.cartpole")
    assert cartpole.CartPoleParams().polemass_length == 0.6
    assert gym.make("CartPole-v1").unwrapped.polemass_length == 0.05  # type: ignore[attr-defined]


# --- What is refused


class DiscreteObs(Walk):
    """Observations that are numbers."""

    observation_space: Any = spaces.Discrete(4)


ALLOWED = (
    "compiled environments are CartPole-v1, Pendulum-v1, Acrobot-v1, MountainCar-v0, MountainCarContinuous-v0, "
    "gymnax/NAME and brax/NAME"
)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: functional_env("Ant-v5"), ConfigError, f"env='Ant-v5' is not allowed: {ALLOWED}"),
        (lambda: functional_env("CartPole-v0"), ConfigError, f"env='CartPole-v0' is not allowed: {ALLOWED}"),
        (
            lambda: functional_env("phys2d/CartPole-v1"),
            ConfigError,
            f"env='phys2d/CartPole-v1' is not allowed: {ALLOWED}; phys2d's CartPole is another MDP "
            "(its pole mass-length is 0.6 instead of 0.05), no twin of CartPole-v1",
        ),
        (
            lambda: functional_env("CartPole-v1", dtype="float16"),
            ConfigError,
            "dtype='float16' is not allowed: one of float32, float64",
        ),
        (
            lambda: functional_env("brax/ant", dtype="float64"),
            ConfigError,
            "dtype='float64' is not allowed: brax/ant computes in float32",
        ),
        (
            lambda: functional_env("Pendulum-v1", env_kwargs={"gravity": 1}),
            ConfigError,
            "env_kwargs.gravity=1 is not allowed: the compiled Pendulum-v1 takes max_episode_steps, g",
        ),
        (
            lambda: functional_env("Acrobot-v1", env_kwargs={"max_episode_steps": 0}),
            ConfigError,
            "env_kwargs.max_episode_steps=0 is not allowed: a whole number from 1, or -1 for no limit",
        ),
        (
            lambda: from_func_env(DiscreteObs()),
            EnvError,
            "env=DiscreteObs: observations Discrete(4) are not compiled: give a Box with a shape",
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], error: type[RLPairError], message: str) -> None:
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_no_limit_by_minus_one() -> None:
    assert functional_env("Acrobot-v1", env_kwargs={"max_episode_steps": -1}).time_limit is None
    assert functional_env("Acrobot-v1", env_kwargs={"max_episode_steps": None}).time_limit == 500
    assert functional_env("Acrobot-v1", env_kwargs={"max_episode_steps": 7}).time_limit == 7


@pytest.mark.parametrize("family", ["gymnax", "brax"])
def test_a_missing_extra_is_named(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {family!r}", name=family)

    monkeypatch.setattr("importlib.import_module", no_module)
    with pytest.raises(MissingExtraError) as error:
        functional_env(f"{family}/anything")
    expected = f"env={family}/anything needs {family}, which is not installed: {install_command(family)}"
    assert str(error.value) == expected
