"""The storage of frames as pure functions: equal to the host's, and in the fused loop, of many seeds."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cameras import Film
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from own_replays import NStep
from own_replays_jax import n_step

from rlpair import DQNConfig, EnvSpec
from rlpair.algos.learner_jax import Learner, LearnerState
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError
from rlpair.loops import seeds_jax
from rlpair.loops.fused_jax import make_fused
from rlpair.replay.buffer import check_stored
from rlpair.replay.buffer_jax import UNIFORM_RING, default_replay
from rlpair.replay.frames import Frames, frames_bytes
from rlpair.replay.frames_jax import FRAMES, frames_over
from rlpair.types import Transition, UpdateInfo

QUICK = {"xla_backend_optimization_level": 0}  # to compile is what takes long here
STACKS = EnvSpec((2, 1, 6), "uint8", True, 3, frame_stack=3)
PLANES = EnvSpec((1, 2, 2), "bool", True, 3)
MOST = 40  # steps


@cache
def program(num_envs: int, rows: int, spec: EnvSpec, n: int) -> Any:
    """(transitions (T, N, ...), truncated (T, N), steps ()) -> state after so many, span, all there is."""
    storage = FRAMES if n == 1 else frames_over(n_step(n, 0.5))

    def run(transitions: Transition, truncated: jax.Array, steps: jax.Array) -> Any:
        def one(number: jax.Array, state: Any) -> Any:
            step, ends = jax.tree.map(lambda x: x[number], (transitions, truncated))
            return storage.add(state, step, ends, number)[0]

        state = jax.lax.fori_loop(0, steps, one, storage.init(rows * num_envs, num_envs, spec))
        span = storage.span(state, steps)
        return state, (span.length, span.start), storage.take(state, jnp.arange(rows * num_envs))

    return jax.jit(run, compiler_options=QUICK)


@given(
    shape=st.sampled_from([(1, 7, STACKS, 1), (3, 22, STACKS, 1), (2, 5, PLANES, 1), (2, 9, STACKS, 2)]),
    ends=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    padding=st.sampled_from(["first", "zeros", "none"]),
    colors=st.sampled_from([2, 200]),
    seed=st.integers(0, 2**16),
    steps=st.integers(1, MOST),
)
@settings(phases=[Phase.generate], max_examples=60)  # to shrink what fails takes minutes
def test_it_is_the_hosts(
    shape: tuple[int, int, EnvSpec, int], ends: float, padding: str, colors: int, seed: int, steps: int
) -> None:
    """To the bit: what is kept, what can be drawn, what a learner gets."""
    num_envs, rows, spec, n = shape
    film = Film(spec, num_envs, ends, 0.05, padding, colors, seed)
    host = Frames(rows * num_envs, num_envs, spec, **({} if n == 1 else {"transitions": n_steps(n)}))
    played = film.play(MOST)
    for step in played[:steps]:
        host.add(*step)
    stacked = jax.tree.map(lambda *x: np.stack(x), *played)
    state, (length, start), batch = program(*shape)(*stacked, np.int32(steps))
    span = host.span()
    assert int(length) == span.length
    assert int(state.held) == host.held
    assert span.start in (None, int(start))
    np.testing.assert_array_equal(state.frames, host.frames)
    np.testing.assert_array_equal(state.head, host.head)
    np.testing.assert_array_equal(state.next_obs, host.next_obs)
    indices = span.index_of(np.arange(span.length))
    for name, x, y in zip(Transition._fields, batch, host.take(indices), strict=True):
        if y is not None:
            np.testing.assert_array_equal(np.asarray(x)[indices], y, err_msg=name)


def n_steps(n: int) -> Any:
    """The host's storage of n-step windows."""
    return lambda *arguments: NStep(*arguments, n=n, gamma=0.5)


def test_it_takes_what_is_said() -> None:
    """All but a number: which rows are held."""
    for num_envs in (1, 8):
        state = jax.eval_shape(lambda n=num_envs: FRAMES.init(4000, n, STACKS))
        boundaries = 4000  # where episodes were cut is kept by the host alone
        total = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
        assert total == frames_bytes(4000, num_envs, STACKS) - boundaries + 4


class Camera:
    """x -> (5 x + action + 1) mod 23, whose frames show x and the steps so far; terminal below 3, cut after 6 steps."""

    spec, time_limit = EnvSpec((2, 1, 2), "uint8", True, 3, frame_stack=2), 6

    def initial(self, key: jax.Array) -> jax.Array:
        frame = jnp.stack([jax.random.randint(key, (), 3, 23), jnp.int32(0)])
        return jnp.stack([frame, frame], -1)  # (2, k)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        x, count = state[:, -1]
        return jnp.stack([state[:, -1], jnp.stack([(5 * x + action + 1) % 23, count + 1])], -1)

    def observation(self, state: jax.Array) -> jax.Array:
        return state[:, None].astype(jnp.uint8)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return next_state[0, -1].astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return state[0, -1] < 3


def logging_learner(batch_size: int, num_updates: int) -> Learner:
    """It acts by what it sees, learns nothing and writes its batches down."""

    def init(params: Any, hyper: Any) -> LearnerState:
        return LearnerState({"log": jnp.zeros((num_updates, batch_size, 10))}, {}, {}, {}, (), jnp.zeros((), jnp.int32))

    def act(state: LearnerState, obs: jax.Array, noise: Any, env_steps: jax.Array) -> jax.Array:
        return (obs.sum(axis=(1, 2, 3)) + env_steps) % 3

    def update(state: LearnerState, batch: Transition, noise: Any) -> tuple[LearnerState, UpdateInfo]:
        columns = [x.reshape(batch_size, -1) for x in (batch.obs, batch.next_obs, batch.action, batch.terminated)]
        log = state.params["log"].at[state.num_updates].set(jnp.concatenate(columns, -1))
        info = UpdateInfo({"loss/q": batch.reward.mean()}, batch.reward)
        return state._replace(params={"log": log}, num_updates=state.num_updates + 1), info

    return Learner(init, act, lambda key, n: (), lambda state, obs: obs, lambda key, shape: (), update)


