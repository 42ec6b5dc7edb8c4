"""A kill at any moment leaves a whole checkpoint, which is found."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved import load_checkpoint, load_run

from rlpair.disk import atomic
from rlpair.disk.checkpoint import drop_old_replays, save_checkpoint
from rlpair.types import EnvSpec

META = {
    **{"rlpair_version": "0.1.0", "algo": "sac", "backend": "jax", "dtype": "float32"},
    "spec": EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))._asdict(),
    "config": {},
}

WORKER = f"""
import itertools, os, signal, sys
from pathlib import Path
import numpy as np
from rlpair.disk.checkpoint import drop_old_replays, save_checkpoint
run_dir, meta = Path(sys.argv[1]), {META!r}

def save(step, name):
    tensors = {{"x": np.full(1000, step, np.float32)}}
    rest = {{"run": {{"env_steps": step}}, "replay": {{"obs": np.full(10000, step, np.float32)}}}}
    folder = run_dir / "checkpoints" / name
    save_checkpoint(folder, tensors, meta | {{"seed": step}}, **({{}} if name == "best" else rest))
    drop_old_replays(run_dir / "checkpoints", folder)
"""

LOOP = """
for step in itertools.count(int(sys.argv[2])):
    save(step, f"step_{step}")
    save(step, "best")
    print(step, flush=True)
"""

# One child for each system call that changes files, killed just before it makes it.
CALLS = """
name, calls = sys.argv[2], ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")

def kill_before(call):
    left = call
    def hook(event, args):
        nonlocal left
        if event in calls and not (event == "open" and args[2] & 3 == os.O_RDONLY):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

for call in range(100):
    child = os.fork()
    if not child:
        kill_before(call)
        save(call + 2, name)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print("killed" if killed else "saved", call + 2, flush=True)
    sys.stdin.readline()
    if not killed:
        break
"""


def worker(code: str, *args: object) -> Any:
    command = [sys.executable, "-c", WORKER + code, *map(str, args)]
    root = Path(atomic.__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=root)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def read_whole(path: Path, resumable: bool = True) -> int:
    """The step of a checkpoint whose every file is of that step."""
    meta, tensors = load_checkpoint(path)
    np.testing.assert_array_equal(tensors["x"], np.full(1000, meta["seed"]))
    if resumable:
        run, replay = load_run(path)
        assert run == {"env_steps": meta["seed"]}
        np.testing.assert_array_equal(replay["obs"], np.full(10000, meta["seed"]))
    return meta["seed"]


@pytest.mark.parametrize("name", ["best", "step_1", "step_9"])
def test_a_kill_before_any_system_call_leaves_a_whole_checkpoint(tmp_path, name):
    """A replaced ``best``, a replaced ``step_1``, and a new ``step_9`` after ``step_1``."""
    save_checkpoint(
        tmp_path / "checkpoints" / ("best" if name == "best" else "step_1"),
        {"x": np.full(1000, 1, np.float32)},
        META | {"seed": 1},
        run={"env_steps": 1},
        replay={"obs": np.full(10000, 1, np.float32)},
    )
    where, step, kills = tmp_path / "checkpoints" / "best" if name == "best" else tmp_path, 1, 0
    with worker(CALLS, tmp_path, name) as process:
        for line in process.stdout:
            outcome, new = line.split()
            found = read_whole(where, resumable=name != "best")
            assert found == int(new) if outcome == "saved" else found in (step, int(new))
            step, kills = found, kills + (outcome == "killed")
            process.stdin.write("\n")
            process.stdin.flush()
    assert outcome == "saved"
    assert kills >= 9
    assert names(tmp_path / "checkpoints") == (["step_1", "step_9"] if name == "step_9" else [name])


@pytest.mark.slow
def test_sigkill_at_random_moments_leaves_whole_checkpoints(tmp_path):
    rng, step = np.random.default_rng(0), 0
    for _ in range(8):
        with worker(LOOP, tmp_path, step + 1) as process:
            saved = int(process.stdout.readline())
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            saved = max([saved, *map(int, process.stdout.read().split())])
        assert process.returncode == -signal.SIGKILL
        step = read_whole(tmp_path)
        assert saved <= step <= saved + 1
        assert read_whole(tmp_path / "checkpoints" / "best", resumable=False) in (saved, saved + 1)
    replays = [path.parent.name for path in tmp_path.glob("checkpoints/step_*/replay.safetensors")]
    assert f"step_{step}" in replays
    assert len(replays) <= 2  # the kill may come before the older one is dropped


def test_a_folder_that_makes_room_is_still_found(tmp_path):
    (tmp_path / ".best.old").mkdir()
    assert atomic.settled(tmp_path / "best") == tmp_path / ".best.old"
    assert atomic.settled_folders(tmp_path) == {"best": tmp_path / ".best.old"}
    (tmp_path / "best").mkdir()
    assert atomic.settled(tmp_path / "best") == tmp_path / "best"
    assert atomic.settled_folders(tmp_path) == {"best": tmp_path / "best"}


def test_leftovers_are_removed_but_the_only_whole_folder_stays(tmp_path):
    for name in (".step_1.tmp", ".step_2.old", "step_2", ".step_3.old", "step_4"):
        (tmp_path / name).mkdir()
    atomic.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".step_3.old", "step_2", "step_4"]


def test_no_parent_has_no_folders(tmp_path):
    assert atomic.settled_folders(tmp_path / "absent") == {}


def test_old_replays_of_many_seeds_are_dropped(tmp_path: Path) -> None:
    for step in (1, 2):
        for seed in (5, 6):
            rest = {"run": {"env_steps": step}, "replay": {"obs": np.zeros(3, np.float32)}}
            folder = tmp_path / f"step_{step}" / f"seed_{seed}"
            folder.parent.mkdir(exist_ok=True)
            save_checkpoint(folder, {"x": np.zeros(3, np.float32)}, META | {"seed": seed}, **rest)
    drop_old_replays(tmp_path, tmp_path / "step_2")
    left = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("replay.safetensors")}
    assert left == {"step_2/seed_5", "step_2/seed_6"}
