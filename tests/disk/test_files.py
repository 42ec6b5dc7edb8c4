"""What no kill shows: what a power cut would leave, a system that takes less than it is given, another process."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from saving import save

from rlpair.disk import files
from rlpair.disk.out import hold_out
from rlpair.errors import ConfigError


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced, and what is renamed to what, by the names of files and folders in ``tmp_path``, in this order."""
    told, originals = list[str](), {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def fsync(descriptor: int) -> None:
        names = {path.stat().st_ino: path.name for path in (tmp_path, *tmp_path.rglob("*"))}
        told.append(names[os.fstat(descriptor).st_ino])
        originals["fsync"](descriptor)

    def moving(name: str, source: Path, target: Path) -> None:
        told.append(f"{source.name} -> {target.name}")
        originals[name](source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, lambda source, target, name=name: moving(name, source, target))
    return told


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(told: list[str], tmp_path: Path) -> None:
    """Each of its files, then their folder; and the new name before the old checkpoint goes."""
    written = ["agent.safetensors", "run.json", "replay.safetensors", "agent.json", ".best.tmp"]
    save(tmp_path / "best")
    assert told == [*written, ".best.tmp -> best", tmp_path.name]
    told.clear()
    save(tmp_path / "best")
    assert told == [*written, "best -> .best.old", ".best.tmp -> best", tmp_path.name]


def test_a_file_is_on_the_disk_before_it_has_its_name(told: list[str], tmp_path: Path) -> None:
    files.write(tmp_path / "config.yaml", b"new")
    assert told == [".config.yaml.tmp", ".config.yaml.tmp -> config.yaml", tmp_path.name]
    assert (tmp_path / "config.yaml").read_bytes() == b"new"


def test_a_file_that_is_not_written_to_its_end_leaves_the_old_one_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with files.replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("metrics.jsonl", b"old")]


def test_a_folder_is_held_until_its_command_is_through(tmp_path: Path) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            assert hold_out(f"{tmp_path}/out", stack) == tmp_path / "out"
            with pytest.raises(ConfigError, match=r"/out' is not allowed: one that no other process is writing to$"):
                hold_out(f"{tmp_path}/out", stack)


def test_what_the_system_takes_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    file = files.Appender(tmp_path / "metrics.jsonl", new=True)
    file.write(b'{"env_steps": 1}\n')
    file.close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"env_steps": 1}\n'


def test_a_folder_that_another_process_makes_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two jobs of a sweep that begin at once; it is not this one's to take back."""
    mkdir = os.mkdir

    def late(path: Path) -> None:
        if path.name == "runs":
            mkdir(path)
        mkdir(path)

    monkeypatch.setattr(os, "mkdir", late)
    assert files.make_folders(tmp_path / "runs" / "mine") == [tmp_path / "runs" / "mine"]
