"""Checkpoints: what is saved comes back, the right one is found, and nothing hostile does harm."""

import hashlib
import json
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from saved import RUN, load_checkpoint, load_run
from saving import META, REPLAY, SPEC, TENSORS, message, names, save

from rlpair.disk import checkpoint, layout, tensors
from rlpair.disk.checkpoint import drop_old_replays, find_checkpoint
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.runs import formats
from rlpair.runs.loading import Checkpoint
from rlpair.types import EnvSpec

# What is saved comes back


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    folder = save(tmp_path / "step_500")
    meta, tensors = load_checkpoint(folder)
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        assert tensors[name].shape == array.shape
        assert tensors[name].tobytes() == array.tobytes()
        tensors[name][...] = 0  # writable, and not the file
    assert load_checkpoint(folder)[1]["num_updates"] == 2**40
    assert {key: meta[key] for key in META if key != "spec"} == {key: META[key] for key in META if key != "spec"}
    assert Checkpoint(folder).spec == SPEC
    assert hash(Checkpoint(folder).spec) == hash(SPEC)


def test_a_run_comes_back_exactly(tmp_path):
    run, replay = load_run(save(tmp_path / "step_500"))
    assert run == Checkpoint(tmp_path / "step_500").run("host") == RUN
    np.testing.assert_array_equal(replay["obs"], REPLAY["obs"])
    assert replay["position"] == 5


def test_the_header_names_format_version_and_digests(tmp_path):
    folder = save(tmp_path / "c")
    assert names(folder) == ["agent.json", "agent.safetensors", "replay.safetensors", "run.json"]
    header = json.loads((folder / "agent.json").read_text())
    assert header["format"] == "rlpair-agent"
    assert header["format_version"] == 1
    assert header["sha256"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("agent.safetensors", "replay.safetensors", "run.json")
    }


def test_every_file_is_as_readable_as_the_umask_says(tmp_path):
    folder = save(tmp_path / "c")
    (tmp_path / "plain").touch()
    expected = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {expected}


def test_saving_again_replaces_the_whole_folder(tmp_path):
    folder = save(tmp_path / "best")
    save(folder, meta=META | {"seed": 8}, run=None, replay=None)
    assert names(folder) == ["agent.json", "agent.safetensors"]
    assert load_checkpoint(folder)[0]["seed"] == 8
    assert names(tmp_path) == ["best"]


def test_a_link_to_a_checkpoint_is_read_but_not_written_through(tmp_path):
    (tmp_path / "link").symlink_to(save(tmp_path / "best"))
    assert load_checkpoint(tmp_path / "link")[0]["seed"] == 7
    with pytest.raises(CheckpointError) as error:
        save(tmp_path / "link", meta=META | {"seed": 8})
    cause = "is a link, and links inside a run's folder are not followed"
    assert str(error.value) == f"{tmp_path}/link: cannot be written: {cause}"
    assert load_checkpoint(tmp_path / "best")[0]["seed"] == 7


# What cannot be saved


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_saved(tmp_path, value):
    with pytest.raises(NonFiniteError, match=r"^critic.0.0.bias holds a NaN or an infinity; .*/best is not written$"):
        save(tmp_path / "best", tensors=TENSORS | {"critic.0.0.bias": np.array([1, value], np.float32)})
    assert names(tmp_path) == []


def test_a_failed_save_leaves_the_old_checkpoint_and_no_litter(tmp_path):
    folder = save(tmp_path / "best")
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        save(folder, run={"mean": float("nan")})
    with pytest.raises(TypeError, match="log_alpha has dtype float16, which no checkpoint holds"):
        save(folder, tensors={"log_alpha": np.float16(1)})
    assert load_run(folder)[0] == RUN
    assert names(tmp_path) == ["best"]


def test_only_a_checkpoint_is_ever_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"exists and is not a checkpoint folder; it is left alone$"):
        save(tmp_path)
    with pytest.raises(CheckpointError, match=r"/thesis.tex: exists and is not a checkpoint folder; it is left alone$"):
        save(tmp_path / "thesis.tex")
    assert names(tmp_path) == ["thesis.tex"]
    save(tmp_path / "best")
    (tmp_path / "best" / "thesis.tex").write_text("in a checkpoint's folder")
    before = names(tmp_path / "best")
    with pytest.raises(CheckpointError, match=r"/best: exists and is not a checkpoint folder; it is left alone$"):
        save(tmp_path / "best")
    assert (names(tmp_path / "best"), names(tmp_path)) == (before, ["best", "thesis.tex"])


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"/file/best: cannot be written: Not a directory"):
        save(tmp_path / "file" / "best")


# Which checkpoint


def test_a_run_dir_means_its_last_checkpoint(tmp_path):
    for step in (500, 10_000, 2_500):
        save(tmp_path / "checkpoints" / f"step_{step}", meta=META | {"seed": step})
    save(tmp_path / "checkpoints" / "best")
    (tmp_path / "checkpoints" / ".step_20000.tmp").mkdir()
    (tmp_path / "checkpoints" / "step_30000").mkdir()  # not complete
    (tmp_path / "checkpoints" / "step_x").mkdir()
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step_10000"
    assert load_checkpoint(tmp_path)[0]["seed"] == 10_000
    assert find_checkpoint(tmp_path / "checkpoints" / "best") == tmp_path / "checkpoints" / "best"


def test_paths_without_a_checkpoint(tmp_path):
    assert message(tmp_path / "absent") == "PATH: does not exist"
    (tmp_path / "file").touch()
    assert message(tmp_path / "file") == "PATH: is a file; a checkpoint is a folder"
    assert message(tmp_path) == "PATH: holds no checkpoint: neither agent.json nor checkpoints/step_N"
    assert message(tmp_path / ("x" * 300)).startswith("PATH: cannot be read: File name too long")


def test_only_the_newest_checkpoint_keeps_its_replay(tmp_path):
    first, second = save(tmp_path / "checkpoints" / "step_500"), tmp_path / "checkpoints" / "step_1000"
    drop_old_replays(tmp_path / "checkpoints", keep=second)  # which is not there yet
    assert load_run(first)[0] == RUN
    save(second)
    (tmp_path / "checkpoints" / ".step_700.tmp").mkdir()
    drop_old_replays(tmp_path / "checkpoints", keep=second)
    assert names(tmp_path / "checkpoints") == ["step_1000", "step_500"]
    assert load_run(tmp_path)[0] == RUN
    assert load_checkpoint(first)[0]["seed"] == 7
    assert message(first, load_run) == f"PATH: cannot be resumed: only the newest of a run can, {second}"


def test_an_agent_alone_cannot_be_resumed(tmp_path):
    folder = save(tmp_path / "best", run=None, replay=None)
    assert message(folder, load_run) == "PATH: cannot be resumed: it holds an agent only"


# The documents


def test_the_documented_names_are_the_ones_in_the_code():
    text = (Path(checkpoint.__file__).parents[2] / "docs" / "checkpoints.md").read_text()
    assert f'"format": "{checkpoint.FORMAT}"' in text
    assert f'"format_version": {checkpoint.FORMAT_VERSION}' in text
    for name in (*formats.Header.__annotations__, *EnvSpec._fields):
        assert re.search(rf'"{name}":', text), name
    for name in (layout.AGENT, layout.TENSORS, layout.RUN, layout.REPLAY, *tensors.DTYPES):
        assert f"`{name}`" in text, name
