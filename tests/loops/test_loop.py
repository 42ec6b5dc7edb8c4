"""The host loop: how many updates, which records, what is stored, and that it goes on where it stood."""

import json
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from loop_fakes import CLOCKS, FakeAgent, stairs

from rlpair import DQNConfig, LoopConfig, Record, SACConfig, make_agent
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import as_envs, make_envs
from rlpair.errors import ConfigError, NonFiniteError, RLPairWarning
from rlpair.loops import host as loop_module
from rlpair.loops.host import HostLoop, Stopwatch, evaluate
from rlpair.replay.buffer import ReplayBuffer


def make_loop(agent: Any, envs: HostEnvs, eval_envs: HostEnvs | None = None, **config: Any) -> HostLoop:
    replay = ReplayBuffer(agent.config.buffer_size, envs.num_envs, envs.spec)
    return HostLoop(agent, envs, replay, LoopConfig(**{"log_every": 1000, **config}), eval_envs=eval_envs)


# How often it learns


@pytest.mark.parametrize(
    ("num_envs", "total", "config", "rounds", "updates"),
    [
        (1, 20, {}, 20, 1),
        (1, 20, {"learning_starts": 5}, 15, 1),  # after steps 6 to 20
        (1, 20, {"learning_starts": 5, "train_freq": 4}, 4, 1),  # after steps 8, 12, 16, 20
        (1, 20, {"learning_starts": 5, "train_freq": 4, "gradient_steps": 3}, 4, 3),
        (1, 20, {"learning_starts": 5, "train_freq": 4, "gradient_steps": -1}, 4, 4),
        (3, 30, {"learning_starts": 6}, 8, 1),  # after steps 9, 12, ..., 30
        (3, 30, {"learning_starts": 6, "gradient_steps": -1}, 8, 3),
        (3, 30, {"learning_starts": 6, "train_freq": 2, "gradient_steps": -1}, 4, 6),  # after 12, 18, 24, 30
        (2, 24, {"learning_starts": 5, "train_freq": 3, "gradient_steps": -1}, 4, 6),  # after 6, 12, 18, 24
        (4, 48, {"learning_starts": 12, "train_freq": 2}, 5, 1),  # after 16, 24, ..., 48
        (3, 10, {"gradient_steps": 2}, 4, 2),  # ends at 12, the first multiple of 3 that is not below 10
    ],
)
def test_number_of_updates(num_envs: int, total: int, config: dict[str, int], rounds: int, updates: int) -> None:
    agent = FakeAgent(**config)
    loop = make_loop(agent, stairs(*[4] * num_envs), total_timesteps=total)
    list(loop)
    assert [batch.reward.shape for batch in agent.batches] == [(updates, 4)] * rounds
    assert loop.env_steps == -(-total // num_envs) * num_envs


def test_the_agent_acts_after_the_warm_up_and_is_told_the_env_steps() -> None:
    agent = FakeAgent(learning_starts=6)
    list(make_loop(agent, stairs(4, 4), total_timesteps=14))
    assert agent.env_steps == [6, 8, 10, 12]


# What it stores


@pytest.mark.parametrize("truncates", [False, True])
def test_stored_transitions(truncates: bool) -> None:
    loop = make_loop(FakeAgent(), stairs(2, 3, truncates=truncates), total_timesteps=10)
    list(loop)
    stored = loop.replay.state_dict()
    assert stored["obs"][..., 0].T.tolist() == [[0, 1, 0, 1, 0], [0, 1, 2, 0, 1]]
    assert stored["next_obs"][..., 0].T.tolist() == [[1, 2, 1, 2, 1], [1, 2, 3, 1, 2]]
    assert stored["reward"].T.tolist() == [[1, 2, 1, 2, 1], [1, 2, 3, 1, 2]]
    ends = [[0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]
    never = np.zeros((2, 5)).tolist()
    assert stored["terminated"].T.tolist() == (never if truncates else ends)
    assert stored["truncated"].T.tolist() == ends


class Doubling(gym.Env[np.ndarray, Any]):
    """Changes the action that it is handed, as those do that scale it in place; pays the sum of what it then is."""

    observation_space, action_space = spaces.Box(0, 1, (1,), np.float32), spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        action *= 2
        return np.zeros(1, np.float32), float(action.sum()), False, False, {}


def test_the_action_that_is_stored_is_the_one_that_was_chosen() -> None:
    envs = as_envs(SyncVectorEnv([Doubling] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
    loop = make_loop(FakeAgent(learning_starts=20), envs, total_timesteps=20)
    list(loop)
    stored = loop.replay.state_dict()
    np.testing.assert_allclose(stored["reward"], 2 * stored["action"].sum(-1), rtol=1e-6)


@pytest.mark.parametrize(("algo", "env"), [("dqn", "toy/Counter-v0"), ("sac", "toy/BoxCounter-v0")])
def test_both_backends_begin_with_the_same_data(algo: str, env: str) -> None:
    config = DQNConfig(learning_starts=40) if algo == "dqn" else SACConfig(learning_starts=40)
    replays = []
    for backend in ("torch", "jax"):
        envs = make_envs(env, num_envs=2)
        agent = make_agent(algo, backend=backend, env=envs, config=config, seed=3)
        loop = make_loop(agent, envs, total_timesteps=40, seed=3)
        list(loop)
        replays.append(loop.replay.state_dict() | {"next draw": loop.replay.sample(8, 2, loop.minibatch_rng)[1]})
    for name, array in replays[0].items():
        np.testing.assert_array_equal(array, replays[1][name], err_msg=name)
    assert len(np.unique(replays[0]["action"])) > 2


# What it says


def test_records_of_episodes() -> None:
    records = list(make_loop(FakeAgent(), stairs(2, 3), total_timesteps=14, log_every=4))
    tags = ("rollout/episodic_return", "rollout/episodic_length")
    told = [(record.env_steps, *(record.values.get(tag) for tag in tags)) for record in records[:-1]]
    # two environments: returns 3 after 2 steps, again and again, and 6 after 3
    assert told == [(4, 3, 2), (8, 4.5, 2.5), (12, 4.5, 2.5)]
    assert records[-1] == Record(14, {}, checkpoint=True)


def test_records_at_their_multiples() -> None:
    loop = make_loop(
        FakeAgent(), stairs(99, 99, 99), stairs(3), total_timesteps=40, log_every=10, eval_every=15, checkpoint_every=20
    )
    records = list(loop)
    assert [r.env_steps for r in records if "loss/q" in r.values] == [12, 21, 30, 42]
    assert [r.env_steps for r in records if "eval/mean_return" in r.values] == [15, 30]
    assert [r.env_steps for r in records if r.checkpoint] == [21, 42]
    assert all(not r.values for r in records if r.checkpoint)


def test_values_of_records() -> None:
    loop = make_loop(FakeAgent(loss=0.25), stairs(99), stairs(3), total_timesteps=20, log_every=10, eval_every=10)
    log, evaluation, _, later, _ = loop
    assert log.values.keys() == CLOCKS | {"loss/q"}
    assert log.values["loss/q"] == 0.25
    assert log.values["throughput/env_steps_per_second"] > 0
    assert evaluation == Record(10, {"eval/mean_return": 6.0, "eval/std_return": 0.0}, best=True)
    assert later == Record(20, evaluation.values, best=False)  # not better than before


def test_rates_leave_out_the_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", iter([0.0, 1.0, 9.0, 10.0]).__next__)
    stopwatch = Stopwatch(100, 10)
    with stopwatch.paused():  # from 1 to 9
        pass
    rates = {"throughput/env_steps_per_second": 50.0, "throughput/updates_per_second": 5.0}
    assert stopwatch.lap(200, 20) == rates


def test_evaluation_needs_environments() -> None:
    with pytest.raises(ConfigError) as error:
        make_loop(FakeAgent(), stairs(3), eval_every=10)
    assert str(error.value) == "eval_every=10 is not allowed: 0, or give the loop eval_envs to evaluate on"


def test_stop_ends_after_the_step_with_a_checkpoint() -> None:
    loop = make_loop(FakeAgent(), stairs(5), total_timesteps=1000, log_every=5)
    records = []
    for record in loop:
        records.append(record)
        if record.env_steps == 10:
            loop.stop()
    assert [(record.env_steps, record.checkpoint) for record in records] == [(5, False), (10, False), (10, True)]


def test_numbers_that_are_none_stop_the_run() -> None:
    envs = make_envs("toy/Poisoned-v0", env_kwargs={"where": "reward", "value": float("nan")})
    with pytest.raises(NonFiniteError, match=r"^reward of environment 0 is nan at env step 3$"):
        list(make_loop(FakeAgent(), envs, total_timesteps=10))
    agent = FakeAgent(loss=float("nan"))
    with pytest.raises(NonFiniteError, match=r"^loss/q is nan at env step 5: the learner has diverged$"):
        list(make_loop(agent, stairs(99), total_timesteps=10, log_every=5))
    with pytest.raises(NonFiniteError, match=r"^loss/q is nan at env step 10: the learner has diverged$"):
        list(make_loop(agent, stairs(99), total_timesteps=10))  # no checkpoint of it either


# Evaluation


@pytest.mark.parametrize(
    ("lengths", "returns"),
    [((3,), [6, 6, 6, 6, 6]), ((1, 2, 3), [1, 3, 6, 1, 3]), ((4, 1, 1, 1, 1, 1, 1), [10, 1, 1, 1, 1])],
)
def test_every_episode_of_an_evaluation_counts(lengths: tuple[int, ...], returns: list[int]) -> None:
    agent = FakeAgent()
    evaluation = evaluate(agent, stairs(*lengths), 5, seed=0)
    assert evaluation.returns.tolist() == returns
    assert evaluation.lengths.tolist() == [{1: 1, 3: 2, 6: 3, 10: 4}[value] for value in returns]
    assert agent.env_steps == []  # none of it explored


def test_the_seed_decides_the_episodes_of_an_evaluation() -> None:
    envs = make_envs("toy/Counter-v0", num_envs=2)  # they start at random
    first, again, other = (evaluate(FakeAgent(), envs, 8, seed).returns.tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert len(set(first)) > 1


def test_an_episode_without_end_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "LONGEST_EPISODE", 4)
    line = (
        "env=Stairs: episodes of an evaluation are cut at 4 steps: "
        "it has no end of its own, and env_kwargs.max_episode_steps=N sets one"
    )
    with pytest.warns(RLPairWarning) as warned:
        evaluation = evaluate(FakeAgent(), stairs(99, 2), 3, seed=0)
    assert {str(warning.message) for warning in warned} == {line}
    assert evaluation.returns.tolist() == [10, 3, 10]
    assert evaluation.lengths.tolist() == [4, 2, 4]
    assert evaluate(FakeAgent(), stairs(4), 1, seed=0).returns.tolist() == [10]  # it ends by itself


# Going on


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(("algo", "env"), [("dqn", "toy/Counter-v0"), ("sac", "toy/BoxCounter-v0")])
def test_a_loop_goes_on_bit_by_bit(algo: str, env: str, backend: str) -> None:
    common: dict[str, Any] = {"batch_size": 8, "net_arch": (8,), "learning_starts": 20, "buffer_size": 60}
    config = DQNConfig(**common, exploration_steps=100) if algo == "dqn" else SACConfig(**common)

    def new_loop() -> HostLoop:
        envs = make_envs(env, num_envs=2)
        agent = make_agent(algo, backend=backend, env=envs, config=config, seed=1)
        times = {"total_timesteps": 100, "log_every": 10, "eval_every": 30, "checkpoint_every": 44}
        return make_loop(agent, envs, make_envs(env), **times)

    whole, records, saved = new_loop(), [], None
    for record in whole:
        records.append(Record(record.env_steps, without_clocks(record.values), record.checkpoint, record.best))
        if record.checkpoint and saved is None:
            replay = {name: array.copy() for name, array in whole.replay.state_dict().items()}
            saved = (json.dumps(whole.state_dict()), whole.agent.state_dict(), replay, len(records))
    assert saved is not None
    state, agent_state, replay_state, told = saved

    resumed = new_loop()
    resumed.agent.load_state_dict(agent_state)
    resumed.replay.load_state_dict(replay_state)
    assert resumed.load_state_dict(json.loads(state)).tolist() == [True, True]
    assert resumed.env_steps == 44
    rest = [Record(r.env_steps, without_clocks(r.values), r.checkpoint, r.best) for r in resumed]
    assert rest == records[told:]
    for mine, its in ((resumed.agent, whole.agent), (resumed.replay, whole.replay)):
        for name, array in its.state_dict().items():
            np.testing.assert_array_equal(mine.state_dict()[name], array, err_msg=name)


def without_clocks(values: dict[str, float]) -> dict[str, float]:
    return {tag: value for tag, value in values.items() if tag not in CLOCKS}
