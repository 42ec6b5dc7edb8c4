"""What a replay with a storage and a sampler of one's own saves, takes over and refuses."""

from typing import Any

import numpy as np
import pytest
from loop_fakes import FakeAgent, Stairs
from own_replays import SAMPLER, STORAGE, WALK, walked

import rlpair
from rlpair import EnvSpec, LoopConfig
from rlpair.errors import CheckpointError
from rlpair.replay.buffer import ReplayBuffer, check_stored
from rlpair.replay.samplers import Uniform

# Its state


def kept(adds: int) -> ReplayBuffer:
    """One that has feedback to look at, and steps that came after it."""
    replay = ReplayBuffer(8, 1, WALK, storage=STORAGE, sampler=SAMPLER)
    walked(replay, [(float(k), False, False) for k in range(adds)], 0)
    _, indices = replay.sample(3, 2, np.random.default_rng(0))
    replay.feedback(indices, np.arange(6.0).reshape(2, 3) + 3)
    walked(replay, [(1.0, False, False)], adds)
    return replay


def test_a_state_holds_the_sampler_and_goes_on_to_the_bit() -> None:
    original, loaded = kept(10), kept(5)
    state = {name: array.copy() for name, array in original.state_dict().items()}
    assert {name: array.shape for name, array in state.items() if name.startswith("sampler")} == {
        "sampler.priorities": (8, 1),
        "sampler.largest": (),
    }
    assert state["sampler.largest"] == 8 + 1e-6
    assert state["sampler.priorities"][10 % 8] == 8 + 1e-6  # the step that came after it
    loaded.load_state_dict(state)
    for replay in (original, loaded):
        walked(replay, [(5.0, False, False)], 11)
    samples = [replay.sample(5, 2, np.random.default_rng(1)) for replay in (original, loaded)]
    for one, other in zip((*samples[0][0], samples[0][1]), (*samples[1][0], samples[1][1]), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler.largest": None}, "the state lacks 'largest' (1 of 2 names are missing)"),
        ({"sampler.more": np.ones(1)}, "the state has 'more', which this replay's sampler has not (1 such names)"),
        ({"sampler.priorities": np.ones((4, 2))}, "priorities has shape (4, 2), and this replay's sampler has (8, 1)"),
        ({"sampler.priorities": np.full((8, 1), -1.0)}, "priorities holds a number below 0"),
        ({"position": np.array(77)}, "the replay's state, 8 rows with the next at 77, does not fit here"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    replay, state = kept(5), kept(10).state_dict() | change
    before = {name: array.copy() for name, array in replay.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        replay.load_state_dict({name: array for name, array in state.items() if array is not None})
    assert str(error.value) == message
    for name, array in replay.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_the_uniform_sampler_has_no_state() -> None:
    replay = ReplayBuffer(8, 1, WALK)
    assert isinstance(replay.sampler, Uniform)
    walked(replay, [(1.0, False, False)], 0)
    assert not [name for name in replay.state_dict() if name.startswith("sampler")]
    with pytest.raises(CheckpointError, match=r"^the state has 'largest', which this replay's sampler has not"):
        replay.load_state_dict(replay.state_dict() | {"sampler.largest": np.ones(())})


def test_the_command_and_importers_get_one_replay() -> None:
    training = rlpair.run(FakeAgent(buffer_size=7), Stairs(3), LoopConfig(total_timesteps=1))
    assert isinstance(training.replay, ReplayBuffer)
    assert training.replay.storage.rows == 7


def test_rows_that_are_still_empty_may_hold_what_no_environment_takes() -> None:
    spec = EnvSpec((3,), "float32", True, 2, action_start=5)
    state: dict[str, Any] = {"action": np.zeros((4, 1), np.int32), "terminated": np.zeros((4, 1), np.uint8)}
    state["action"][:3] = 6
    check_stored(state, spec, "", 3)
    with pytest.raises(CheckpointError):
        check_stored(state, spec, "", 4)
