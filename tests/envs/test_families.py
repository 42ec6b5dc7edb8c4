"""A family of environments is one record: training, evaluation, film and comparison make what it says.

The family in own_family.py pays 1, 2, 3, 4 in an episode: 10 in evaluation, 4 where rewards are clipped, in training.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import jax
import numpy as np
import own_family
import pytest
from gymnasium import spaces
from gymnasium.wrappers import ClipReward, TransformAction

import rlpair
from rlpair import DQNConfig, EnvSpec, Family, LoopConfig
from rlpair.advice import install_command
from rlpair.compare.checks import Check
from rlpair.compare.variant import HostVariant, Variant
from rlpair.config import RunConfig
from rlpair.envs import families
from rlpair.envs.classic_jax import CLASSIC
from rlpair.envs.functional_jax import functional_env, reset, step
from rlpair.envs.make import make_envs
from rlpair.errors import ConfigError, EnvError, MissingExtraError
from rlpair.train import train

ENV = "own/Paying-v0"
SMALL = DQNConfig(net_arch=(8,), batch_size=8, learning_starts=20, buffer_size=100)
Command = Callable[..., tuple[int, str, str]]


OWN = families.find(ENV)
families._families.remove(OWN)  # other tests know of none but ours


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> list[Family]:
    """The families, with that of own_family.py; forgotten at the end are those that a test registers."""
    monkeypatch.setattr(families, "_families", [OWN, *families._families])
    return families._families


def episode(**options: Any) -> tuple[list[float], list[float]]:
    """What an episode of four steps pays, and the counts that it shows."""
    envs = make_envs(ENV, **options)
    first = float(envs.reset(0)[0, 0])
    steps = [envs.step(np.zeros(1, np.int64)) for _ in range(4)]
    envs.close()
    return [float(step.reward[0]) for step in steps], [first, *(float(step.next_obs[0, 0]) for step in steps)]


# --- one environment everywhere


def test_a_family_is_thirty_lines() -> None:
    folder = Path(own_family.__file__).parent
    text = (folder / "own_family.py").read_text() + (folder / "own_family_jax.py").read_text()
    code = [line for line in text.splitlines() if line.strip() and not line.startswith(('"""', "import", "from"))]
    assert len(code) <= 30


@pytest.mark.parametrize("vectorization", ["sync", pytest.param("async", marks=pytest.mark.slow)])
def test_wrappers_go_on_each_environment_of_training_and_of_evaluation(vectorization: str) -> None:
    shown = [0, 0.25, 0.5, 0.75, 1]
    assert episode(vectorization=vectorization, training=True) == ([1, 1, 1, 1], shown)
    assert episode(vectorization=vectorization, training=False) == ([1, 2, 3, 4], shown)
    assert episode(vectorization=vectorization, env_kwargs={"parts": 2}) == ([1, 2, 3, 4], [0, 0.5, 1, 1.5, 2])


def test_what_wrap_does_not_take_is_for_gymnasium() -> None:
    with pytest.raises(EnvError) as error:
        make_envs(ENV, env_kwargs={"pieces": 2})
    assert str(error.value) == (
        f"env={ENV} cannot be built with env_kwargs={{'pieces': 2}}: "
        "TypeError: Paying.__init__() got an unexpected keyword argument 'pieces'"
    )


def test_training_and_evaluation_for_importers() -> None:
    agent: Any = rlpair.make_agent("dqn", backend="torch", env=ENV, config=SMALL)
    assert agent.spec == EnvSpec((2,), "float32", True, 2)
    training = rlpair.run(agent, ENV, LoopConfig(40, eval_every=20, log_every=20))
    values = [record.values for record in training]
    assert {v["rollout/episodic_return"] for v in values if "rollout/episodic_return" in v} == {4}
    assert {v["eval/mean_return"] for v in values if "eval/mean_return" in v} == {10}
    assert rlpair.evaluate_agent(agent, ENV, 3).returns.tolist() == [10, 10, 10]


