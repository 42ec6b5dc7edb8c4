"""A run's folder from a stranger: its links, fifos and hard links neither lead out of it nor hang anybody."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile import SECRET, link_instead, moved_behind_a_link, precious, snapshot
from runs import config_of

from rlpair import RLPairError, load_agent
from rlpair.disk import atomic, files
from rlpair.disk.checkpoint import drop_old_replays
from rlpair.train import train

NOT_FOLLOWED = "is a link, and links inside a run's folder are not followed"
STEP = "checkpoints/step_200"
Call = Callable[..., tuple[int, str, str]]
RESUME = ("train", "resume=run", "total_timesteps=300", "eval_every=300")
EVALUATE = ("evaluate", "run_dir=run", "episodes=1")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 200 steps."""
    run_dir = tmp_path_factory.mktemp("template") / "run"
    train(config_of("dqn", "torch", run_dir=str(run_dir), total_timesteps=200))
    return run_dir


@pytest.fixture
def run_dir(template: Path) -> Path:
    """A copy of it, which a test may spoil."""
    return Path(shutil.copytree(template, "run", symlinks=True))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What must stay as it is."""
    return precious(tmp_path / "outside")


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "config.yaml"])
def test_a_file_that_is_a_link_is_refused(name: str, run_dir: Path, outside: Path, command: Call) -> None:
    link_instead(run_dir / name, outside / "thesis.tex")
    before, inside = snapshot(outside), snapshot(run_dir)
    code, out, err = command(*RESUME)
    assert (code, out, err.splitlines()[-1]) == (2, "", f"rlpair: run/{name}: {NOT_FOLLOWED}")
    assert snapshot(outside) == before
    assert snapshot(run_dir) == inside


@pytest.mark.parametrize("name", [".config.yaml.tmp", ".metrics.jsonl.tmp", "checkpoints/.step_300.tmp"])
def test_a_link_where_a_temporary_will_be_is_replaced(name: str, run_dir: Path, outside: Path, command: Call) -> None:
    link_instead(run_dir / name, outside if "step" in name else outside / "thesis.tex")
    before = snapshot(outside)
    assert command(*RESUME)[0] == 0
    assert snapshot(outside) == before
    assert not os.path.lexists(run_dir / name)
    assert load_agent("run").num_updates > 0


@pytest.mark.parametrize("name", ["checkpoints", STEP, "checkpoints/best", "checkpoints/step_300"])
@pytest.mark.parametrize("arguments", [RESUME, EVALUATE], ids=["train", "evaluate"])
def test_a_folder_that_is_a_link_is_refused(
    name: str, arguments: tuple[str, ...], run_dir: Path, outside: Path, command: Call
) -> None:
    if (run_dir / name).exists():
        moved_behind_a_link(run_dir / name, outside / "moved")
    else:
        link_instead(run_dir / name, outside / "step_400")
    before, inside = snapshot(outside), snapshot(run_dir)
    if name == "checkpoints/best" and arguments == EVALUATE:
        arguments = (*EVALUATE, "checkpoint=best")
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.endswith(f"{NOT_FOLLOWED}\n")
    assert f"run/{name}: " in err.splitlines()[-1]
    assert snapshot(outside) == before
    assert snapshot(run_dir) == inside


@pytest.mark.parametrize("name", ["agent.json", "agent.safetensors", "run.json", "replay.safetensors"])
def test_a_file_of_a_checkpoint_that_is_a_link_is_refused(name: str, run_dir: Path, command: Call) -> None:
    moved_behind_a_link(run_dir / STEP / name, Path("moved"))
    assert command(*RESUME) == (2, "", f"rlpair: run/{STEP}/{name}: {NOT_FOLLOWED}\n")


@pytest.mark.parametrize("name", [".lock", ".config.yaml.tmp", ".metrics.jsonl.tmp"])
def test_a_second_name_of_a_precious_file_does_not_change_it(
    name: str, run_dir: Path, outside: Path, command: Call
) -> None:
    (run_dir / name).unlink(missing_ok=True)
    os.link(outside / "thesis.tex", run_dir / name)
    assert command(*RESUME)[0] == 0
    assert (outside / "thesis.tex").read_bytes() == SECRET


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", f"{STEP}/agent.json", f"{STEP}/replay.safetensors"])
def test_what_stands_there_is_replaced_and_not_written_over(name: str, run_dir: Path, command: Call) -> None:
    os.link(run_dir / name, "second-name")
    before = Path("second-name").read_bytes()
    assert command(*RESUME)[0] == 0
    assert Path("second-name").read_bytes() == before


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [lambda path: link_instead(path, Path("outside/thesis.tex")), fifo, unix_socket])
def test_curves_are_not_read_from_elsewhere(make: Callable[[Path], None], run_dir: Path, command: Call) -> None:
    (run_dir / "metrics.jsonl").unlink()
    make(run_dir / "metrics.jsonl")
    code, _, err = command("plot", "run", "out=plot.png")
    assert (code, err.startswith("rlpair: run/metrics.jsonl: is ")) == (2, True)


@pytest.mark.parametrize("name", ["run/.plot.png.tmp", "run/plot.png"])
def test_a_figure_is_not_drawn_through_a_link(name: str, run_dir: Path, outside: Path, command: Call) -> None:
    link_instead(Path(name), outside / "thesis.tex")
    assert command("plot", "run", "out=run/plot.png")[0] == 0
    assert (outside / "thesis.tex").read_bytes() == SECRET
    assert (run_dir / "plot.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [fifo, unix_socket, Path.mkdir])
@pytest.mark.parametrize("name", [".lock", "config.yaml", "metrics.jsonl", f"{STEP}/agent.json", f"{STEP}/run.json"])
def test_what_is_no_regular_file_is_refused_at_once(
    name: str, make: Callable[[Path], None], run_dir: Path, command: Call
) -> None:
    (run_dir / name).unlink()
    make(run_dir / name)
    code, out, err = command(*RESUME)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"rlpair: run/{name}")
    assert err.endswith(": is not a regular file\n")


def test_the_folder_itself_may_stand_behind_a_link(run_dir: Path, command: Call) -> None:
    moved_behind_a_link(run_dir, Path("disk"))
    assert command(*RESUME)[0] == 0
    assert command("evaluate", "run_dir=run", "checkpoint=best", "episodes=1")[0] == 0
    assert Path("disk/checkpoints/step_300/replay.safetensors").exists()
    Path("latest").symlink_to("disk/checkpoints/step_300")
    assert load_agent("latest").num_updates == load_agent("disk").num_updates


def test_saving_over_a_link_writes_what_it_leads_to(run_dir: Path) -> None:
    agent = load_agent("run")
    agent.save("elsewhere/agent")
    Path("link").symlink_to("elsewhere")
    Path("agent").symlink_to("elsewhere/agent")
    for path in ("agent", "link/agent"):
        updates = agent.num_updates + 1
        agent.load_state_dict(agent.state_dict() | {"num_updates": np.array(updates, np.int32)})
        agent.save(path)
        assert load_agent("elsewhere/agent").num_updates == updates
    assert Path("agent").is_symlink()
    assert [path.name for path in Path("elsewhere").iterdir()] == ["agent"]


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/step_100"])
def test_nothing_behind_a_link_is_deleted(name: str, run_dir: Path, outside: Path) -> None:
    if name == "checkpoints":
        shutil.copytree(run_dir / STEP, outside / "step_200")
    link_instead(run_dir / name, outside)
    before = snapshot(outside)
    with pytest.raises((OSError, RLPairError)):
        drop_old_replays(run_dir / "checkpoints", run_dir / STEP)
    assert snapshot(outside) == before


def test_only_what_a_save_leaves_is_deleted(tmp_path: Path) -> None:
    save = tmp_path / ".step_5.tmp"
    for kept in ("notes/a", "step_5.tmp/a", ".step_x.tmp/a", ".step_1.old.bak/a", ".best.tmp/seed_1/notes.md"):
        (tmp_path / kept).mkdir(parents=True)
    for name in ("seed_3/.seed_1.tmp/run.json", "agent.json", ".tmpA1b2C3", "seed_3/replay.safetensors"):
        (save / name).parent.mkdir(parents=True, exist_ok=True)
        (save / name).touch()
    (save / "seed_4").symlink_to(tmp_path / "notes")
    (tmp_path / ".step_7.tmp").mkdir()
    (tmp_path / ".step_7.tmp/thesis.tex").write_bytes(SECRET)
    atomic.remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".best.tmp", ".step_1.old.bak", ".step_7.tmp", ".step_x.tmp", "notes", "step_5.tmp")
    ]
    assert (tmp_path / "notes/a").exists()
    assert (tmp_path / ".best.tmp/seed_1/notes.md").exists()
    assert (tmp_path / ".step_7.tmp/thesis.tex").read_bytes() == SECRET


def test_a_new_file_never_stands_in_an_old_ones_place(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "events").symlink_to(outside / "thesis.tex")
    for make in (
        lambda: files.Appender(tmp_path / "events", new=True),
        lambda: files.write_new(tmp_path / "events", b""),
    ):
        with pytest.raises(FileExistsError):
            make()
    with pytest.raises(OSError, match=NOT_FOLLOWED):
        files.Appender(tmp_path / "events", new=False)
    assert (outside / "thesis.tex").read_bytes() == SECRET


def test_a_file_that_was_removed_is_not_appended_to(tmp_path: Path) -> None:
    file = files.Appender(tmp_path / "events", new=True)
    (tmp_path / "events").unlink()
    with pytest.raises(FileNotFoundError) as error:
        file.write(b"1")
    assert (error.value.strerror, error.value.filename) == ("was removed while it was written to", f"{tmp_path}/events")
    file.close()
