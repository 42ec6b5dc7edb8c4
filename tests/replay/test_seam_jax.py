"""A storage and a sampler from outside, in the fused loop: against the same plain loops as the host's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own_replays import WALK, Model, literal_steps, td_error_of
from own_replays_jax import Windows, n_step, prioritized
from walk_jax import QUICK, Walk, logging_learner

from rlpair import DQNConfig
from rlpair.errors import ConfigError
from rlpair.loops.fused_jax import make_fused
from rlpair.replay.buffer_jax import UNIFORM_RING, Replay
from rlpair.replay.samplers_jax import UNIFORM
from rlpair.replay.storage_jax import RING
from rlpair.types import Transition

COLUMNS = [0, 1, 2, 3, 5, 6, 7, 8]  # of the log: all but terminated


def walk() -> Walk:
    """Terminal below 4, cut after five steps."""
    return Walk(WALK, 3, 5)


def policy(obs: Any, env_steps: Any) -> Any:
    return (obs[:, 0] + env_steps) % 3


def steps_of(state: Windows) -> list[Any]:
    """What a storage that has not wrapped holds, by row and environment: as the Model takes it."""
    ring = jax.tree.map(np.asarray, state.ring)
    columns = (ring.obs, ring.action, ring.reward, ring.next_obs, ring.terminated, ring.next_obs[..., 1] == 5)
    return [list(zip(*(x[t].tolist() for x in columns), strict=True)) for t in range(len(ring.reward))]


@pytest.mark.parametrize(("num_envs", "rows", "frequency", "updates", "n"), [(1, 60, 1, 1, 2), (2, 11, 3, 2, 3)])
def test_the_fused_loop_is_a_plain_one(num_envs: int, rows: int, frequency: int, updates: int, n: int) -> None:
    """Every minibatch of a prioritized n-step replay, draw by draw, of two seeds vmapped."""
    starts, steps, batch_size = 6 * num_envs, 45 - 45 % frequency, 4
    rounds, warm_rounds = steps // frequency, 6 // frequency
    settings = {"learning_starts": starts, "train_freq": frequency, "gradient_steps": updates, "batch_size": batch_size}
    replay = Replay(n_step(n, 0.5), prioritized(0.6, 0.4))

    def train(capacity: int) -> Any:
        learner = logging_learner(policy, batch_size, rounds * updates)
        fused = make_fused(learner, walk(), DQNConfig(**settings, buffer_size=capacity), num_envs, replay)
        keys = jnp.stack([jax.random.key(seed) for seed in range(2)])
        state = jax.jit(jax.vmap(lambda key: fused.init({}, (), key)), compiler_options=QUICK)(keys)
        run = jax.jit(jax.vmap(fused.run, in_axes=(0, None, None)), compiler_options=QUICK)
        state, _ = run(state, 0, rounds // 2)  # in two parts, as it does not matter
        return run(state, rounds // 2, rounds)[0]

    with jax.enable_x64(True):
        trained, whole = train(rows * num_envs), train(steps * num_envs)  # the same steps, and none overwritten
        keys = [keys_of_minibatches(seed, rounds) for seed in range(2)]
        uniform = [[np.asarray(jax.random.uniform(key, (updates, batch_size))) for key in seed] for seed in keys]
    for seed in range(2):
        history = steps_of(jax.tree.map(lambda x, seed=seed: x[seed], whole.replay))
        log = np.asarray(trained.learner.params["log"][seed]).reshape(rounds, updates, batch_size, 9)
        model = Model(rows, num_envs, n=n, gamma=0.5, alpha=0.6, beta=0.4)
        for number in range(rounds):
            for step in history[number * frequency : (number + 1) * frequency]:
                model.add(step)
            if number < warm_rounds:
                continue
            heard = []
            for u in range(updates):
                which, expected = model.sample(uniform[seed][number][u])
                heard.append((which, [td_error_of(row[2], row[4]) for row in expected]))
                rows_of = [[*row[0], row[1], row[2], *row[3], *row[4:]] for row in expected]
                np.testing.assert_allclose(log[number - warm_rounds, u][:, COLUMNS], rows_of, rtol=1e-6)
            for told in heard:
                model.feedback(*told)
        held = steps - min(rows, steps)
        for (t, env), priority in model.priority.items():
            if t >= held:
                found = trained.sampler.priorities[seed, t % rows, env]
                np.testing.assert_allclose(found, priority, rtol=1e-12, err_msg=f"{t}, {env}")
    assert int(trained.learner.num_updates[0]) == (rounds - warm_rounds) * updates
    assert len(np.unique(np.asarray(trained.sampler.priorities))) > 5


def keys_of_minibatches(seed: int, rounds: int) -> list[Any]:
    """The fused loop's, round by round."""
    key, keys = jax.random.split(jax.random.key(seed))[0], []
    for _ in range(rounds):
        key, *of_round = jax.random.split(key, 6)
        keys.append(of_round[3])
    return keys


