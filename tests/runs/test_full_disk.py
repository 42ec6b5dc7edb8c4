"""A disk that is full, read-only or gone costs a line: the run can be gone on with, or be started again."""

import errno
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import fail
from hostile import snapshot

from rlpair import load_agent

Call = Callable[..., tuple[int, str, str]]
FULL, READ_ONLY = "No space left on device", "Read-only file system"
RUN = [
    *("algo=dqn", "backend=torch", "total_timesteps=20", "algo.learning_starts=10", "algo.net_arch=[4]"),
    *("algo.batch_size=4", "algo.buffer_size=50", "algo.train_freq=5", "env_kwargs.max_episode_steps=5"),
    *("log_every=10", "eval_every=10", "eval_episodes=1", "checkpoint_every=10", "run_dir=sub/run"),
]
RESUME = ["resume=sub/run", "total_timesteps=30"]


def go_on(err: str, command: Call) -> None:
    """Do what the line says: go on, or start again."""
    line = err.splitlines()[-1]
    if line.endswith(": sub/run/checkpoints/best is whole, so begin anew in another run_dir"):
        assert load_agent("sub/run/checkpoints/best").num_updates == 0
        shutil.rmtree("sub")
    again = ["resume=sub/run"] if line.endswith("go on with: python -m rlpair.train resume=sub/run") else RUN
    code, out, err = command("train", *again)
    assert code == 0, f"{line}\n{err}"
    assert "after 20 steps" in out
    assert {path.name for path in Path("sub/run/checkpoints").iterdir()} == {"best", "step_10", "step_20"}
    assert load_agent("sub/run").num_updates > 0


@pytest.mark.parametrize("count", [1, 10**9], ids=["once", "for ever"])
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_new_run_on_a_disk_that_fails_at_any_moment(step: int, count: int, command: Call) -> None:
    starts = 0
    for first in range(1, 1_000, step):
        shutil.rmtree("sub", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = fail(patch, first, count)
            code, out, err = command("train", *RUN)
        if not disk.failed:
            break
        if code == 0:  # what cleans up may fail, and the next save cleans up after it
            continue
        line = err.splitlines()[-1]
        assert (code, out, "Traceback" in err) == (2, "", False), err
        assert line.startswith("rlpair: ")
        assert FULL in line
        assert "sub" in line
        if not Path("sub").exists():
            starts += 1
        else:
            assert Path("sub/run/config.yaml").exists()
        go_on(err, command)
    assert code == 0
    assert starts > 0


@pytest.mark.parametrize("count", [1, 10**9], ids=["once", "for ever"])
def test_a_resume_that_does_not_come_to_begin_leaves_all_as_it_was(count: int, command: Call) -> None:
    assert command("train", *RUN)[0] == 0
    shutil.copytree("sub", "kept")
    starts = 0
    for first in range(1, 1_000, 2):
        shutil.rmtree("sub")
        shutil.copytree("kept", "sub")
        with pytest.MonkeyPatch.context() as patch:
            fail(patch, first, count)
            code, out, err = command("train", *RESUME)
        assert (code, out, "Traceback" in err) == (2, "", False), err
        if "go on with" in err:
            break
        if snapshot(Path("sub")) == snapshot(Path("kept")):
            starts += 1
        else:  # between the two renames: config.yaml is the new one, or the records are cut
            assert command("train", *RESUME)[0] == 0
    assert starts >= 3


def test_a_file_that_may_not_grow(command: Call) -> None:
    """As a quota: the agent fits, the replay and the curves of TensorBoard do not, after a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 100, 700, 3_000, 6_000):
        shutil.rmtree("sub", ignore_errors=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            code, out, err = command("train", *RUN)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (code, out, "Traceback" in err) == (2, "", False), err
        assert "File too large" in err.splitlines()[-1]
        go_on(err, command)


def test_a_run_whose_folder_is_removed_is_saved_again(command: Call) -> None:
    from rlpair.loops.host import HostLoop

    interact = HostLoop._interact

    def interact_and_remove(loop: HostLoop) -> None:
        interact(loop)
        if loop.env_steps == 15:
            shutil.rmtree("sub")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostLoop, "_interact", interact_and_remove)
        code, out, err = command("train", *RUN)
    gone = "rlpair: sub/run: was removed while the run was writing to it"
    saved = "sub/run/checkpoints/step_20 is whole, go on with: python -m rlpair.train resume=sub/run"
    assert (code, out, err.splitlines()[-1]) == (2, "", f"{gone}; {saved}")
    assert command("train", *RESUME)[0] == 0


def test_a_read_only_folder_is_refused_before_anything_is_made(command: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, 1, code=errno.EROFS)
    code, out, err = command("train", *RUN)
    line = f"rlpair: run_dir='sub/run' is not allowed: a folder that can be made: {READ_ONLY}\n"
    assert (code, out, err) == (2, "", line)
    assert os.listdir() == []
    Path("sub/run").mkdir(parents=True)
    assert command("train", *RUN) == (2, "", f"rlpair: sub/run/.lock: {READ_ONLY}\n")
    assert os.listdir("sub/run") == []


def test_a_run_that_was_killed_before_its_first_checkpoint_is_started_again(command: Call) -> None:
    assert command("train", *RUN)[0] == 0
    shutil.rmtree("sub/run/checkpoints")
    Path("sub/run/checkpoints/.step_10.tmp").mkdir(parents=True)
    assert command("train", *RUN)[0] == 0
    Path("sub/run/notes.md").touch()
    shutil.rmtree("sub/run/checkpoints")
    before = snapshot(Path("sub"))
    code, _, err = command("train", *RUN)
    allowed = "a folder that is new or empty; resume= goes on in an old one"
    assert (code, err) == (2, f"rlpair: run_dir='sub/run' is not allowed: {allowed}\n")
    assert snapshot(Path("sub")) == before
