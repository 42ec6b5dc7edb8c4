"""What the host loop chooses by itself: seeds, random actions, minibatches.

Laws are tested at a stated p: the chance that a sound loop with another seed fails. The seeds here are fixed.
"""

import numpy as np
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from loop_line import SPEC, CountingAgent, Line, make_loop
from scipy import stats

from rlpair import Transition
from rlpair.envs.make import make_envs
from rlpair.replay.buffer import ReplayBuffer
from rlpair.seeding import integer, stream

P = 1e-7  # of each test of a law

# Seeds


def test_every_purpose_has_a_stream_of_its_own() -> None:
    """Literal numbers: checkpoints and published runs begin with them."""
    assert [integer(0, "envs"), integer(1, "envs"), integer(0, "noise")] == [1150305081, 1779611895, 1991347136]
    assert [integer(0, "evaluation", 100), integer(0, "evaluation", 200)] == [777924820, 653963993]
    assert stream(0, "warm-up").integers(1000, size=4).tolist() == [976, 559, 198, 573]
    assert stream(0, "minibatch").integers(1000, size=4).tolist() == [537, 980, 618, 745]
    assert stream(1, "minibatch").integers(1000, size=4).tolist() == [703, 167, 998, 710]
    assert stream(0, "parameters", 3).integers(1000, size=4).tolist() == [467, 840, 261, 315]


@pytest.mark.parametrize(("seed", "expected"), [(0, 1150305081), (1, 1779611895)])
def test_the_environments_are_seeded_by_the_run(seed: int, expected: int) -> None:
    envs = Line(2)
    list(make_loop(CountingAgent(), envs, total_timesteps=4, seed=seed))
    assert envs.seeds == [expected]


def test_the_loop_draws_from_the_streams_of_its_seed() -> None:
    envs, agent = Line(2), CountingAgent(learning_starts=8, train_freq=2, gradient_steps=3)
    loop = make_loop(agent, envs, total_timesteps=12, seed=5)
    list(loop)
    warm_up, minibatch = stream(5, "warm-up"), stream(5, "minibatch")
    expected = [envs.sample_actions(warm_up).tolist() for _ in range(4)] + [[2, 2]] * 2
    assert [action.tolist() for action in envs.actions] == expected
    indices = minibatch.integers(12, size=(3, 4))  # once, after the sixth vector step
    (batch,) = agent.batches
    np.testing.assert_array_equal(batch.obs[..., 0], indices // 2)
    np.testing.assert_array_equal(batch.obs[..., 1], indices % 2)


def test_every_evaluation_starts_its_episodes_elsewhere() -> None:
    seeds = []
    for seed in (0, 1):
        eval_envs = Line(2, ends=lambda step, env: True)
        list(
            make_loop(CountingAgent(), Line(), eval_envs, total_timesteps=20, eval_every=10, eval_episodes=6, seed=seed)
        )
        assert len(eval_envs.seeds) == 2 * 3  # at steps 10 and 20, three times two episodes
        seeds += eval_envs.seeds
    assert len(set(seeds)) == 12
    assert seeds[:2] == [integer(integer(0, "evaluation", 10), "evaluation", first) for first in (0, 2)]


# Warm-up actions


@pytest.mark.parametrize(("env", "start"), [("toy/Counter-v0", 0), ("toy/StartAtMinusOne-v0", -1)])
def test_random_actions_are_uniform_over_all_there_are(env: str, start: int) -> None:
    envs, rng = make_envs(env, 3), np.random.default_rng(0)
    actions = np.array([envs.sample_actions(rng) for _ in range(6000)]) - start  # (T, N)
    assert_uniform(actions, 3)
    for one, other in [(actions[:, 0], actions[:, 1]), (actions[:, 1], actions[:, 2]), (actions[1:], actions[:-1])]:
        assert_uniform(one * 3 + other, 9)  # each pair of environments, and of steps
    envs.close()


def test_random_actions_fill_the_box() -> None:
    envs, rng = make_envs("toy/BoxCounter-v0", 2), np.random.default_rng(0)
    low, high = np.array(envs.spec.action_low), np.array(envs.spec.action_high)
    share = (np.array([envs.sample_actions(rng) for _ in range(4000)]) - low) / (high - low)  # (T, N, A)
    for column in share.reshape(len(share), -1).T:
        assert stats.kstest(column, "uniform").pvalue > P
    apart = np.corrcoef(share.reshape(len(share), -1).T) - np.eye(8)
    assert np.abs(apart).max() < 5.5 / np.sqrt(4000)  # p below 4e-8 for each of 28 pairs
    envs.close()


def assert_uniform(values: np.ndarray, cells: int) -> None:
    """Integers from 0 to cells - 1, each as likely as the others (chi-square), every one seen."""
    counts = np.bincount(values.ravel(), minlength=cells)
    assert len(counts) == cells
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > P


# Minibatches


@pytest.mark.parametrize("num_envs", [1, 2, 3])
@pytest.mark.parametrize("rows_added", [1, 5, 7, 8, 9, 11, 16, 21])
def test_minibatches_are_uniform_over_what_the_replay_holds(num_envs: int, rows_added: int) -> None:
    """Eight rows: before they are full, when they just are, and wherever the next one goes."""
    replay = ReplayBuffer(8 * num_envs + num_envs - 1, num_envs, SPEC)
    for row in range(rows_added):
        number = row * num_envs + np.arange(num_envs)
        obs = np.stack([number, number], 1).astype(np.float32)
        action, reward, terminated = number.astype(np.int32), number.astype(np.float32), np.zeros(num_envs, np.float32)
        replay.add(Transition(obs, action, reward, obs, terminated), np.zeros(num_envs, bool))
    batch, indices = replay.sample(50, 400, np.random.default_rng(rows_added))
    oldest = max(0, rows_added - 8) * num_envs
    held = rows_added * num_envs - oldest
    assert indices.min() == 0
    assert indices.max() == held - 1 == len(replay) - 1
    if held > 1:
        assert_uniform(batch.reward.astype(int) - oldest, held)
        assert len({tuple(row) for row in indices.tolist()}) == 400 or held < 4  # each update has its own
