"""The fused loop against a naive one that keeps everything in lists, over settings that Hypothesis draws."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpair import DQNConfig
from rlpair.algos.learner_jax import Learner, LearnerState
from rlpair.loops.fused_jax import make_fused
from rlpair.types import EnvSpec, Transition, UpdateInfo

QUICK = {"xla_backend_optimization_level": 0}  # to compile is what takes long here
ACTIONS, START = 3, 7


class Track:
    """x -> (5 x + action + 1) mod 23 from 7 on; terminal where x is 0 or below ``end``, cut after ``limit`` steps."""

    spec = EnvSpec((2,), "float32", True, ACTIONS, action_start=1)

    def __init__(self, end: int, limit: int) -> None:
        self.end, self.time_limit = end, limit

    def initial(self, key: jax.Array) -> jax.Array:
        return jnp.array([START, 0], jnp.int32)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.stack([(5 * state[0] + action + 1) % 23, state[1] + 1])

    def observation(self, state: jax.Array) -> jax.Array:
        return state.astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return next_state[0].astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return state[0] <= self.end


def policy(obs: Any, env_steps: Any) -> Any:
    """Of observations (..., 2) and the env steps, in numpy and in jax."""
    return 1 + (obs[..., 0] + 7 * obs[..., 1] + env_steps) % ACTIONS


def logging_learner(batch_size: int, num_updates: int) -> Learner:
    """Acts by ``policy``, learns nothing, and writes its batches down: obs, action, reward, next_obs, terminated."""

    def init(params: Any, hyper: Any) -> LearnerState:
        return LearnerState({"log": jnp.zeros((num_updates, batch_size, 7))}, {}, {}, {}, (), jnp.zeros((), jnp.int32))

    def act(state: LearnerState, obs: jax.Array, noise: Any, env_steps: jax.Array) -> jax.Array:
        return policy(obs.astype(jnp.int32), env_steps)

    def update(state: LearnerState, batch: Transition, noise: Any) -> tuple[LearnerState, UpdateInfo]:
        rest = (batch.action, batch.reward, batch.terminated)
        columns = [batch.obs, *(x[:, None].astype(jnp.float32) for x in rest), batch.next_obs]
        log = state.params["log"].at[state.num_updates].set(jnp.concatenate(columns, -1))
        info = UpdateInfo({"loss/q": batch.reward.mean()}, batch.reward)
        return state._replace(params={"log": log}, num_updates=state.num_updates + 1), info

    return Learner(init, act, lambda key, n: (), lambda state, obs: None, lambda key, shape: (), update)


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
    learner = logging_learner(algo.batch_size, case.stops[-1] * updates)
    fused = make_fused(learner, Track(case.end, case.limit), algo, case.num_envs)
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
    return jax.tree.map(np.asarray, state.replay), told, log.reshape(-1, updates, algo.batch_size, 7)


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
