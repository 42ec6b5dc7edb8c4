"""The storage of frames against a replay that keeps every stack; its bytes; what files may hold."""

import hashlib
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cameras import ATARI, STACKS, Archive, Film, films
from hypothesis import given
from hypothesis import strategies as st
from own_replays import Model, NStep

from rlpair.disk.tensors import read_tensors, write_tensors
from rlpair.errors import CheckpointError, EnvError
from rlpair.replay.buffer import ReplayBuffer, make_replay
from rlpair.replay.frames import Frames
from rlpair.replay.storage import Ring
from rlpair.types import EnvSpec, State, Transition

FILM = Film(STACKS, 2, 0.2, 0.05, "first", 200, 0)


def room(rows: int, stack: int) -> int:
    """Frames that there is room for."""
    return rows + stack + rows // 20


def indices_of(steps: Any, rows: int, num_envs: int) -> tuple[np.ndarray, Any, Any]:
    """Where a storage has these steps, (B,); and the step and the environment of each."""
    where = [(t, env) for t in steps for env in range(num_envs)]
    at, envs = zip(*where, strict=True)
    return np.array([t % rows * num_envs + env for t, env in where]), at, envs


def assert_equal(mine: Transition, its: Transition) -> None:
    """To the bit, dtypes too."""
    for name, x, y in zip(Transition._fields[:5], mine, its, strict=False):
        np.testing.assert_array_equal(x, y, err_msg=name, strict=True)


def stored(storage: Frames, film: Film, steps: int) -> Archive:
    """Steps put into a storage, and into an archive."""
    archive = Archive(film, storage.rows, room(storage.rows, film.spec.frame_stack))
    for transition, truncated in film.play(steps):
        storage.add(transition, truncated)
        archive.add(transition, truncated)
    return archive


@given(films(), st.integers(1, 45), st.integers(1, 130))
def test_it_gives_what_went_in(film: Film, rows: int, steps: int) -> None:
    """All that can be drawn, and nothing else can: before the ring is full, and after it has gone round."""
    n = film.num_envs
    storage = Frames(rows * n, n, film.spec)
    archive = stored(storage, film, steps)
    held = archive.held()
    indices, at, envs = indices_of(held, rows, n)
    span = storage.span()
    assert (span.length, len(storage), span.size) == (len(held) * n, len(held) * n, rows * n)
    assert sorted(span.index_of(np.arange(span.length)).tolist()) == sorted(indices.tolist())
    assert_equal(storage.take(indices), archive.batch(at, envs))


