"""Whether other processes take the cores, and how PyTorch's threads then wait: asleep, with the same numbers."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rlpair import crowding, waiting_torch
from rlpair.crowding import Others, is_crowded
from rlpair.workers import usable_cores

TOLD = "torch computes with 2 threads (OMP_NUM_THREADS)"
ASLEEP = ", which sleep while others take their cores (OMP_WAIT_POLICY)"
CONFIGURE = """
import os, threading
from rlpair import SACConfig
from rlpair.make import configure_process
before = dict(os.environ)
print(configure_process("torch", SACConfig(), "cpu"))
print([thread.name for thread in threading.enumerate()][1:])
assert dict(os.environ) == before
"""
linux = pytest.mark.skipif(not waiting_torch.has_libgomp(), reason="PyTorch's threads are GNU OpenMP's on Linux only")


@pytest.mark.parametrize(
    ("cores", "taken", "threads", "crowded"),
    [
        (2, 0.1, 2, False),  # an idle system
        (2, 0.7, 2, True),  # a busy process beside two threads that spin
        (2, 1.0, 2, True),  # the same beside two that sleep
        (2, 1.0, 1, False),
        (16, 11.0, 4, False),
        (16, 13.0, 4, True),
    ],
)
def test_cores_are_crowded_where_others_leave_too_few(cores: int, taken: float, threads: int, crowded: bool) -> None:
    assert is_crowded(cores, taken, threads) == crowded


def proc(folder: Path, cores: list[str], child: str) -> Path:
    """A /proc with these lines of cores, and this one of a child."""
    for path, text in {"stat": "\n".join(["cpu 9 9 9 9", *cores, "ctxt 5"]), "77/stat": child}.items():
        (folder / path).parent.mkdir(exist_ok=True, parents=True)
        (folder / path).write_text(text)
    task = folder / "self/task" / str(os.getpid())
    task.mkdir(parents=True, exist_ok=True)
    (task / "children").write_text("77 78 ")  # 78 has ended since
    return folder


def test_what_others_take_is_all_but_ones_own_and_ones_childrens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 10 s: of two cores 18 s are computed, 2 of them by this process and 3 by its child; core 7 is not its."""
    clock = {"wall": 100.0, "own": 5.0}
    monkeypatch.setattr(crowding, "TICK", 0.01)
    monkeypatch.setattr("time.monotonic", lambda: clock["wall"])
    monkeypatch.setattr("os.times", lambda: (clock["own"], 0.0, 0.0, 0.0, 0.0))
    stat = "77 (a (name) x) S 1 " + "0 " * 9 + "{} {} 0 0"
    others = Others(
        {0, 1}, proc(tmp_path, ["cpu0 0 0 0 50 9 0 0 0 0 0", "cpu1 0 0 0 0 0", "cpu7 0 0 0 0 0"], stat.format(100, 50))
    )
    clock |= {"wall": 110.0, "own": 7.0}
    cores = ["cpu0 100 200 300 90 9 100 50 50 0 0", "cpu1 1000 0 0 0 0", "cpu7 1000 0 0 0 0"]
    proc(tmp_path, cores, stat.format(300, 150))
    assert others.taken() == pytest.approx((18 - 2 - 3) / 10)


def test_a_system_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="stat"):
        Others({0}, tmp_path)


class OneLook:
    """What others take at each look; the last ends the watch."""

    def __init__(self, *taken: float) -> None:
        self.looks = iter(taken)

    def taken(self) -> float:
        return next(self.looks)


def test_a_second_team_is_kept_as_long_as_the_cores_are_crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()

    class Team:
        def __init__(self, cores: int, threads: int) -> None:
            said.append(f"begins, {cores} cores, {threads} threads")

        def close(self) -> None:
            said.append("ends")

    monkeypatch.setattr(waiting_torch, "SecondTeam", Team)
    monkeypatch.setattr("time.sleep", lambda seconds: said.append(f"{seconds}"))
    looks: Any = OneLook(0.1, 0.9, 1.0, 0.0, 0.0, 2.0)
    with pytest.raises(StopIteration):
        waiting_torch.follow(looks, 2, 2)
    begins = "begins, 2 cores, 2 threads"
    assert [*said] == ["0.25", "0.25", begins, "0.25", "0.25", "ends", "0.25", "0.25", begins, "0.25"]


@linux
@pytest.mark.parametrize(
    ("environment", "told", "threads"),
    [
        ({"OMP_NUM_THREADS": "2"}, TOLD + ASLEEP, ["rlpair-watch"]),
        ({"OMP_NUM_THREADS": "1"}, "torch computes with 1 thread (OMP_NUM_THREADS)", []),
        ({"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}, TOLD, []),
        ({"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "300000"}, TOLD, []),
    ],
)
def test_a_command_watches_unless_the_user_says_how_threads_wait(
    environment: dict[str, str], told: str, threads: list[str]
) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    line = [sys.executable, "-W", "error", "-c", CONFIGURE]
    printed = subprocess.run(line, env=kept | environment, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == [told, str(threads)]


def test_an_import_starts_and_sets_nothing(run_python: Any) -> None:
    code = "import os; before = dict(os.environ); import threading, rlpair.agent_torch, rlpair.waiting_torch, torch"
    assert run_python("-c", f"{code}; print(threading.active_count(), dict(os.environ) == before)") == "1 True\n"


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def sleeps(product: torch.Tensor) -> float:
    """How often this process's threads fall asleep in one of 200 matrix products."""
    product @ product
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    for _ in range(200):
        product @ product
    return (resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before) / 200


@linux
@pytest.mark.skipif(len(usable_cores()) < 2, reason="with one core libgomp's threads always sleep")
@pytest.mark.skipif("OMP_WAIT_POLICY" in os.environ, reason="this says how threads wait")
def test_beside_a_second_team_threads_sleep_and_compute_the_same(two_threads: None) -> None:
    a = torch.randn((256, 256), generator=torch.Generator().manual_seed(0))
    spinning, product = sleeps(a), a @ a
    team = waiting_torch.SecondTeam(len(usable_cores()), 2)
    asleep = sleeps(a)
    assert torch.equal(a @ a, product)
    assert torch.get_num_threads() == 2
    team.close()
    assert asleep > 1
    assert spinning < 0.5
    assert sleeps(a) < 0.5
