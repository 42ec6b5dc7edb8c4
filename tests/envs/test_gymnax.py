"""gymnax's environments through the protocol of functional environments."""

import dataclasses
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlpair import DQNConfig, evaluate_agent, load_agent, make_agent
from rlpair.config import RunConfig
from rlpair.envs.functional_jax import FunctionalStep, functional_env, reset, step
from rlpair.errors import ConfigError, EnvError
from rlpair.evaluate import EvaluateConfig, task
from rlpair.train import train
from rlpair.types import EnvSpec

gymnax = pytest.importorskip("gymnax")
from gymnax.environments import spaces as gymnax_spaces  # noqa: E402

from rlpair.envs.gymnax_jax import GymnaxEnv  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning"),
]
KEY = jax.random.key(0)
NAMES = [
    "CartPole-v1",
    "Pendulum-v1",
    "MountainCarContinuous-v0",
    "Breakout-MinAtar",
    "Freeway-MinAtar",
    "Catch-bsuite",
]


@pytest.fixture(autouse=True)
def gymnaxs_own_ranks() -> Any:
    """It promotes ranks here and there, which our own functions are not allowed to."""
    with jax.numpy_rank_promotion("allow"):
        yield


def random_actions(spec: EnvSpec, length: int) -> jax.Array:
    """(length,) int32 or (length, A) float32."""
    if spec.discrete:
        return jax.random.randint(KEY, (length,), 0, spec.action_dim)
    low, high = jnp.array(spec.action_low), jnp.array(spec.action_high)
    return jax.random.uniform(KEY, (length, spec.action_dim), minval=low, maxval=high)


def rolled(env: Any, length: int) -> tuple[jax.Array, FunctionalStep]:
    """The first observation, and what the steps told."""
    keys, actions = jax.random.split(KEY, length), random_actions(env.spec, length)
    at, obs = jax.jit(partial(reset, env))(KEY)
    out = jax.jit(partial(jax.lax.scan, lambda at, inputs: step(env, at, *inputs)))(at, (actions, keys))[1]
    return obs, out


@pytest.mark.parametrize(
    ("name", "spec", "time_limit"),
    [
        ("CartPole-v1", EnvSpec((4,), "float32", True, 2), 500),
        ("Pendulum-v1", EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,)), 200),
        ("Breakout-MinAtar", EnvSpec((10, 10, 4), "bool", True, 3), 1000),
        ("Freeway-MinAtar", EnvSpec((10, 10, 7), "bool", True, 3), 2500),
        ("Catch-bsuite", EnvSpec((50,), "float32", True, 3), 1000),
    ],
)
def test_spec_and_time_limit(name: str, spec: EnvSpec, time_limit: int) -> None:
    env = functional_env(f"gymnax/{name}")
    assert env.spec == spec
    assert env.time_limit == time_limit