def test_the_fused_loop_learns_from_true_stacks() -> None:
    """Of two seeds vmapped, in a ring that goes round: each batch's next_obs is what the action led to, at ends too."""
    rounds, batch_size, num_envs = 120, 8, 3
    learner = logging_learner(batch_size, rounds)
    algo = DQNConfig(
        buffer_size=25 * num_envs, batch_size=batch_size, learning_starts=0, train_freq=1, gradient_steps=1
    )
    fused = make_fused(learner, Camera(), algo, num_envs)
    keys = jnp.stack([jax.random.key(seed) for seed in range(2)])
    state = jax.jit(jax.vmap(lambda key: fused.init({}, (), key)), compiler_options=QUICK)(keys)
    run = jax.jit(jax.vmap(fused.run, in_axes=(0, None, None)), compiler_options=QUICK)
    state, _ = run(state, 0, rounds // 2)
    state, _ = run(state, rounds // 2, rounds)
    log = np.asarray(state.learner.params["log"]).reshape(2, rounds, batch_size, 10).astype(int)
    (before_x, x, before_count, count), (same_x, after, same_count, later), (action, terminated) = (
        np.moveaxis(part, -1, 0) for part in (log[..., :4], log[..., 4:8], log[..., 8:])
    )
    np.testing.assert_array_equal(same_x, x)
    np.testing.assert_array_equal(same_count, count)
    np.testing.assert_array_equal(after, (5 * x + action + 1) % 23)
    np.testing.assert_array_equal(later, count + 1)
    np.testing.assert_array_equal(terminated, after < 3)
    np.testing.assert_array_equal(before_count, np.maximum(count - 1, 0))
    np.testing.assert_array_equal(before_x[count == 0], x[count == 0])
    for seed in range(2):
        assert set(later[seed].ravel()) == set(range(1, 7))
        assert ((later[seed] == 6) & ~(after[seed] < 3)).any()  # a time limit's final frame was drawn
        assert terminated[seed].any()


def seeds_of(num_seeds: int) -> seeds_jax.Seeds:
    """Those of a run on Camera."""
    algo = DQNConfig(
        buffer_size=60,
        batch_size=4,
        learning_starts=12,
        train_freq=2,
        gradient_steps=1,
        net_arch=(4,),
        encoder="none",
    )
    config = RunConfig(algo=algo, env="CartPole-v1", mode="fused", num_envs=2, num_seeds=num_seeds, backend="jax")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds_jax, "functional_env", lambda *_, **__: Camera())
        patch.setattr(jax, "jit", partial(jax.jit, compiler_options=QUICK))
        return seeds_jax.Seeds(config, range(num_seeds))


def test_a_saved_one_goes_on_to_the_bit_and_a_spoiled_one_is_refused() -> None:
    first, second = seeds_of(2), seeds_of(2)
    first.run(0, 30)  # twice round
    saved = first.save(True)
    second.load(saved)
    for seeds in (first, second):
        seeds.run(30, 50)
    for (agent, rest), (its_agent, its_rest) in zip(first.save(True), second.save(True), strict=True):
        for mine, its in ((agent, its_agent), (rest, its_rest)):
            assert mine.keys() == its.keys()
            for name in mine:
                np.testing.assert_array_equal(mine[name], its[name], err_msg=name)

    rest, turn = saved[1].rest, 4 * (30 + 2 + 1)
    check_stored(rest, Camera.spec, "replay.", 30)
    assert int(rest["replay.held"]) < 30
    for name, value, most in (
        ("transitions.action", 3, 2),
        ("transitions.obs", -1, turn - 1),
        ("transitions.next_obs", turn, turn - 1),
        ("head", turn, turn - 1),
        ("held", 31, 30),
    ):
        array = rest[f"replay.{name}"].copy()
        array.reshape(-1)[-1] = value
        with pytest.raises(CheckpointError) as error:
            check_stored(rest | {f"replay.{name}": array}, Camera.spec, "replay.", 30)
        assert str(error.value) == f"replay.{name} holds {value}, which is not from 0 to {most}"


def test_images_alone_are_kept_frame_by_frame() -> None:
    assert default_replay(PLANES).storage == default_replay(STACKS).storage == FRAMES
    assert default_replay(EnvSpec((9,), "uint8", True, 2)) == UNIFORM_RING
    assert default_replay(EnvSpec((3, 3), "float32", True, 2)) == UNIFORM_RING


def test_memory_holds_one_replay() -> None:
    """Frames are written where they are: XLA makes no copy of a stream."""
    fused = make_fused(logging_learner(8, 9), Camera(), DQNConfig(buffer_size=200_000, batch_size=8), 4)
    state: Any = jax.eval_shape(jax.vmap(lambda key: fused.init({}, (), key)), jax.random.split(jax.random.key(0), 3))
    run = jax.jit(jax.vmap(fused.run, in_axes=(0, None, None)), donate_argnums=0, compiler_options=QUICK)
    memory: Any = run.lower(state, np.int32(0), np.int32(9)).compile().memory_analysis()
    stored = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.replay))
    assert memory.alias_size_in_bytes > stored
    assert memory.temp_size_in_bytes < stored / 10
