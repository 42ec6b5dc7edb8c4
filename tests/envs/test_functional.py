"""JAX-native environments: limits and resets, Gymnasium's functional kind, and what is refused."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classic_states import TRIALS, states_of
from gymnasium import spaces
from gymnasium.experimental.functional import FuncEnv

from rlpair.advice import install_command
from rlpair.envs.functional_jax import FunctionalStep, from_func_env, functional_env, reset, step
from rlpair.errors import ConfigError, EnvError, MissingExtraError, RLPairError
from rlpair.types import EnvSpec

KEY = jax.random.key(0)
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


def test_an_episode_begins_with_another_draw_than_the_one_before_ends_with() -> None:
    draw = lambda key: jax.random.uniform(key, (1,))  # noqa: E731
    env: Any = SimpleNamespace(
        time_limit=None,
        initial=draw,
        transition=lambda state, action, key: draw(key),
        observation=lambda state: state,
        terminal=lambda state: jnp.ones((), bool),
        reward=lambda state, action, next_state: jnp.zeros(()),
    )
    at, _ = reset(env, KEY)
    out = jax.vmap(lambda key: step(env, at, jnp.zeros(()), key)[1])(jax.random.split(KEY, 1_000))
    assert abs(np.corrcoef(out.next_obs[:, 0], out.obs[:, 0])[0, 1]) < 0.17  # 1e-7 by chance
    assert abs(float(out.obs.mean()) - 0.5) < 0.05


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
            lambda: functional_env("Acrobot-v1", env_kwargs={"max_episode_steps": True}),
            ConfigError,
            "env_kwargs.max_episode_steps=True is not allowed: a whole number from 1, or -1 for no limit",
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


def test_all_that_a_func_env_draws_is_independent() -> None:
    """Each of its functions is given a key of its own, in a reset and in a step."""
    keys: list[list[int]] = []

    class Noting(Walk):
        def initial(self, rng: Any, params: Any = None) -> jax.Array:
            return self._note(rng, super().initial(rng, params))

        def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> jax.Array:
            return self._note(rng, super().transition(state, action, rng, params))

        def observation(self, state: Any, rng: Any, params: Any = None) -> jax.Array:
            return self._note(rng, super().observation(state, rng, params))

        def reward(self, state: Any, action: Any, next_state: Any, rng: Any, params: Any = None) -> jax.Array:
            return self._note(rng, super().reward(state, action, next_state, rng, params))

        def terminal(self, state: Any, rng: Any, params: Any = None) -> jax.Array:
            return self._note(rng, super().terminal(state, rng, params))

        def _note(self, rng: Any, value: jax.Array) -> jax.Array:
            keys.append(jax.random.key_data(rng).tolist())
            return value

    env = from_func_env(Noting())
    state = env.initial(KEY)
    env.transition(state, jnp.asarray(1), KEY)
    in_reset, in_step = keys[:3], keys[3:]
    for some, count in ((in_reset, 3), (in_step, 4)):
        assert len(some) == len(set(map(tuple, some))) == count
