"""Which bytes a replay of frames takes: before it is made, while it is saved, and where they are not there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cameras import ATARI, STACKS

from rlpair.errors import ConfigError
from rlpair.replay.buffer import make_replay, replay_bytes
from rlpair.replay.frames import Frames

# Bytes


def arrays_of(storage: Frames) -> list[np.ndarray]:
    """All that have memory of their own."""
    own = [*vars(storage).values(), *vars(storage.transitions).values(), *storage.transitions.data.values()]
    return [x for x in own if isinstance(x, np.ndarray) and x.base is None]


@pytest.mark.parametrize(("num_envs", "expected"), [(1, 7_429_856_452), (8, 7_430_251_616)])
def test_a_million_atari_transitions_take_less_than_seven_and_a_half_gigabytes(num_envs: int, expected: int) -> None:
    assert replay_bytes(10**6, num_envs, ATARI) == expected
    assert expected <= 7.5e9
    storage: Any = make_replay(type("Settings", (), {"buffer_size": 10**6}), num_envs, ATARI).storage
    counters = 8 * num_envs  # of _envs
    assert sum(x.nbytes for x in arrays_of(storage)) == expected + counters  # none of it is written to, nor taken


def test_bytes_by_hand() -> None:
    """Room for 20 + 3 + 1 frames of 8 bytes, 24 of the last next_obs, 4 of a head; 21 of a transition."""
    assert replay_bytes(41, 2, STACKS) == 2 * (24 * 8 + 24 + 4) + 40 * 21


def test_what_does_not_fit_is_refused() -> None:
    for capacity, message in (
        (1, "algo.buffer_size=1 is not allowed: at least num_envs=2"),
        (10**14, "algo.buffer_size=100000000000000 is not allowed: less: positions of so many frames do not fit int32"),
    ):
        with pytest.raises(ConfigError) as error:
            Frames(capacity, 2, STACKS)
        assert str(error.value) == message
    with pytest.raises(
        ConfigError, match=r"^algo\.buffer_size=100000000 is not allowed: as many transitions as fit in"
    ):
        Frames(10**8, 1, ATARI._replace(obs_shape=(2**20, 2**20, 4)))


SAVE = """
import sys
from pathlib import Path
import numpy as np
from rlpair.disk.tensors import write_tensors
from rlpair.replay.frames import Frames
from rlpair.system.workers import peak_memory
from rlpair.types import EnvSpec
storage = Frames(3000, 1, EnvSpec((84, 84, 4), "uint8", True, 6, frame_stack=4))
for array in (storage.frames, *storage.transitions.data.values()):
    array[:] = 1
storage.written, storage.transitions.filled = len(storage.frames), storage.rows
before = peak_memory()
write_tensors(Path(sys.argv[1]), storage.state_dict())
print(peak_memory() - before)
"""


def test_saving_takes_no_second_copy(tmp_path: Path) -> None:
    """22 MB of frames are written, and the process comes to have less than 4 MB more."""
    path = tmp_path / "replay"
    command = [sys.executable, "-c", SAVE, str(path)]
    more = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert path.stat().st_size > 22e6
    assert more < 4e6