def test_an_evaluation_in_other_spaces_is_refused() -> None:
    agent = rlpair.make_agent("dqn", backend="torch", env=ENV, config=SMALL)
    with pytest.raises(EnvError) as error:
        rlpair.run(agent, ENV, LoopConfig(40), eval_env="MountainCar-v0")
    assert str(error.value) == "eval_env has action_dim=3, and the agent was made for action_dim=2"


def test_training_evaluation_and_film_by_command(command: Command) -> None:
    pytest.importorskip("moviepy")
    settings: dict[str, Any] = {"total_timesteps": 40, "num_envs": 2, "eval_every": 20, "eval_episodes": 2}
    outcome = train(RunConfig(algo=SMALL, backend="torch", env=ENV, run_dir="run", log_every=20, **settings))
    assert outcome.evaluation is not None
    assert outcome.evaluation.returns.tolist() == [10, 10]
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert {x for line in lines if (x := line.get("rollout/episodic_return")) is not None} == {4}
    assert {x for line in lines if (x := line.get("eval/mean_return")) is not None} == {10}
    for more in ([], ["video=films"]):
        code, output, errors = command("evaluate", "run_dir=run", "episodes=2", *more)
        assert (code, errors) == (0, "")
        assert "2 episodes of 4.0 steps, return 10.00, std 0.00" in output
    assert len(list(Path("films").glob("*.mp4"))) == 2


def test_a_run_refuses_a_family_whose_training_has_other_spaces() -> None:
    def wrap(env: gym.Env[Any, Any], *, training: bool) -> gym.Env[Any, Any]:
        return TransformAction(env, lambda action: 0, spaces.Discrete(1)) if training else env

    rlpair.register_family(Family("own/.+", wrap=wrap))
    with pytest.raises(EnvError) as error:
        train(RunConfig(algo=SMALL, backend="torch", env=ENV, run_dir="run", total_timesteps=40))
    assert str(error.value) == "env has action_dim=1, and the agent was made for action_dim=2"


def test_a_fused_run_has_the_functional_form(command: Command) -> None:
    settings: dict[str, Any] = {"total_timesteps": 40, "num_envs": 2, "eval_episodes": 2, "log_every": 20}
    outcome = train(RunConfig(algo=SMALL, mode="fused", env=f"own_family:{ENV}", run_dir="run", **settings))
    assert outcome.evaluation is not None
    assert outcome.evaluation.returns.tolist() == [10, 10]
    code, output, _ = command("evaluate", "run_dir=run", "episodes=2", f"env=own_family:{ENV}")
    assert code == 0
    assert "2 episodes of 4.0 steps, return 10.00, std 0.00" in output  # on the host


def test_the_functional_form_is_found_by_name() -> None:
    env = functional_env(ENV)
    state, obs = reset(env, jax.random.key(0))
    steps = []
    for _ in range(4):
        state, out = step(env, state, np.int32(0), jax.random.key(1))
        steps.append((float(out.next_obs[0]), float(out.reward), bool(out.terminated)))
    assert float(obs[0]) == 0
    assert steps == [(0.25, 1, False), (0.5, 2, False), (0.75, 3, False), (1, 4, True)]


def test_compare_trains_and_checks_on_the_same() -> None:
    variant = HostVariant(Variant("dqn", ENV, "torch", "eager", "cpu", 2, 8, (8,), 1))
    variant.more_envs.reset(0)
    assert {float(variant.more_envs.step(np.zeros(2, np.int64)).reward[0]) for _ in range(4)} == {1}
    assert float(variant.replay.sample(50, 1, np.random.default_rng(0))[0].reward.max()) == 1
    assert variant.check(Check(0, 10.0, 1, 1)) == 10