def test_windows_by_hand() -> None:
    storage, (steps, windows) = n_step(3, 0.5), literal_steps()
    state, added = storage.init(8, 1, WALK), 0
    for first, last in ((0, 5), (2, 7)):
        for k, (reward, terminated, truncated) in enumerate(steps[added : 8 if first == 0 else 10], added):
            ends = jnp.array([terminated], jnp.float32), jnp.array([truncated])
            step = (jnp.full((1, 2), k), jnp.zeros(1, jnp.int32), jnp.array([reward]), jnp.full((1, 2), 100 + k))
            state, row = storage.add(state, Transition(*step, ends[0]), ends[1], jnp.int32(k))
            assert int(row) == k % 8
        added = 8 if first == 0 else 10
        span = storage.span(state, jnp.int32(added))
        indices, weights, _ = UNIFORM.sample((), span, jax.random.key(0), (1, 200))
        assert weights is None
        batch = storage.take(state, indices)
        number = np.asarray(batch.obs)[0, :, 0].astype(int)
        assert set(number) == set(range(first, last + 1))
        np.testing.assert_array_equal(indices[0], number % 8)
        assert batch.discount is not None
        found = np.stack([batch.reward[0], batch.next_obs[0, :, 0], batch.discount[0]], -1)
        np.testing.assert_array_equal(found, np.array(windows, float)[number])


def test_a_storage_that_has_nothing_to_draw_from_is_refused() -> None:
    """Learning starts after two steps of every environment, and the first window of three is whole after three."""
    learner, settings = logging_learner(policy, 4, 9), {"buffer_size": 30, "batch_size": 4, "train_freq": 2}
    replay = Replay(n_step(3, 0.5), UNIFORM)
    make_fused(learner, walk(), DQNConfig(**settings, learning_starts=4), 2, replay)
    with pytest.raises(ConfigError) as error:
        make_fused(learner, walk(), DQNConfig(**settings, learning_starts=3), 2, replay)
    assert str(error.value) == (
        "algo.learning_starts=3 is not allowed: "
        "more: after 2 steps of every environment the replay has nothing to draw from"
    )


def test_the_default_replay_adds_nothing_to_what_is_carried() -> None:
    """Five arrays of transitions, and no state of a sampler."""
    assert Replay(RING, UNIFORM) == UNIFORM_RING
    learner, config = (
        logging_learner(policy, 4, 9),
        DQNConfig(buffer_size=30, batch_size=4, learning_starts=2, train_freq=1),
    )
    fused = make_fused(learner, walk(), config, 2)
    state = jax.eval_shape(fused.init, {}, (), jax.random.key(0))
    assert state.sampler == ()
    assert [x.shape for x in jax.tree.leaves(state.replay)] == [(15, 2, 2), (15, 2), (15, 2), (15, 2, 2), (15, 2)]
    own = make_fused(learner, walk(), config, 2, Replay(RING, UNIFORM))
    programs = [str(jax.make_jaxpr(loop.run)(state_of(loop), 0, 9)) for loop in (fused, own)]
    assert programs[0] == programs[1]
    assert programs[0].count("while[") == 2


def state_of(fused: Any) -> Any:
    """The beginning of a loop."""
    return fused.init({}, (), jax.random.key(0))