@pytest.mark.parametrize("name", NAMES)
def test_steps_equal_gymnaxs(name: str) -> None:
    """Until the first episode ends, each step is gymnax's own with the same key."""
    ours, (theirs, params) = functional_env(f"gymnax/{name}"), gymnax.make(name)
    first, out = rolled(ours, 40)
    obs, state = theirs.reset_env(KEY, params)
    np.testing.assert_allclose(first, np.reshape(obs, ours.spec.obs_shape), rtol=1e-6)
    keys, actions = jax.random.split(KEY, 40), random_actions(ours.spec, 40)
    step_env = jax.jit(theirs.step_env)
    for t in range(40):
        obs, state, reward, ended, _ = step_env(jax.random.split(keys[t])[0], state, actions[t], params)
        theirs_seen = np.reshape(obs, ours.spec.obs_shape).astype(np.float32)
        np.testing.assert_allclose(out.next_obs[t].astype(np.float32), theirs_seen, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(out.reward[t], np.squeeze(reward), rtol=1e-5, atol=1e-5)
        assert bool(out.terminated[t]) == bool(ended)
        if ended:
            break
    assert (name in ("CartPole-v1", "Breakout-MinAtar", "Catch-bsuite")) == bool(ended)


@pytest.mark.parametrize("name", NAMES)
def test_the_time_limit_truncates_and_never_terminates(name: str) -> None:
    env = functional_env(f"gymnax/{name}", env_kwargs={"max_steps_in_episode": 3})
    assert env.time_limit == 3
    out = rolled(env, 9)[1]
    assert out.truncated.tolist() == [False, False, True] * 3
    assert not out.terminated.any()
    seen = env.spec.obs_dtype
    assert [x.dtype for x in out] == [seen, jnp.float32, jnp.bool_, jnp.bool_, seen]
    assert out.obs.shape == out.next_obs.shape == (9, *env.spec.obs_shape)
    np.testing.assert_array_equal(out.obs[:2], out.next_obs[:2])
    if name != "Freeway-MinAtar":  # which may stand still
        assert (out.obs[2] != out.next_obs[2]).any()


def test_a_terminal_state_begins_a_new_episode() -> None:
    _, out = rolled(functional_env("gymnax/Catch-bsuite"), 20)
    ends = np.flatnonzero(out.terminated)
    assert ends.tolist() == [8, 17]  # the ball falls through nine of ten rows
    assert out.obs[ends, :5].sum() == 2  # and begins in the uppermost
    assert out.next_obs[ends, :45].sum() == 0
    assert set(out.reward[ends].tolist()) <= {-1.0, 1.0}


def test_an_image_is_height_width_channel() -> None:
    image, _ = rolled(functional_env("gymnax/Breakout-MinAtar"), 1)
    assert image[1:4, :, 3].all()  # the wall of bricks
    assert np.argwhere(image[:, :, 0]).tolist() == [[9, 4]]  # the paddle


@pytest.mark.parametrize("name", ["Asterix", "Breakout", "SpaceInvaders"])
def test_no_warning_of_minatars_is_shown(name: str) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        rolled(functional_env(f"gymnax/{name}-MinAtar"), 2)
    assert [str(warning.message) for warning in shown] == []


def test_sticky_actions_where_asked() -> None:
    """The paddle moves by the action that was taken: against the wall it shows which."""
    plain, sticky = (
        functional_env("gymnax/Breakout-MinAtar", env_kwargs=kwargs) for kwargs in ({}, {"sticky_action_prob": 0.1})
    )
    assert (sticky.spec, sticky.time_limit) == (plain.spec, plain.time_limit)
    key, left = jax.random.key(1), jnp.asarray(1)
    moves = []
    for env in (plain, sticky):
        state = env.initial(key)
        after = jax.vmap(lambda k: env.observation(env.transition(state, left, k)))(jax.random.split(key, 2_000))  # noqa: B023
        moves.append(float(after[:, 9, 3, 0].mean()))
    assert moves[0] == 1
    assert abs(moves[1] - 0.9) < 5 * (0.9 * 0.1 / 2_000) ** 0.5


def known(without: str) -> str:
    return ", ".join(name for name in gymnax.registered_envs if name != without)


TIMED = "DiscountingChain-bsuite"


@pytest.mark.parametrize(
    ("name", "env_kwargs", "message"),
    [
        ("Pong", {}, f"env='gymnax/Pong' is not allowed: gymnax has {known(TIMED)}"),
        (
            TIMED,
            {},
            f"env='gymnax/{TIMED}' is not allowed: gymnax has {known(TIMED)}; "
            f"{TIMED}: its observation is the part of the time limit that has passed",
        ),
        (
            "Catch-bsuite",
            {"rows": 3},
            "env_kwargs.rows=3 is not allowed: gymnax/Catch-bsuite takes max_steps_in_episode",
        ),
        (
            "Breakout-MinAtar",
            {"rows": 3},
            "env_kwargs.rows=3 is not allowed: gymnax/Breakout-MinAtar takes max_steps_in_episode, sticky_action_prob",
        ),
        (
            "Breakout-MinAtar",
            {"sticky_action_prob": 1},
            "env_kwargs.sticky_action_prob=1 is not allowed: a probability from 0 to below 1",
        ),
        (
            "Breakout-MinAtar",
            {"sticky_action_prob": "often"},
            "env_kwargs.sticky_action_prob='often' is not allowed: a probability from 0 to below 1",
        ),
        (
            "Catch-bsuite",
            {"max_steps_in_episode": 0},
            "env_kwargs.max_steps_in_episode=0 is not allowed: a whole number of steps, from 1",
        ),
    ],
)
def test_what_is_refused(name: str, env_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        functional_env(f"gymnax/{name}", env_kwargs=env_kwargs)
    assert str(error.value) == message


def test_evaluate_plays_a_gymnax_run_in_both_backends(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The same agent on the same episodes: the same returns; and no film."""
    run_dir, settings = tmp_path / "run", {"total_timesteps": 600, "eval_every": 0, "eval_episodes": 2, "mode": "fused"}
    algo = DQNConfig(learning_starts=100, net_arch=(16,))
    train(RunConfig(algo=algo, env="gymnax/Catch-bsuite", run_dir=str(run_dir), **settings))
    told = []
    for backend in ("jax", "torch"):
        values = {"run_dir": str(run_dir), "backend": backend, "episodes": 3}
        task(dataclasses.asdict(EvaluateConfig(**values)), set(values))
        first, result, interval = capsys.readouterr().out.splitlines()
        assert first.startswith(f"gymnax/Catch-bsuite, dqn in {backend}, last checkpoint of ")
        assert result.startswith("3 episodes of 9.0 steps, return ")
        told.append((result, interval))
    assert told[0] == told[1]
    agent = load_agent(run_dir)
    returns = evaluate_agent(agent, "gymnax/Catch-bsuite", 3).returns
    assert told[0][0] == f"3 episodes of 9.0 steps, return {returns.mean():.2f}, std {returns.std():.2f}"
    assert make_agent("dqn", backend="torch", env="gymnax/Catch-bsuite").spec == agent.spec
    with pytest.raises(ConfigError, match="video='films' is not allowed: left out with env=gymnax/Catch-bsuite, which"):
        task(dataclasses.asdict(EvaluateConfig(run_dir=str(run_dir), video="films")), {"run_dir", "video"})


PAGE = (Path(__file__).parents[2] / "docs" / "learning_pixels.md").read_text()
COMMANDS = [line.split()[3:] for line in PAGE.splitlines() if re.match(r"python -m rlpair\.train .*env=gymnax/", line)]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[2])
def test_a_command_that_docs_learning_pixels_shows(arguments: list[str], command: Callable[..., Any]) -> None:
    """For fewer steps, of one seed."""
    few = ["num_seeds=1", "total_timesteps=400", "algo.learning_starts=200", "algo.buffer_size=400"]
    keys = {argument.partition("=")[0] for argument in few}
    kept = [argument for argument in arguments if argument.partition("=")[0] not in keys]
    code, out, err = command("train", *kept, *few, "eval_every=0", "eval_episodes=2")
    assert code == 0, err
    assert out.startswith(f"dqn jax {arguments[2].removeprefix('env=')}: return ")
    assert "go through algo.encoder=minatar" in err


def test_there_are_such_commands() -> None:
    assert len(COMMANDS) >= 2


def test_observations_that_are_no_array() -> None:
    env = SimpleNamespace(name="Mine", observation_space=lambda _: gymnax_spaces.Dict({}), action_space=lambda _: None)
    with pytest.raises(EnvError) as error:
        GymnaxEnv(env, None)
    line = "env=gymnax/Mine: its observations are no array: give one whose space is a Box"
    assert str(error.value) == line