def test_an_episode_is_gone_on_with_through_wrappers() -> None:
    original, restored = (make_envs(ENV, 2, training=True) for _ in range(2))
    original.reset(0)
    for _ in range(5):  # into an episode that has begun without a seed
        obs = original.step(np.zeros(2, np.int64)).obs
    again, whether = restored.load_state_dict(original.state_dict())
    assert whether.tolist() == [True, True]
    np.testing.assert_array_equal(again, obs)
    for _ in range(4):
        for one, other in zip(original.step(np.ones(2, np.int64)), restored.step(np.ones(2, np.int64)), strict=True):
            np.testing.assert_array_equal(one, other)


# --- the records


def test_a_family_goes_before_earlier_ones_and_replaces_its_own() -> None:
    before = len(families._families)
    mine = rlpair.register_family(Family("CartPole-v1"))
    assert families.find("CartPole-v1") is mine
    assert families.find("Acrobot-v1").functional == "rlpair.envs.classic"
    mine = rlpair.register_family(Family("CartPole-v1", extra="mine"))
    assert families.find("CartPole-v1") is mine
    assert len(families._families) == before + 1


def test_a_wrapper_of_ones_own_on_gymnasiums_environments() -> None:
    rlpair.register_family(Family("CartPole-v1", wrap=lambda env, *, training: ClipReward(env, 0, 0.5)))
    agent = rlpair.make_agent("dqn", backend="torch", env="CartPole-v1")
    played = rlpair.evaluate_agent(agent, "CartPole-v1", 1)
    assert played.returns.tolist() == [played.lengths[0] / 2]


def test_arguments_of_a_family_give_way_to_ones_own() -> None:
    rlpair.register_family(Family("MountainCar-v0", env_kwargs={"max_episode_steps": 3}))

    def length(**env_kwargs: Any) -> int:
        envs = make_envs("MountainCar-v0", env_kwargs=env_kwargs)
        envs.reset(0)
        return next(i for i in range(1, 9) if envs.step(np.ones(1, np.int64)).truncated[0])

    assert (length(), length(max_episode_steps=5)) == (3, 5)


def test_any_other_id_is_gymnasiums() -> None:
    for env_id in ("FrozenLake-v1", "CartPole-v10", "", "two\nlines"):
        assert families.find(env_id) == Family(".*")


def test_the_classic_tasks_are_those_that_are_written() -> None:
    assert families.CLASSIC.split("|") == list(CLASSIC)


def test_what_is_only_compiled_is_not_trained_on_the_host() -> None:
    with pytest.raises(EnvError) as error:
        make_envs("gymnax/Catch-bsuite")
    assert str(error.value) == (
        "env=gymnax/Catch-bsuite is compiled, and not one of Gymnasium's: train on it with mode=fused"
    )


@pytest.mark.parametrize(
    ("family", "advice"),
    [
        (Family("own/.+", functional="own_needy"), "pip install not_there"),
        (Family("own/.+", functional="own_needy", package="some-package"), "pip install some-package"),
        (Family("own/.+", functional="own_needy", extra="gymnax"), install_command("gymnax")),
    ],
)
def test_a_functional_form_that_lacks_a_module(
    family: Family, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_needy_jax.py").write_text("import not_there")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_needy_jax", raising=False)
    rlpair.register_family(family)
    with pytest.raises(MissingExtraError) as error:
        functional_env(ENV)
    assert str(error.value) == f"env={ENV} needs not_there, which is not installed: {advice}"


def test_a_functional_form_has_a_dtype() -> None:
    with pytest.raises(ConfigError, match=f"^dtype='float64' is not allowed: {ENV} computes in float32$"):
        functional_env(f"own_family:{ENV}", dtype="float64")


def test_a_functional_form_that_is_not_there() -> None:
    rlpair.register_family(Family("own/.+", functional="not_there.envs"))
    with pytest.raises(EnvError) as error:
        functional_env(ENV)
    assert str(error.value) == f"env={ENV} is said to be compiled by not_there.envs_jax, and there is no such module"
