"""HostEnvs in worker processes: what is learned from is the same, and Ctrl-C reaches one process only."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy_envs
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from host_records import assert_equal, record

from rlpair.envs.make import as_envs, make_envs

# --- processes


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["toy/Counter-v0", "toy_envs:toy/Mixed-v0"])
def test_async_is_the_same_as_sync(env_id: str) -> None:
    assert_equal(record(make_envs(env_id, 2, "async"), 60, 5), record(make_envs(env_id, 2), 60, 5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "shared_memory"),
    [(AutoresetMode.NEXT_STEP, True), (AutoresetMode.NEXT_STEP, False), (AutoresetMode.DISABLED, False)],
)
def test_async_vectors_of_the_users_own(mode: AutoresetMode, shared_memory: bool) -> None:
    makers = [toy_envs.Counter] * 2
    envs = AsyncVectorEnv(makers, context="spawn", shared_memory=shared_memory, autoreset_mode=mode)
    same = SyncVectorEnv([toy_envs.Counter] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    assert_equal(record(as_envs(envs), 60, 5), record(as_envs(same), 60, 5))


INTERRUPTED = """
import multiprocessing, signal, sys
import numpy as np
import gymnasium as gym
from rlpair.envs.make import make_envs
from toy_envs import Counter

class Local(Counter):  # registered here: workers do not import this file by name
    pass

if __name__ == "__main__":
    gym.register("Local-v0", Local)
    flag = []
    signal.signal(signal.SIGINT, lambda *_: flag.append(True))
    envs = make_envs("Local-v0", 2, "async")
    envs.reset(0)
    print("ready", flush=True)
    while not flag:
        envs.step(np.zeros(2, np.int32))
    envs.step(np.zeros(2, np.int32))
    envs.close()
    print("closed", len(multiprocessing.active_children()))
"""


@pytest.mark.slow
def test_ctrl_c_reaches_the_main_process_only(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(INTERRUPTED)
    path = os.pathsep.join([str(Path(__file__).parents[1] / "support"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("closed 0\n", "", 0)
