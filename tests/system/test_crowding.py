"""Whether other processes take the cores, and how many threads PyTorch then computes with: with the same numbers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, make_agent
from rlpair.agents import runtime_torch
from rlpair.agents.threads_torch import Watch
from rlpair.system import crowding
from rlpair.system.crowding import Others, fitting

TOLD = "torch computes with 2 threads, fewer while others take its cores (OMP_NUM_THREADS)"
CONFIGURE = """
import os, threading
from rlpair import SACConfig
from rlpair.make import configure_process
before = dict(os.environ)
print(configure_process("torch", SACConfig(), "cpu"))
print([thread.name for thread in threading.enumerate()][1:])
assert dict(os.environ) == before
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells, in /proc")


@pytest.mark.parametrize(
    ("cores", "taken", "threads", "left"),
    [
        (2, 0.1, 2, 2),  # an idle system
        (2, 0.7, 2, 1),  # a busy process beside two threads that spin
        (2, 1.0, 2, 1),  # the same beside two that sleep
        (2, 2.0, 2, 1),
        (2, 1.0, 1, 1),
        (16, 11.0, 4, 4),
        (16, 13.0, 4, 3),
        (16, 15.9, 4, 1),
    ],
)
def test_so_many_threads_have_cores_where_others_take_some(cores: int, taken: float, threads: int, left: int) -> None:
    assert fitting(cores, taken, threads) == left


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
    """In 10 s: of two cores 18 s are computed, 2 of them by this process and children that have ended, 3 by one that
    lives; core 7 is not its.
    """
    clock = {"wall": 100.0, "own": 5.0}
    monkeypatch.setattr(crowding, "TICK", 0.01)
    monkeypatch.setattr("time.monotonic", lambda: clock["wall"])
    monkeypatch.setattr("os.times", lambda: (*[clock["own"] / 4] * 4, clock["wall"]))
    stat = "77 (a (name) x) S 1 " + "0 " * 9 + "{} {} 0 0"
    others = Others(
        {0, 1}, proc(tmp_path, ["cpu0 0 0 0 50 9 0 0 0 0 0", "cpu1 0 0 0 0 0", "cpu7 0 0 0 0 0"], stat.format(100, 50))
    )
    clock |= {"wall": 110.0, "own": 7.0}
    cores = ["cpu0 100 200 300 90 59 100 50 50 0 0", "cpu1 1000 0 0 0 0", "cpu7 1000 0 0 0 0"]
    proc(tmp_path, cores, stat.format(300, 150))
    assert others.taken() == pytest.approx((18 - 2 - 3) / 10)


def test_a_system_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="stat"):
        Others({0}, tmp_path)


class Looks:
    """What others take at each look; the last ends the watch."""

    def __init__(self, *taken: float) -> None:
        self.looks = iter(taken)

    def taken(self) -> float:
        return next(self.looks)


@pytest.mark.parametrize(
    ("pauses", "sets"),
    [
        ((), [(3, 1), (5, 2), (7, 1)]),  # before the third, the fifth and the seventh update
        ((1, 2), [(7, 1)]),  # a look after a pause saw others in a part of it: it does not count
        ((4,), [(3, 1), (5, 2), (7, 1)]),  # after a pause all begin
        ((6,), [(3, 1), (5, 2)]),
    ],
)
def test_threads_follow_what_others_take(
    pauses: tuple[int, ...], sets: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update before each look, or none in a pause; it adapts to the look before; what stays is not set again."""
    watch, said, sleeps = Watch(), list[tuple[int, int]](), list[float]()
    watch.adapt()  # before it has begun
    watch.threads = watch.fit = watch._set = 2
    monkeypatch.setattr(torch, "set_num_threads", lambda count: said.append((len(sleeps), count)))

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) not in pauses:
            watch.adapt()

    monkeypatch.setattr("time.sleep", sleep)
    looks: Any = Looks(0.1, 0.9, 1.0, 0.0, 0.0, 2.0, 2.0)
    with pytest.raises(StopIteration):
        watch.follow(looks, 2)
    assert said == sets
    assert set(sleeps) == {0.25}


def test_a_watch_is_of_all_cores_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[Any]()

    class Thread:
        def __init__(self, target: Any, args: tuple[Any, ...], **settings: Any) -> None:
            begun.append(args)

        def start(self) -> None:
            begun.append("started")

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("rlpair.agents.threads_torch.usable_cores", lambda: {1, 2, 5, 7})
    monkeypatch.setattr("rlpair.agents.threads_torch.Others", lambda cores: cores)
    monkeypatch.setattr("threading.Thread", Thread)
    watch = Watch()
    assert [watch.begin(threads) for threads in (1, 2, 2)] == [False, True, True]
    assert (begun, watch.threads) == ([({1, 2, 5, 7}, 4), "started"], 2)


@linux
@pytest.mark.parametrize(
    ("environment", "told", "threads"),
    [
        ({}, TOLD, ["rlpair-watch"]),
        ({"OMP_NUM_THREADS": "1"}, "torch computes with 1 thread (OMP_NUM_THREADS)", []),
        ({"OMP_NUM_THREADS": "2"}, "torch computes with 2 threads (OMP_NUM_THREADS)", []),
    ],
)
def test_a_command_watches_unless_the_user_says_how_many(
    environment: dict[str, str], told: str, threads: list[str]
) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    line = [sys.executable, "-W", "error", "-c", CONFIGURE]
    printed = subprocess.run(line, env=kept | environment, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == [told, str(threads)]


def test_an_import_starts_and_sets_nothing(run_python: Any) -> None:
    modules = "threading, rlpair.agents.agent_torch, rlpair.agents.runtime_torch, torch"
    code = f"import os; before = dict(os.environ); import {modules}"
    assert run_python("-c", f"{code}; print(threading.active_count(), dict(os.environ) == before)") == "1 True\n"


@pytest.fixture
def threads() -> Iterator[None]:
    """Which a test may change."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_small_network_has_the_threads_that_the_user_asks_for(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    told = runtime_torch.configure(DQNConfig(net_arch=(8,)), "cpu")
    assert (told, torch.get_num_threads()) == ("torch computes with 2 threads (OMP_NUM_THREADS)", 2)


@pytest.mark.filterwarnings("ignore")  # the compiler imports modules that are deprecated
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_agent_adapts_and_learns_the_same_bit_for_bit(
    compile: bool, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes at which products and inductor's loops are shared by threads; four updates, before the last two of which
    one agent falls to one thread.
    """
    low, high = (-1.0,) * 6, (1.0,) * 6
    spec = EnvSpec((17,), "float32", False, 6, action_low=low, action_high=high)
    rng = np.random.default_rng(0)
    obs, next_obs = rng.standard_normal((2, 1024, 17)).astype(np.float32)
    action, reward = rng.uniform(-1, 1, (1024, 6)).astype(np.float32), rng.standard_normal(1024).astype(np.float32)
    batch = Transition(obs, action, reward, next_obs, np.zeros(1024, np.float32))
    states = []
    for fits in ((2, 2), (2, 1)):
        watch = Watch()
        monkeypatch.setattr("rlpair.agents.agent_torch.WATCH", watch)
        torch.set_num_threads(2)
        watch._set = 2
        agent = make_agent("sac", backend="torch", env=spec, config=SACConfig(), compile=compile)
        for watch.fit in fits:
            for _ in range(2):
                agent.update(batch)
            assert torch.get_num_threads() == watch.fit
        states.append(agent.state_dict())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