def test_it_holds_as_many_as_there_is_room_for_where_episodes_are_long() -> None:
    """Of eighty steps, with stacks of four: all; of one step: as many as its frames, five each, leave."""
    for ends, held in ((1 / 80, 300), (1.0, (300 + 4 + 15) // 5)):
        storage = Frames(300, 1, ATARI._replace(obs_shape=(1, 1, 4)))
        for t in range(2000):
            obs, next_obs = ((t + 100 * int(t * ends) + np.arange(k, k + 4)).reshape(1, 1, 1, 4) for k in range(2))
            flags = np.zeros(1, bool)
            pixels = (x.astype(np.uint8) for x in (obs, next_obs))
            storage.add(Transition(next(pixels), flags, flags, next(pixels), flags), flags)
        assert len(storage) == held


@given(films(), st.integers(1, 30), st.integers(1, 90), st.integers(1, 3))
def test_it_holds_windows_of_n_steps(film: Film, rows: int, steps: int, n_step: int) -> None:
    """The n-step storage of the seam's tests, of positions: stacks are found at the ends of its windows."""
    n = film.num_envs
    storage = Frames(rows * n, n, film.spec, transitions=partial(NStep, n=n_step, gamma=0.5))
    archive, model = stored(storage, film, steps), Model(rows, n, n=n_step, gamma=0.5, alpha=1, beta=1)
    for transition, truncated in archive.history:
        columns = (transition.obs, transition.action, *(x.tolist() for x in transition[2:3]), transition.next_obs)
        model.add(list(zip(*columns, transition.terminated.tolist(), truncated.tolist(), strict=True)))
    whole = [t for t in archive.held() if t + n_step <= steps]
    assert storage.span().length == len(whole) * n
    if not whole:
        return
    indices, at, envs = indices_of(whole, rows, n)
    assert set(storage.span().index_of(np.arange(len(indices))).tolist()) == set(indices.tolist())
    batch = storage.take(indices)
    assert batch.discount is not None
    for k, (t, env) in enumerate(zip(at, envs, strict=True)):
        obs, action, reward, next_obs, discount = model.window(t, env)
        np.testing.assert_array_equal(batch.obs[k], obs)
        np.testing.assert_array_equal(batch.next_obs[k], next_obs)
        assert batch.action[k] == action
        np.testing.assert_allclose([batch.reward[k], batch.discount[k]], [reward, discount], rtol=1e-6)


@given(films(), st.integers(1, 30), st.integers(0, 70), st.integers(0, 40))
def test_a_loaded_one_goes_on_to_the_bit(film: Film, rows: int, steps: int, more: int) -> None:
    n = film.num_envs
    replays = [ReplayBuffer(rows * n, n, film.spec) for _ in range(2)]
    played = film.play(steps + more)
    for step in played[:steps]:
        replays[0].add(*step)
    replays[1].load_state_dict({name: x.copy() for name, x in replays[0].state_dict().items()})
    for step in played[steps:]:
        for replay in replays:
            replay.add(*step)
    states = [replay.state_dict() for replay in replays]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name, strict=True)
    if steps + more:
        samples = [replay.sample(7, 3, np.random.default_rng(1)) for replay in replays]
        assert_equal(samples[0][0], samples[1][0])
        np.testing.assert_array_equal(samples[0][1], samples[1][1])


def test_a_file_gives_it_back(tmp_path: Path) -> None:
    storage, loaded = Frames(40, 2, STACKS), Frames(60, 2, STACKS)
    archive = stored(storage, FILM._replace(ends=0.0, cuts=0.0), 13)
    write_tensors(tmp_path / "replay", storage.state_dict())
    loaded.load_state_dict(read_tensors_of(tmp_path / "replay", loaded))
    assert len(loaded) == len(storage) == 26
    indices, at, envs = indices_of(range(13), 30, 2)  # there is more room
    assert_equal(loaded.take(indices), archive.batch(at, envs))


def read_tensors_of(path: Path, storage: Frames) -> State:
    """A file's arrays, found good."""
    return read_tensors(path, hashlib.sha256(path.read_bytes()).hexdigest(), storage.check)


def test_a_sample_is_of_copies_and_no_byte_is_moved_twice() -> None:
    """What is given and what is sampled may be changed; obs and next_obs are views of the frames that both show."""
    spec = STACKS._replace(obs_shape=(2, 2, 3))
    storage, ((transition, truncated), *_) = Frames(8, 2, spec), FILM._replace(spec=spec).play(1)
    first = transition.obs.copy()
    storage.add(transition, truncated)
    transition.obs[:] = 0
    batch = storage.take(np.arange(2))
    np.testing.assert_array_equal(batch.obs, first)
    assert np.shares_memory(batch.obs, batch.next_obs)
    assert not np.shares_memory(batch.obs, storage.frames)
    batch.obs[:] = 0
    np.testing.assert_array_equal(storage.take(np.arange(2)).obs, first)


def test_the_last_observation_is_a_copy() -> None:
    """An array that is written to, as some environments do, begins no episode and hides none."""
    storage, obs = Frames(8, 1, ATARI), np.zeros((1, 84, 84, 4), np.uint8)
    ones, flags = obs + np.uint8(1), np.zeros(1, np.float32)
    storage.add(Transition(obs, flags, flags, obs, flags), flags > 0)
    obs[:] = 1
    storage.add(Transition(ones, flags, flags, ones, flags), flags > 0)
    assert storage.take(np.array([1])).obs.all()


def test_the_command_and_importers_get_it_for_images_alone() -> None:
    class Settings:
        buffer_size = 8

    for spec, kind in (
        (STACKS, Frames),
        (EnvSpec((3, 3), "bool", True, 2), Frames),
        (EnvSpec((9,), "uint8", True, 2), Ring),
        (EnvSpec((3, 3), "float32", True, 2), Ring),
    ):
        assert type(make_replay(Settings, 2, spec).storage) is kind
        assert type(ReplayBuffer(8, 2, spec).storage) is kind


# What is refused


def test_what_is_no_stack_is_refused() -> None:
    storage, ((transition, truncated),) = Frames(8, 2, STACKS), FILM._replace(padding="none").play(1)
    before = {name: x.copy() for name, x in storage.state_dict().items()}
    with pytest.raises(EnvError) as error:
        storage.add(transition._replace(next_obs=transition.obs), truncated)
    assert str(error.value) == "frame_stack=3: next_obs is not obs with one frame more and its oldest less"
    with pytest.raises(ValueError, match=r"^the replay stores no discount and no weight"):
        storage.add(transition._replace(weight=np.ones(2)), truncated)
    for name, x in storage.state_dict().items():
        np.testing.assert_array_equal(x, before[name], err_msg=name)


def spoiled(name: str, value: Any) -> State:
    """A full storage's state, with the last number of an array replaced, or a whole array."""
    storage = Frames(12, 2, STACKS)
    stored(storage, FILM, 25)
    state = {key: x.copy() for key, x in storage.state_dict().items()}
    if isinstance(value, int) and state[name].ndim:
        state[name].reshape(-1)[-1] = value
    else:
        state[name] = np.asarray(value)
    return state


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("obs", -1, "obs holds -1, which is not from 0 to 44"),
        ("obs", 45, "obs holds 45, which is not from 0 to 44"),
        ("next_obs", 45, "next_obs holds 45, which is not from 0 to 44"),
        ("head", -1, "head holds -1, which is not from 0 to 44"),
        ("head", 45, "head holds 45, which is not from 0 to 44"),
        ("action", 3, "action holds 3, which is not from 0 to 2"),
        ("position", 7, "the replay's state, 6 rows with the next at 7, does not fit here"),
        ("head", np.zeros(2, np.int64), "head has dtype int64, and this replay has int32"),
        ("frames", np.zeros((9, 2, 2, 2, 1), np.uint8), "frames has shape (9, 2, 2, 2, 1), and this replay has "),
        ("frames", np.zeros((10, 2, 2, 2, 2), np.uint8), "the replay's state has 10 frames, and here are 9"),
        ("frames", np.zeros((8, 2, 2, 2, 2), np.uint8), "the replay's state, 8 frames with the next at "),
    ],
)
def test_a_spoiled_state_is_refused_and_changes_nothing(name: str, value: Any, message: str) -> None:
    storage = Frames(12, 2, STACKS)
    stored(storage, FILM, 4)
    before = {key: x.copy() for key, x in storage.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        storage.load_state_dict(spoiled(name, value))
    assert str(error.value).startswith(message)
    for key, x in storage.state_dict().items():
        np.testing.assert_array_equal(x, before[key], err_msg=key)
    storage.load_state_dict(spoiled("reward", 1))
    assert len(storage) > 0


@given(
    st.sampled_from(["obs", "next_obs", "head", "position", "frames", "action", "truncated", "terminated"]),
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-2, 60)),
    st.integers(0, 200),
)
def test_whatever_a_file_says_it_is_refused_or_drawn_from(name: str, number: int, where: int) -> None:
    """One number of a full storage's state is another: what is taken over goes on, and has something to draw from."""
    replay = ReplayBuffer(12, 2, STACKS)
    state, array = full(), full()[name].copy()
    array.reshape(-1)[where % array.size] = np.array(number).astype(array.dtype)
    try:
        replay.load_state_dict(state | {name: array})
    except CheckpointError:
        return
    for transition, truncated in FILM.play(20):
        replay.add(transition, truncated)
        batch, _ = replay.sample(4, 1, np.random.default_rng(0))
        assert batch.next_obs.shape == (1, 4, 2, 2, 6)


@cache
def full() -> State:
    """A full storage's state."""
    return spoiled("reward", 1)
