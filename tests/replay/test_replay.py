"""The replay against a list of what went in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpair.errors import CheckpointError, ConfigError
from rlpair.replay.buffer import ReplayBuffer
from rlpair.replay.storage import allocate, ring_bytes
from rlpair.types import EnvSpec, State, Transition

NUMBERED = EnvSpec((2,), "float32", True, 3)
MATRIX = EnvSpec((2, 3), "float32", False, 2, (-1.0, -1.0), (1.0, 1.0))
IMAGE, BYTES = EnvSpec((4, 4, 1), "uint8", True, 2), EnvSpec((9,), "uint8", True, 2)  # in frames, in a ring


def transition(spec: EnvSpec, num_envs: int, count: int) -> tuple[Transition, np.ndarray]:
    """The count-th one: every field tells which it is, and of which environment."""
    number = count * num_envs + np.arange(num_envs)
    action = (
        (number % 3).astype(np.int32) if spec.discrete else np.stack([number, -number], 1).astype(np.float32) / 1024
    )
    obs = np.broadcast_to(number.reshape(-1, *[1] * len(spec.obs_shape)), (num_envs, *spec.obs_shape))
    obs = obs.astype(spec.obs_dtype)
    return Transition(obs, action, number.astype(np.float32), obs + 1, number % 3 == 0), number % 5 == 0


def filled(spec: EnvSpec, capacity: int, num_envs: int, adds: int) -> ReplayBuffer:
    replay = ReplayBuffer(capacity, num_envs, spec)
    for count in range(adds):
        replay.add(*transition(spec, num_envs, count))
    return replay


@given(
    capacity=st.integers(1, 12),
    num_envs=st.integers(1, 4),
    adds=st.integers(0, 30),
    spec=st.sampled_from([NUMBERED, MATRIX]),
)
def test_it_holds_the_newest(capacity: int, num_envs: int, adds: int, spec: EnvSpec) -> None:
    capacity = max(capacity, num_envs)
    replay = filled(spec, capacity, num_envs, adds)
    model = list(range(adds * num_envs))[-(capacity // num_envs * num_envs) :]
    assert len(replay) == len(model)
    state = replay.state_dict()
    assert sorted(state["reward"].ravel().tolist()) == model
    if model:
        batch, indices = replay.sample(200, 2, np.random.default_rng(adds))
        assert set(batch.reward.ravel().tolist()) <= set(model)
        np.testing.assert_array_equal(batch.reward, state["reward"].ravel()[indices])


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 30), st.integers(0, 12))
def test_a_loaded_replay_goes_on_to_the_bit(rows: int, num_envs: int, adds: int, more: int) -> None:
    original = filled(MATRIX, rows * num_envs, num_envs, adds)
    loaded = ReplayBuffer(rows * num_envs, num_envs, MATRIX)
    loaded.load_state_dict({name: array.copy() for name, array in original.state_dict().items()})
    for count in range(adds, adds + more):
        original.add(*transition(MATRIX, num_envs, count))
        loaded.add(*transition(MATRIX, num_envs, count))
    assert_equal(original.state_dict(), loaded.state_dict())
    samples = [replay.sample(5, 3, np.random.default_rng(1)) for replay in (original, loaded)]
    np.testing.assert_array_equal(samples[0][1], samples[1][1])
    for one, other in zip(samples[0][0][:5], samples[1][0][:5], strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def assert_equal(a: State, b: State) -> None:
    for name in a.keys() | b.keys():
        np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)


@pytest.mark.parametrize(
    ("spec", "obs", "action"),
    [
        (NUMBERED, ((2, 5, 2), "float32"), ((2, 5), "int32")),
        (MATRIX, ((2, 5, 2, 3), "float32"), ((2, 5, 2), "float32")),
        (IMAGE, ((2, 5, 4, 4, 1), "uint8"), ((2, 5), "int32")),
        (BYTES, ((2, 5, 9), "uint8"), ((2, 5), "int32")),
    ],
)
def test_shapes_and_dtypes_of_a_sample(spec: EnvSpec, obs: tuple, action: tuple) -> None:
    batch, indices = filled(spec, 8, 2, 3).sample(5, 2, np.random.default_rng(0))
    flags = ((2, 5), "float32")
    assert [(a.shape, a.dtype.name) for a in batch[:5]] == [obs, action, flags, obs, flags]
    assert (batch.discount, batch.weight) == (None, None)
    assert (indices.shape, indices.dtype.name) == ((2, 5), "int64")


def test_all_fields_of_a_sample_belong_together() -> None:
    batch, _ = filled(MATRIX, 30, 3, 17).sample(100, 2, np.random.default_rng(0))
    number = batch.reward
    np.testing.assert_array_equal(batch.obs, np.broadcast_to(number[..., None, None], (2, 100, 2, 3)))
    np.testing.assert_array_equal(batch.next_obs, batch.obs + 1)
    np.testing.assert_array_equal(batch.action, np.stack([number, -number], -1) / 1024)
    np.testing.assert_array_equal(batch.terminated, number % 3 == 0)


def test_what_is_given_and_what_is_sampled_are_copies() -> None:
    replay, (given_, truncated) = ReplayBuffer(4, 2, NUMBERED), transition(NUMBERED, 2, 1)
    replay.add(given_, truncated)
    given_.obs[:] = 99
    batch, _ = replay.sample(50, 1, np.random.default_rng(0))
    assert batch.obs.max() == 3
    batch.obs[:] = 99
    assert replay.sample(50, 1, np.random.default_rng(0))[0].obs.max() == 3


def test_every_transition_is_equally_likely() -> None:
    _, indices = filled(NUMBERED, 100, 2, 5).sample(1000, 20, np.random.default_rng(0))
    counts = np.bincount(indices.ravel(), minlength=10)
    assert len(counts) == 10
    assert np.abs(counts - 2000).max() < 200  # 4.7 standard deviations


def test_the_boundaries_of_episodes_are_kept() -> None:
    state = filled(NUMBERED, 100, 2, 6).state_dict()
    assert state["truncated"].tolist() == (np.arange(12) % 5 == 0).reshape(6, 2).tolist()
    assert state["truncated"].dtype == bool


def test_the_state_is_what_is_filled() -> None:
    state = filled(NUMBERED, 1000, 2, 6).state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "obs": (6, 2, 2),
        "action": (6, 2),
        "reward": (6, 2),
        "next_obs": (6, 2, 2),
        "terminated": (6, 2),
        "truncated": (6, 2),
        "position": (),
    }
    assert state["position"] == 6
    assert all(array.flags.c_contiguous for array in state.values())


def test_a_replay_that_has_not_wrapped_fits_another_capacity() -> None:
    state = filled(NUMBERED, 100, 2, 6).state_dict()
    loaded = ReplayBuffer(12, 2, NUMBERED)
    loaded.load_state_dict(state)
    loaded.add(*transition(NUMBERED, 2, 6))
    assert sorted(loaded.state_dict()["reward"].ravel().tolist()) == list(range(2, 14))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"reward": np.zeros((3, 2))},
            "reward has dtype float64, and this replay has float32",
        ),
        ({"reward": np.zeros((), np.float32)}, "obs has shape (3, 2, 2), and this replay has (2, 2)"),
        (
            {"obs": np.zeros((3, 2, 5), np.float32)},
            "obs has shape (3, 2, 5), and this replay has (3, 2, 2)",
        ),
        ({"action": np.zeros((2, 2), np.int32)}, "action has shape (2, 2), and this replay has (3, 2)"),
        ({"position": np.zeros(1, np.int64)}, "position has shape (1,), and this replay has ()"),
        (
            {"position": np.array(1)},
            "the replay's state, 3 rows with the next at 1, does not fit here",
        ),
        (
            {"position": np.array(-3)},
            "the replay's state, 3 rows with the next at -3, does not fit here",
        ),
        (
            {"extra": np.zeros(1)},
            "the state has 'extra', which this replay has not (1 such names)",
        ),
    ],
)
def test_a_state_of_another_shape_is_refused_and_changes_nothing(change: State, message: str) -> None:
    replay = filled(NUMBERED, 10, 2, 4)
    before = {name: array.copy() for name, array in replay.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        replay.load_state_dict(filled(NUMBERED, 10, 2, 3).state_dict() | change)
    assert str(error.value) == message
    assert_equal(replay.state_dict(), before)


@pytest.mark.parametrize("position", [-1, 6])
def test_the_next_row_of_a_full_replay_is_one_of_its_rows(position: int) -> None:
    replay = filled(NUMBERED, 10, 2, 5)
    with pytest.raises(CheckpointError) as error:
        replay.load_state_dict(replay.state_dict() | {"position": np.array(position)})
    assert str(error.value) == f"the replay's state, 5 rows with the next at {position}, does not fit here"


def test_a_state_that_is_too_large_is_refused() -> None:
    with pytest.raises(CheckpointError) as error:
        ReplayBuffer(4, 2, NUMBERED).load_state_dict(filled(NUMBERED, 10, 2, 5).state_dict())
    assert str(error.value) == "the replay's state has 5 rows, and here are 2 rows of 2 environments"


def test_capacities_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^algo\.buffer_size=3 is not allowed: at least num_envs=4$"):
        ReplayBuffer(3, 4, NUMBERED)
    with pytest.raises(
        ConfigError, match=r"^algo\.buffer_size=1\d+ is not allowed: as many transitions as fit into mem"
    ):
        ReplayBuffer(10**18, 1, MATRIX)


def test_memory_is_taken_as_it_fills() -> None:
    replay = ReplayBuffer(10**9, 1, MATRIX)  # 65 GB, were it written to
    replay.add(*transition(MATRIX, 1, 0))
    assert len(replay) == 1


def test_an_empty_replay_cannot_be_sampled() -> None:
    with pytest.raises(ValueError, match=r"^the replay has nothing to draw from: add transitions before sampling$"):
        ReplayBuffer(4, 2, NUMBERED).sample(1, 1, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["discount", "weight"])
def test_discounts_and_weights_are_not_stored(name: str) -> None:
    given_, truncated = transition(NUMBERED, 2, 0)
    with pytest.raises(ValueError, match=r"^the replay stores no discount and no weight: add them to what it samples$"):
        ReplayBuffer(4, 2, NUMBERED).add(given_._replace(**{name: np.ones(2)}), truncated)


@pytest.mark.parametrize(("spec", "expected"), [(NUMBERED, 29), (MATRIX, 65)])
def test_its_bytes_are_known_before_it_is_made(spec: EnvSpec, expected: int) -> None:
    assert ring_bytes(10**12, 3, spec) == 999_999_999_999 * expected
    state = filled(spec, 8, 3, 2).state_dict()
    assert ring_bytes(8, 3, spec) == sum(x.nbytes for name, x in state.items() if name != "position")


def test_a_replay_that_no_memory_can_hold() -> None:
    with pytest.raises(ConfigError) as error:
        allocate(7, {"obs": ((2**62,), "float64")})
    assert str(error.value) == "algo.buffer_size=7 is not allowed: as many transitions as fit into memory"
