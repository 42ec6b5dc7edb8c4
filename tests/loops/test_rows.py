"""Rows of transitions, put together where some environments only reset; and a loop over such environments."""

from typing import Any

import numpy as np
import pytest
import toy_envs
from gymnasium.vector import SyncVectorEnv, VectorWrapper

from rlpair import DQNConfig, LoopConfig, make_agent, run
from rlpair.loops.rows import Rows
from rlpair.types import Transition


def numbered(*numbers: int) -> tuple[Transition, np.ndarray]:
    """A transition of each environment, known by its number."""
    x = np.array(numbers)
    obs = np.stack([x, -x], axis=1).astype(np.float32)
    return Transition(obs, x, x.astype(np.float32), obs + 1, x % 2 == 0), x % 3 == 0


def test_rows_that_are_whole_pass_as_they_are() -> None:
    transition, truncated = numbered(1, 2)
    row = Rows(2).add(transition, truncated, None)
    assert row is not None
    assert row[0] is transition
    assert row[1] is truncated


def test_each_environment_keeps_its_order() -> None:
    rows = Rows(3)
    steps = [
        (numbered(10, 20, 30), None),
        (numbered(0, 21, 31), [False, True, True]),
        (numbered(11, 0, 32), [True, False, True]),
        (numbered(12, 22, 33), None),
        (numbered(13, 23, 0), [True, True, False]),
    ]
    made = [
        rows.add(transition, truncated, None if happened is None else np.array(happened))
        for (transition, truncated), happened in steps
    ]
    expected = [(10, 20, 30), None, (11, 21, 31), (12, 22, 32), (13, 23, 33)]
    for row, numbers in zip(made, expected, strict=True):
        assert (row is None) == (numbers is None)
        if row is not None and numbers is not None:
            transition, truncated = numbered(*numbers)
            for name in ("obs", "action", "reward", "next_obs", "terminated"):
                np.testing.assert_array_equal(getattr(row[0], name), getattr(transition, name), strict=True)
            np.testing.assert_array_equal(row[1], truncated, strict=True)


class Counted(VectorWrapper):
    """In Gymnasium's default mode, NEXT_STEP, and none of its own classes; counts the steps and the resets in them."""

    def __init__(self) -> None:
        super().__init__(SyncVectorEnv([toy_envs.Counter] * 3))
        self.steps, self.episodes, self.resetting = 0, np.zeros(3, int), np.zeros(3, int)

    def step(self, actions: Any) -> Any:
        obs, reward, terminated, truncated, infos = self.env.step(actions)
        self.steps += 1
        self.resetting = self.episodes.copy()
        self.episodes += terminated | truncated
        return obs, reward, terminated, truncated, infos


@pytest.mark.parametrize("seed", [0, 1])
def test_a_step_that_only_resets_reaches_neither_the_replay_nor_the_count_of_steps(seed: int) -> None:
    envs, config = Counted(), DQNConfig(net_arch=(8,), batch_size=8, learning_starts=60, buffer_size=3_000)
    agent = make_agent("dqn", backend="torch", env=envs, config=config)
    training = run(agent, envs, LoopConfig(600, log_every=30, seed=seed))
    list(training)
    assert (envs.episodes > 10).all()
    assert training.env_steps == 600
    assert envs.steps - envs.resetting.max() == 200  # rows: what the last of the three has made
    stored = training.replay.state_dict()
    assert len(stored["obs"]) == 200
    count, steps = (stored["obs"][:200, :, i] for i in (0, 1))
    np.testing.assert_array_equal(stored["next_obs"][:200, :, 0], count + stored["action"][:200] + 1)
    np.testing.assert_array_equal(stored["next_obs"][:200, :, 1], steps + 1)
    np.testing.assert_array_equal(stored["reward"][:200], stored["next_obs"][:200, :, 0])
    ended = stored["terminated"][:199] > 0
    np.testing.assert_array_equal(stored["obs"][1:200][~ended], stored["next_obs"][:199][~ended])
    assert (stored["obs"][1:200][ended][:, 1] == 0).all()


def test_an_episode_has_its_own_steps_and_what_they_pay() -> None:
    envs = VectorWrapper(SyncVectorEnv([toy_envs.Paying] * 2))
    agent = make_agent("dqn", backend="torch", env=envs, config=DQNConfig(net_arch=(8,), learning_starts=90))
    values = [record.values for record in run(agent, envs, LoopConfig(100, log_every=10))]
    assert {x for v in values if (x := v.get("rollout/episodic_length"))} == {4}
    assert {x for v in values if (x := v.get("rollout/episodic_return"))} == {10}


def test_a_training_that_goes_on_keeps_what_waits() -> None:
    """So that no transition is missing in the stream of any environment."""
    envs, config = Counted(), DQNConfig(net_arch=(8,), batch_size=8, learning_starts=60, buffer_size=3_000)
    agent = make_agent("dqn", backend="torch", env=envs, config=config)
    first = run(agent, envs, LoopConfig(300))
    list(first)
    second = run(agent, envs, LoopConfig(600), resume=first)
    list(second)
    stored = second.replay.state_dict()
    ended = stored["terminated"][:199] > 0
    np.testing.assert_array_equal(stored["obs"][1:200][~ended], stored["next_obs"][:199][~ended])
    assert envs.steps - envs.resetting.max() == 200
