"""What the fused loop draws: every key once, uniform actions and minibatches, the policy from the first step on.

Laws are tested at a stated p: the chance that a sound loop with another seed fails. The seeds here are fixed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fused_probe import PROBE_BOX, PROBE_DISCRETE, ProbeEnv, probe_learner, words
from scipy import stats

from rlpair import DQNConfig, SACConfig
from rlpair.config import RunConfig
from rlpair.loops.fused_jax import FusedState, make_fused, play
from rlpair.loops.seeds_jax import Seeds
from rlpair.types import EnvSpec

P = 1e-7  # of each test of a law
QUICK = {"xla_backend_optimization_level": 0}  # to compile is what takes long here


def env_steps_action(obs: jax.Array, key: jax.Array, env_steps: jax.Array) -> jax.Array:
    """1000 + env_steps for every environment: no random action."""
    return jnp.full(len(obs), 1000 + env_steps, jnp.int32)


def key_action(obs: jax.Array, key: jax.Array, env_steps: jax.Array) -> jax.Array:
    """The key itself, in the bits of a Box's two floats."""
    bits = jax.lax.bitcast_convert_type(jax.random.key_data(key), jnp.float32)
    return jnp.broadcast_to(bits, (len(obs), 2))


class Told(NamedTuple):
    """A run of S seeds, T vector steps, N environments, U updates, as numpy arrays."""

    step_keys: np.ndarray  # (S, T, N) uint64, one number a key
    reset_keys: np.ndarray  # (S, T, N), of the episode that the step belongs to
    counts: np.ndarray  # (S, T, N) steps of the episode before this one
    actions: np.ndarray  # (S, T, N) int32 or (S, T, N, A) float32
    batches: np.ndarray  # (S, U, B), the step keys of the transitions
    noise: np.ndarray  # (S, U, B, 3) uint32, as Log has it
    num_updates: int


