"""run and evaluate_agent, as importers call them: what they accept, how a run goes on, and what an agent keeps."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from loop_fakes import CLOCKS, FakeAgent, Stairs, stairs
from runs import SMALL

import rlpair
from rlpair import DQNConfig, LoopConfig, SACConfig
from rlpair.errors import ConfigError, EnvError
from rlpair.replay.buffer import ReplayBuffer

SHORT = SMALL | {"learning_starts": 20, "buffer_size": 200}
CASES = {
    "dqn": ("toy/Counter-v0", DQNConfig(**SHORT, train_freq=2, exploration_steps=80)),
    "sac": ("toy/BoxCounter-v0", SACConfig(**SHORT)),
}


def beginner(algo: str, backend: str) -> Any:
    env, config = CASES[algo]
    return rlpair.make_agent(algo, backend=backend, env=env, config=config, seed=1)


def told(records: list[rlpair.Record]) -> list[tuple[int, dict[str, float]]]:
    """What they say, clocks aside; not that a checkpoint is due, which is so at the end of each run."""
    values = [(r.env_steps, {tag: x for tag, x in r.values.items() if tag not in CLOCKS}) for r in records]
    return [(steps, x) for steps, x in values if x]


def assert_same_state(mine: Any, other: Any) -> None:
    state, expected = mine.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(state[name], expected[name], err_msg=name)


# Going on


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("algo", CASES)
def test_two_runs_are_one(algo: str, backend: str) -> None:
    env, _ = CASES[algo]
    times = {"log_every": 10, "eval_every": 30, "eval_episodes": 2, "seed": 3}
    whole, halves = beginner(algo, backend), beginner(algo, backend)
    once = rlpair.run(whole, env, LoopConfig(total_timesteps=100, **times))
    records = list(once)
    first = rlpair.run(halves, env, LoopConfig(total_timesteps=53, **times))  # in the midst of an episode
    begun = list(first)
    same = "".join(env)  # as it comes out of a file: equal, and another object
    second = rlpair.run(halves, same, LoopConfig(total_timesteps=100, **times), resume=first)
    assert told(begun + list(second)) == told(records)
    assert (second.env_steps, second.best_return) == (100, once.best_return)
    assert_same_state(halves, whole)
    assert_same_state(second.replay, once.replay)


def test_a_warm_up_that_was_cut_goes_on_with_its_actions() -> None:
    replays = []
    for cuts in ([40], [7, 40]):
        agent, training = FakeAgent(learning_starts=40), None
        for cut in cuts:
            training = rlpair.run(agent, Stairs(7), LoopConfig(total_timesteps=cut, seed=3), resume=training)
            list(training)
        assert training is not None
        replays.append(training.replay.state_dict()["action"].ravel().tolist())
    assert replays[0] == replays[1]
    assert 10 < sum(replays[0]) < 30  # random ones


def test_what_came_after_the_last_record_is_told_by_the_run_that_goes_on() -> None:
    """An update and the end of an episode, both between the record of one and that of the other."""
    agent, env = FakeAgent(loss=0.25, train_freq=8), Stairs(9)
    first = rlpair.run(agent, env, LoopConfig(total_timesteps=10, log_every=7))
    list(first)
    second = rlpair.run(agent, env, LoopConfig(total_timesteps=14, log_every=7), resume=first)
    assert told(list(second)) == [(14, {"rollout/episodic_return": 45, "rollout/episodic_length": 9, "loss/q": 0.25})]


def test_an_environment_object_goes_on_in_its_episode_and_another_begins_one() -> None:
    env, agent = Stairs(7), FakeAgent()
    first = rlpair.run(agent, env, LoopConfig(total_timesteps=5))
    list(first)
    second = rlpair.run(agent, env, LoopConfig(total_timesteps=9), resume=first)
    list(second)
    third = rlpair.run(agent, Stairs(7), LoopConfig(total_timesteps=12), resume=second)
    list(third)
    assert third.replay.state_dict()["obs"][:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 0, 1, 2]


def test_a_run_that_was_left_is_taken_up_without_loss() -> None:
    times = {"total_timesteps": 20, "log_every": 5, "eval_every": 5, "eval_episodes": 1}
    training = rlpair.run(FakeAgent(), lambda: Stairs(2), LoopConfig(**times))
    left = []
    for record in training:
        left.append(record)
        if record.env_steps == 5:
            break
    tags = [sorted(record.values.keys() - CLOCKS) for record in [*left, next(training)]]
    assert tags == [
        ["loss/q", "rollout/episodic_length", "rollout/episodic_return"],
        ["eval/mean_return", "eval/std_return"],
    ]
    assert [record.env_steps for record in training] == [10, 10, 15, 15, 20, 20, 20]
    assert list(training) == []


def test_the_other_twin_goes_on_with_the_replay_and_the_clock() -> None:
    env, _ = CASES["dqn"]
    agent = beginner("dqn", "torch")
    first = rlpair.run(agent, env, LoopConfig(total_timesteps=40))
    list(first)
    agent.save("half")
    twin = rlpair.load_agent("half", backend="jax")
    second = rlpair.run(twin, env, LoopConfig(total_timesteps=60), resume=first)
    list(second)
    assert (len(second.replay), second.env_steps, twin.num_updates) == (60, 60, 20)
    assert agent.num_updates == 10


def test_an_earlier_run_ends_when_another_goes_on() -> None:
    first = rlpair.run(FakeAgent(), Stairs(5), LoopConfig(total_timesteps=100, log_every=10))
    next(first)
    second = rlpair.run(first.agent, first.env, LoopConfig(total_timesteps=30, log_every=10), resume=first)
    assert [record.env_steps for record in second] == [20, 30, 30]
    assert [record.env_steps for record in first] == [10]  # its last: a checkpoint


@pytest.mark.parametrize(
    ("config", "env", "message"),
    [
        (
            LoopConfig(total_timesteps=10),
            Stairs(5),
            "total_timesteps=10 is not allowed: more than the 10 steps that the run which is resumed has behind it",
        ),
        (LoopConfig(total_timesteps=20), stairs(5, 5), "env has num_envs=2, and the run that is resumed 1"),
    ],
)
def test_what_cannot_be_resumed(config: LoopConfig, env: Any, message: str) -> None:
    first = rlpair.run(FakeAgent(), Stairs(5), LoopConfig(total_timesteps=10))
    list(first)
    with pytest.raises(rlpair.RLPairError) as error:
        rlpair.run(first.agent, env, config, resume=first)
    assert str(error.value) == message


def test_resume_is_an_earlier_run() -> None:
    with pytest.raises(ConfigError) as error:
        rlpair.run(FakeAgent(), Stairs(5), resume="runs/last")  # type: ignore[arg-type]
    assert str(error.value) == "resume='runs/last' is not allowed: what an earlier rlpair.run returned"


# A trained agent


def test_a_trained_agent_explores_by_its_own_policy_from_the_first_step_on() -> None:
    agent = FakeAgent(learning_starts=6)
    agent.num_updates = 1
    training = rlpair.run(agent, Stairs(5), LoopConfig(total_timesteps=10))
    list(training)
    assert agent.env_steps == [None] * 10  # epsilon and all other schedules at their end
    assert training.replay.state_dict()["action"].sum() == 0  # all of them its own
    assert agent.num_updates == 1 + 4  # learned from the seventh step on
    more = rlpair.run(agent, Stairs(5), LoopConfig(total_timesteps=12), resume=training)
    list(more)
    assert agent.env_steps == [None] * 12


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_trained_dqn_is_greedy_but_for_its_last_epsilon(backend: str) -> None:
    config = DQNConfig(**SHORT | {"learning_starts": 200}, exploration_final_eps=0.0)
    agent = rlpair.make_agent("dqn", backend=backend, env="toy/Counter-v0", config=config)
    data = rlpair.run(agent, "toy/Counter-v0", LoopConfig(total_timesteps=200))
    list(data)
    assert len(set(data.replay.state_dict()["action"].ravel().tolist())) == 3  # untrained: at random
    agent.update(data.replay.sample(8, 1, np.random.default_rng(0))[0])
    training = rlpair.run(agent, "toy/Counter-v0", LoopConfig(total_timesteps=100))
    list(training)
    stored = training.replay.state_dict()
    np.testing.assert_array_equal(stored["action"][:, 0], agent.act(stored["obs"][:, 0], explore=False))


# What run accepts


def test_run_takes_an_environment_and_a_function() -> None:
    agent = FakeAgent()
    config = LoopConfig(total_timesteps=10, eval_every=10, log_every=5)
    values: dict[str, float] = {}
    for record in rlpair.run(agent, Stairs(5), config, eval_env=lambda: Stairs(2)):
        values |= record.values
    assert agent.num_updates == 10
    assert (values["rollout/episodic_return"], values["eval/mean_return"]) == (15, 3)


def test_of_a_function_another_environment_is_made_to_evaluate_on() -> None:
    made = []

    def make() -> Stairs:
        made.append(Stairs(3))
        return made[-1]

    records = list(rlpair.run(FakeAgent(), make, LoopConfig(total_timesteps=4, eval_every=4)))
    assert len(made) == 2
    assert records[0].values["eval/mean_return"] == 6
    with pytest.raises(ConfigError, match=r"^eval_every=4 is not allowed: 0, or give the loop eval_envs to evaluate"):
        rlpair.run(FakeAgent(), Stairs(3), LoopConfig(eval_every=4))  # of an object there is no other


class CountingReplay(ReplayBuffer):
    """Of one's own: counts what it is asked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[tuple[int, int]] = []

    def sample(self, batch_size: int, num_batches: int, rng: np.random.Generator) -> Any:
        self.asked.append((batch_size, num_batches))
        return super().sample(batch_size, num_batches, rng)


