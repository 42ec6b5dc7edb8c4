"""The fused loop against a naive one that keeps everything in lists, over settings that Hypothesis draws."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from walk_jax import QUICK, Walk, logging_learner

from rlpair import DQNConfig
from rlpair.loops.fused_jax import make_fused
from rlpair.types import EnvSpec

ACTIONS, START = 3, 7
SPEC = EnvSpec((2,), "float32", True, ACTIONS, action_start=1)


def policy(obs: Any, env_steps: Any) -> Any:
    """Of observations (..., 2) and the env steps, in numpy and in jax."""
    return 1 + (obs[..., 0] + 7 * obs[..., 1] + env_steps) % ACTIONS


class Case(NamedTuple):
    """Settings, an environment, and the rounds after which the host looks."""

    num_envs: int
    algo: dict[str, int]
    end: int
    limit: int
    stops: list[int]


def naive(case: Case, warm_up: list[Any]) -> tuple[dict[int, Any], list[set[Any]], list[Any]]:
    """What is stored by slot; what may be in each round's minibatches; episodes, returns and lengths by chunk."""
    n, algo = case.num_envs, case.algo
    frequency, rows = algo["train_freq"], algo["buffer_size"] // n
    states, returns, lengths = [(START, 0)] * n, [0] * n, [0] * n
    memory, held, told, ended = dict[int, Any](), [], [], []
    for step in range(case.stops[-1] * frequency):
        stored = []
        for i, (x, count) in enumerate(states):
            follows = step * n >= algo["learning_starts"]
            action = int(policy(np.array([x, count]), step * n)) if follows else warm_up[step][i]
            assert action in (1, 2, 3)
            after = (5 * x + action + 1) % 23, count + 1
            over = after[0] <= case.end
            stored.append((x, count, action, after[0], int(over), *after))
            returns[i], lengths[i] = returns[i] + after[0], lengths[i] + 1
            if over or after[1] >= case.limit:
                ended.append((returns[i], lengths[i]))
                returns[i], lengths[i], after = 0, 0, (START, 0)
            states[i] = after
        memory[step % rows] = stored
        if (step + 1) % frequency == 0:
            if (step + 1) * n > algo["learning_starts"]:
                held.append({transition for slot in memory.values() for transition in slot})
            if (step + 1) // frequency in case.stops:
                told.append([len(ended), sum(r for r, _ in ended), sum(x for _, x in ended)])
                ended = []
    return memory, held, told


def ours(case: Case) -> tuple[Any, list[Any], Any]:
    """The ring with all that went into it, what each chunk told, and the log of the batches."""
    algo = DQNConfig(**case.algo, net_arch=(4,))
    size = algo.train_freq * case.num_envs
    updates = size if algo.gradient_steps == -1 else algo.gradient_steps
    learner = logging_learner(policy, algo.batch_size, case.stops[-1] * updates)
    fused = make_fused(learner, Walk(SPEC, case.end, case.limit, START), algo, case.num_envs)
    state = jax.jit(fused.init, compiler_options=QUICK)({}, (), jax.random.key(case.limit))
    run, told, start = jax.jit(fused.run, compiler_options=QUICK), [], 0
    for stop in case.stops:
        state, progress = run(state, np.int32(start), np.int32(stop))
        told.append([int(progress.episodes), int(progress.return_sum), int(progress.length_sum)])
        assert bool(progress.finite)
        start = stop
    log = np.asarray(state.learner.params["log"])[: int(state.learner.num_updates)]
    if len(log):
        np.testing.assert_allclose(progress.metrics["loss/q"], log[-1][:, 3].mean(), rtol=1e-6)
    return jax.tree.map(np.asarray, state.replay), told, log[..., :7].reshape(-1, updates, algo.batch_size, 7)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    num_envs, frequency = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    algo = {
        "learning_starts": draw(st.integers(0, 20)),
        "train_freq": frequency,
        "gradient_steps": draw(st.sampled_from([-1, 1, 2])),
        "batch_size": draw(st.integers(1, 4)),
        "buffer_size": draw(st.sampled_from([num_envs * 4 + 1, 300])),  # many wraps, or none
    }
    stops = sorted(draw(st.sets(st.integers(1, 25), min_size=1, max_size=3)))
    return Case(num_envs, algo, draw(st.integers(0, 8)), draw(st.integers(2, 6)), stops)


@given(cases())
@settings(max_examples=10)
def test_the_fused_loop_is_the_naive_one(case: Case) -> None:
    steps, rows = case.stops[-1] * case.algo["train_freq"], case.algo["buffer_size"] // case.num_envs
    ring, told, log = ours(case)
    whole = ring if rows >= steps else ours(case._replace(algo=case.algo | {"buffer_size": 300}))[0]  # the same draws
    memory, held, expected = naive(case, whole.action.tolist())
    assert told[-len(expected) :] == expected
    for slot in range(min(rows, steps)):
        columns = (ring.obs, ring.action, ring.reward, ring.terminated, ring.next_obs)
        stored = np.concatenate([x[slot].reshape(case.num_envs, -1) for x in columns], -1)
        assert [tuple(map(int, row)) for row in stored] == memory[slot]
    assert len(log) == len(held)  # rounds of updates
    for batches, there in zip(log, held, strict=True):
        assert {tuple(map(int, row)) for row in batches.reshape(-1, 7)} <= there


class Breaking(Walk):
    """Whose last observation of an episode is none; the one that it begins with is."""

    def observation(self, state: jax.Array) -> jax.Array:
        return jnp.where(state[0] <= self.end, jnp.nan, state.astype(jnp.float32))


def test_the_last_observation_of_an_episode_is_looked_at() -> None:
    algo = DQNConfig(learning_starts=50, train_freq=1, batch_size=1, buffer_size=20, net_arch=(4,))
    fused = make_fused(logging_learner(policy, 1, 1), Breaking(SPEC, 5, 100, START), algo, 1)
    state = fused.init({}, (), jax.random.key(0))
    _, progress = jax.jit(fused.run, compiler_options=QUICK)(state, np.int32(0), np.int32(30))
    assert (int(progress.episodes) > 0, bool(progress.finite)) == (True, False)