def run_probe(
    rounds: int,
    num_envs: int = 1,
    seeds: int = 1,
    spec: EnvSpec = PROBE_DISCRETE,
    action: Any = env_steps_action,
    *,
    time_limit: int = 4,
    **config: Any,
) -> Told:
    """Run the rounds in two chunks; the ring is read at the end."""
    settings = {"batch_size": 8, "train_freq": 1, "learning_starts": 0, "buffer_size": 2**14, "net_arch": (8,)}
    algo = DQNConfig(**(settings | config))
    size = algo.train_freq * num_envs
    learner = probe_learner(
        algo.batch_size, rounds * (size if algo.gradient_steps == -1 else algo.gradient_steps), action
    )
    fused = make_fused(learner, ProbeEnv(spec, time_limit), algo, num_envs)
    keys = jnp.stack([jax.random.key(seed) for seed in range(seeds)])
    state: FusedState = jax.jit(jax.vmap(lambda key: fused.init({}, (), key)), compiler_options=QUICK)(keys)
    run = jax.jit(jax.vmap(fused.run, in_axes=(0, None, None)), compiler_options=QUICK)
    for start, stop in ((0, rounds // 3), (rounds // 3, rounds)):
        state, _ = run(state, np.int32(start), np.int32(stop))
    steps = min(rounds * algo.train_freq, algo.buffer_size // num_envs)
    ring, log = jax.tree.map(np.asarray, (state.replay, state.learner.params["log"]))
    (num_updates,) = set(np.asarray(state.learner.num_updates).tolist())
    return Told(
        words(ring.next_obs[:, :steps, :, 8:16]),
        words(ring.next_obs[:, :steps, :, :8]),
        ring.obs[:, :steps, :, 16],
        ring.action[:, :steps],
        words(log.batch[:, :num_updates]),
        log.noise[:, :num_updates],
        num_updates,
    )


def assert_uniform(values: np.ndarray, cells: int) -> None:
    """Integers from 0 to cells - 1, each as likely as the others (chi-square), every one seen."""
    counts = np.bincount(values.ravel(), minlength=cells)
    assert len(counts) == cells
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > P


def assert_independent(one: np.ndarray, other: np.ndarray, cells: int) -> None:
    """Pairs of integers from 0 to cells - 1: every pair as likely as the others."""
    assert_uniform(one.ravel().astype(int) * cells + other.ravel(), cells**2)


# Keys


@pytest.mark.parametrize(("num_envs", "train_freq"), [(1, 1), (3, 2)])
def test_no_key_is_used_twice(num_envs: int, train_freq: int) -> None:
    told = run_probe(
        40, num_envs, seeds=3, spec=PROBE_BOX, action=key_action, train_freq=train_freq, gradient_steps=-1, time_limit=5
    )
    assert len(np.unique(told.step_keys)) == told.step_keys.size
    begins = told.reset_keys[told.counts == 0]
    assert len(np.unique(begins)) == len(begins) > 3 * num_envs * 40 * train_freq // 5 - 1
    act_keys = np.unique(told.actions[:, :, 0].view(np.uint32).reshape(-1, 2), axis=0)
    noise_keys = np.unique(told.noise[..., 1:].reshape(-1, 2), axis=0)
    assert (len(act_keys), len(noise_keys)) == (3 * 40 * train_freq, 3 * 40)  # of each seed a step, a round
    assert len(np.unique(told.noise[..., 0])) == 3 * 8 * 40 * train_freq * num_envs
    families = [family_of(keys, 8) for keys in (act_keys, noise_keys)]
    assert not np.isin(*families).any()
    for family in families:  # nor are they an environment's
        assert not np.isin(family, told.step_keys).any()
        assert not np.isin(family, told.reset_keys).any()


def family_of(keys: np.ndarray, children: int) -> np.ndarray:
    """Keys (K, 2) uint32 and what they are split into, as one number each."""
    split = jax.vmap(lambda key: jax.random.split(key, children))(jax.random.wrap_key_data(jnp.asarray(keys)))
    family = np.concatenate([keys, np.asarray(jax.random.key_data(split)).reshape(-1, 2)])
    return np.ascontiguousarray(family).view(np.uint64)[:, 0]


@pytest.mark.parametrize(("num_envs", "train_freq"), [(1, 1), (3, 2)])
def test_every_update_has_a_minibatch_of_its_own(num_envs: int, train_freq: int) -> None:
    told = run_probe(40, num_envs, seeds=2, train_freq=train_freq, gradient_steps=4, learning_starts=30)
    names = {tuple(batch) for seed in told.batches for batch in seed}
    assert len(names) == 2 * told.num_updates  # each of 8 out of 30 and more: no two alike


# The policy


@pytest.mark.parametrize(
    ("num_envs", "train_freq", "starts", "gradient_steps"),
    [(1, 1, 0, 1), (1, 4, 9, -1), (3, 1, 7, 3), (3, 2, 24, -1), (3, 2, 25, 1), (2, 4, 31, 1)],
)
def test_the_policy_acts_from_learning_starts_on(
    num_envs: int, train_freq: int, starts: int, gradient_steps: int
) -> None:
    told = run_probe(12, num_envs, train_freq=train_freq, learning_starts=starts, gradient_steps=gradient_steps)
    env_steps = np.arange(12 * train_freq) * num_envs
    follows = told.actions[0] >= 1000
    np.testing.assert_array_equal(follows, np.repeat(env_steps[:, None] >= starts, num_envs, 1))
    np.testing.assert_array_equal(told.actions[0][follows], 1000 + np.repeat(env_steps[env_steps >= starts], num_envs))
    assert np.isin(told.actions[0][~follows], [-2, -1, 0, 1, 2]).all()
    ends = (1 + np.arange(12)) * train_freq * num_envs  # env steps after each round, as the host loop counts
    updates = train_freq * num_envs if gradient_steps == -1 else gradient_steps
    assert told.num_updates == updates * (ends > starts).sum()


@pytest.mark.parametrize("num_envs", [1, 3, 1024])
def test_the_policy_acts_beyond_two_to_the_31_env_steps(num_envs: int) -> None:
    """Where env steps no longer fit an int32, the policy is told the largest that does: schedules have long ended."""
    algo = DQNConfig(batch_size=8, train_freq=2, learning_starts=100, buffer_size=16 * num_envs, net_arch=(8,))
    fused = make_fused(
        probe_learner(8, 8, lambda obs, key, steps: jnp.full(len(obs), steps)), ProbeEnv(), algo, num_envs
    )
    last = (2**31 - 1) // num_envs  # vector step at which env steps still fit
    start = last // 2 - 4  # in rounds of two vector steps
    state = jax.jit(fused.init, compiler_options=QUICK)({}, (), jax.random.key(0))
    stop = min(start + 8, 2**30 - 1)  # vector steps fit as well
    state, _ = jax.jit(fused.run, compiler_options=QUICK)(state, np.int32(start), np.int32(stop))
    steps = np.arange(start * 2, stop * 2)
    expected = np.minimum(steps, last) * num_envs
    actions = np.asarray(state.replay.action)[steps % 16]
    np.testing.assert_array_equal(actions, np.repeat(expected[:, None], num_envs, 1))
    assert expected[-1] >= 2**31 - num_envs - (2 if num_envs == 1 else 0)


# Random actions


@pytest.mark.parametrize("train_freq", [1, 4])
def test_random_actions_are_uniform_over_all_there_are(train_freq: int) -> None:
    told = run_probe(8000 // train_freq, 2, seeds=2, train_freq=train_freq, learning_starts=2**14)
    actions = told.actions + 2  # the spec's start is -2
    assert_uniform(actions, 5)
    assert_independent(actions[:, :, 0], actions[:, :, 1], 5)  # environments
    assert_independent(actions[0], actions[1], 5)  # seeds
    assert_independent(actions[:, 1:], actions[:, :-1], 5)  # steps
    assert_independent(actions[:, train_freq:], actions[:, :-train_freq], 5)  # rounds


def test_random_actions_fill_the_box() -> None:
    told = run_probe(4000, 2, seeds=2, spec=PROBE_BOX, train_freq=2, learning_starts=2**14, action=key_action)
    low, high = np.array(PROBE_BOX.action_low), np.array(PROBE_BOX.action_high)
    share = (told.actions - low) / (high - low)  # (S, T, N, A)
    for seed in range(2):
        for env in range(2):
            for dimension in range(2):
                assert stats.kstest(share[seed, :, env, dimension], "uniform").pvalue > P
    parts = np.minimum(share * 5, 4).astype(int)
    assert_independent(parts[..., 0], parts[..., 1], 5)
    assert_independent(parts[:, :, 0], parts[:, :, 1], 5)
    assert_independent(parts[0], parts[1], 5)
    assert_independent(parts[:, 1:], parts[:, :-1], 5)


# Minibatches


@pytest.mark.parametrize(("num_envs", "train_freq"), [(1, 1), (2, 1), (3, 2)])
def test_minibatches_are_uniform_over_what_the_replay_holds(num_envs: int, train_freq: int) -> None:
    """In every round, before the first wrap, at it, and after: over many seeds."""
    rows, rounds, seeds = 8, 20 // train_freq, 300
    settings: dict[str, Any] = {"train_freq": train_freq, "gradient_steps": 2}
    told = run_probe(rounds, num_envs, seeds, buffer_size=rows * num_envs + num_envs - 1, **settings)
    whole = run_probe(rounds, num_envs, seeds, **settings)  # the same steps, and nothing overwritten
    batches = told.batches.reshape(seeds, rounds, -1)
    for number in range(rounds):
        stop = (number + 1) * train_freq
        held = whole.step_keys[:, max(0, stop - rows) : stop].reshape(seeds, -1)  # (S, rows * N), the oldest first
        is_that = held[:, None] == batches[:, number, :, None]  # (S, 2 * B, rows * N)
        assert (is_that.sum(-1) == 1).all()  # what was overwritten is never drawn, and all else stands there once
        counts = is_that.sum((0, 1))
        assert counts.min() > 0
        assert len(counts) == 1 or stats.chisquare(counts).pvalue > P


def test_a_ring_of_images_holds_bytes() -> None:
    told = run_probe(3)
    state = jax.eval_shape(
        make_fused(probe_learner(8, 1, env_steps_action), ProbeEnv(), DQNConfig(buffer_size=100, batch_size=8), 1).init,
        {},
        (),
        jax.random.key(0),
    )
    assert {str(x.dtype) for x in (state.replay.obs, state.replay.next_obs, state.obs)} == {"uint8"}
    assert told.counts.tolist() == [[[0], [1], [2]]]


# Evaluation


@pytest.mark.parametrize("pays", ["reset", "step"])
def test_every_episode_of_an_evaluation_draws_its_own(pays: str) -> None:
    learner, env = probe_learner(8, 1, env_steps_action), ProbeEnv(time_limit=1, pays=pays)
    first, again, other = (play(learner, env, {}, jax.random.key(seed), 50)[0].tolist() for seed in (0, 0, 1))
    assert first == again
    assert len({*first, *other}) == 100


def test_every_step_of_an_evaluation_draws_its_own() -> None:
    learner = probe_learner(8, 1, env_steps_action)
    one, two = (np.asarray(play(learner, ProbeEnv(time_limit=limit), {}, jax.random.key(0), 50)[0]) for limit in (1, 2))
    assert not np.isin(two - one, one).any()


# The seeds of a run

SAC: dict[str, Any] = {"net_arch": (8,), "batch_size": 8, "learning_starts": 30, "buffer_size": 100}


def pendulum(**changes: Any) -> RunConfig:
    settings = {"algo": SACConfig(**SAC), "env": "Pendulum-v1", "mode": "fused", "total_timesteps": 60, "device": "cpu"}
    return RunConfig(**(settings | changes))


def test_seeds_and_evaluations_share_no_random_numbers() -> None:
    seeds = Seeds(pendulum(num_seeds=3, num_envs=2, eval_episodes=3), [0, 1, 7])
    seeds.run(0, 10)  # warm-up alone
    saved = seeds.save(True)
    for name in ("replay.action", "replay.obs", "envs.state"):
        values = np.stack([np.ravel(seed.rest[name])[:20] for seed in saved])
        assert len(np.unique(values, axis=0)) == 3, name
    assert len({seed.agent["rng.jax"].tobytes() for seed in saved}) == 3
    first, again, other = (seeds.evaluate(tag)[0] for tag in (100, 100, 200))
    np.testing.assert_array_equal(first, again)  # the tag, env steps, decides where the episodes start
    assert len(np.unique([first, other])) == 2 * 3 * 3