ENV = Stairs(9)
VECTOR = SyncVectorEnv([lambda: ENV], autoreset_mode=AutoresetMode.SAME_STEP)


@pytest.mark.parametrize(
    ("env", "eval_env"),
    [
        (ENV, ENV),
        (ENV, lambda: ENV),
        (lambda: ENV, lambda: ENV),
        (ENV, gym.wrappers.TimeLimit(ENV, 5)),
        (VECTOR, ENV),
        (VECTOR, VECTOR),
    ],
)
def test_one_environment_is_not_trained_and_evaluated_on(env: Any, eval_env: Any) -> None:
    """The evaluation would reset it in the midst of an episode, and a transition be stored that never was."""
    with pytest.raises(ConfigError) as error:
        rlpair.run(FakeAgent(), env, LoopConfig(total_timesteps=60, eval_every=20), eval_env=eval_env)
    allowed = "another object than env: an evaluation resets it in mid-episode"
    assert str(error.value) == f"eval_env='Stairs' is not allowed: {allowed}"


def test_one_environment_is_not_several() -> None:
    twice = SyncVectorEnv([lambda: ENV] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(EnvError, match=r"^env=Stairs is one object in several rows: make an environment for each$"):
        rlpair.run(FakeAgent(), twice)


def test_an_own_replay() -> None:
    agent, envs = FakeAgent(learning_starts=4, gradient_steps=3), stairs(5)
    replay = CountingReplay(100, 1, envs.spec)
    training = rlpair.run(agent, envs, LoopConfig(total_timesteps=6), replay=replay)
    list(training)
    assert (replay.asked, len(replay), training.replay) == ([(4, 3), (4, 3)], 6, replay)
    list(rlpair.run(agent, envs, LoopConfig(total_timesteps=7), resume=training))
    assert len(replay.asked) == 3  # it goes on too


def test_an_agent_of_another_environment_is_refused() -> None:
    agent = rlpair.make_agent("dqn", backend="torch", env="CartPole-v1", config=DQNConfig(net_arch=(8,)))
    message = r"^env has obs_shape=\(2,\), and the agent was made for obs_shape=\(4,\)$"
    with pytest.raises(EnvError, match=message):
        rlpair.run(agent, "toy/Counter-v0")
    with pytest.raises(EnvError, match=message):
        rlpair.evaluate_agent(agent, "toy/Counter-v0")
