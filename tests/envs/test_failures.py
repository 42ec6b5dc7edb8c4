"""Environments that fail: one line that names the environment and what it did, whatever it did, in any process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import failing_envs
import gymnasium as gym
import numpy as np
import pytest
from failing_envs import Fails
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from loop_fakes import FakeAgent

from rlpair import LoopConfig, run
from rlpair.envs import processes
from rlpair.envs.host import HostEnvs
from rlpair.envs.make import as_envs, make_envs
from rlpair.envs.spec import env_spec
from rlpair.errors import EnvError, EnvFailedError, RLPairWarning
from rlpair.system.interrupts import Interrupted

ID = "failing/Fails-v0"
LINES = {
    "error": "raised ValueError: boom",
    "empty": "raised AssertionError",
    "lines": "raised ValueError: one two?[31m three",
    "huge": f"raised ValueError: {'x' * 197}...",
    "unpicklable": "raised Unpicklable: boom",
    "mute": "raised Mute",
    "interrupt": "raised KeyboardInterrupt",
    "exit": "raised SystemExit: 0",
    "four": "raised ValueError: not enough values to unpack (expected 5, got 4)",
    "none": "returned observation=None: its space is Box(0.0, 100.0, (2,), float32)",
    "short": "returned an observation of shape (1,): its space says (2,)",
    "text": "returned an observation of dtype <U1: its space says float32",
    "ragged": "returned observation=list(...): its space is Box(0.0, 100.0, (2,), float32)",
    "reward-none": "returned reward=None: it has to be a number",
    "reward-array": "returned a reward of shape (1,): it has to be a number",
    "terminated-none": "returned terminated=None: it has to be a number",
}


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    """Ctrl-C as the commands have it: no KeyboardInterrupt is its doing."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, previous)


def failure_of(envs: HostEnvs, steps: int = 9) -> EnvFailedError:
    """The error of a reset and ``steps`` steps; then everything is closed, and no process is left."""
    with pytest.raises(EnvFailedError) as error:
        play(envs, steps)
    assert envs.state_dict()["episodes"] == [None] * envs.num_envs
    envs.close()
    assert multiprocessing.active_children() == []
    return error.value


def play(envs: HostEnvs, steps: int) -> None:
    envs.reset(0)
    for _ in range(steps):
        envs.step(np.zeros(envs.num_envs, np.int32))


def test_the_table_of_failures_is_whole() -> None:
    gone = {"leave", "killed", "hang", "ctrl-c"}  # not to be survived in this process
    assert LINES.keys() | gone == failing_envs.ACTS.keys() | failing_envs.RETURNS.keys()


@pytest.mark.parametrize("how", LINES)
def test_a_step_that_fails(how: str) -> None:
    error = failure_of(make_envs(ID, 2, env_kwargs={"how": how}))
    assert str(error) == f"env={ID}: environment 0 {LINES[how]}"
    if how in failing_envs.ACTS:
        assert str(error).startswith(f"env={ID}: environment 0 raised {type(error.__cause__).__name__}")
    assert "Traceback" in error.details
    assert len(error.details) < 110_000


def test_a_reset_that_fails() -> None:
    first = failure_of(make_envs(ID, env_kwargs={"how": "exit", "when": "first reset"}), steps=0)
    assert str(first) == f"env={ID}: environment 0 raised SystemExit in reset: 0"
    later = failure_of(make_envs(ID, env_kwargs={"how": "error", "when": "reset"}))
    assert str(later) == f"env={ID}: environment 0 raised ValueError in reset: boom"


def test_a_close_that_fails_is_a_warning() -> None:
    envs = make_envs(ID, env_kwargs={"how": "error", "when": "close"})
    with pytest.warns(RLPairWarning, match=f"^env={ID}: closing it raised ValueError: boom$"):
        envs.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_the_environments_doing(number: int) -> None:
    def interrupt() -> None:
        raise Interrupted(128 + number)

    envs = as_envs(Interruptible(interrupt))
    with pytest.raises(Interrupted):
        envs.reset(0)


def test_ctrl_c_of_an_importer_is_not_the_environments_doing() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    envs = as_envs(Interruptible(lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        envs.reset(0)


class Interruptible(Fails):
    def __init__(self, act: Any) -> None:
        self.act = act

    def reset(self, **_: Any) -> Any:
        self.act()


# In processes of their own


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("unpicklable", "environment 0 raised Unpicklable: boom"),
        ("exit", "environment 0 raised SystemExit: 0"),
        ("interrupt", "environment 0 raised KeyboardInterrupt"),
        ("leave", "the process of environment 0 ended with exit code 0"),
        ("killed", "the process of environment 0 was killed by SIGKILL"),
        ("hang", "environment 0 gave no answer within 3 seconds"),
    ],
)
def test_a_worker_that_fails(
    how: str, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "CLOSE_SECONDS", 0.5)
    envs = make_envs(ID, vectorization="async", env_kwargs={"how": how})
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 3)
    error = failure_of(envs)
    assert str(error) == f"env={ID}: {line}"
    assert error.__cause__ is not None
    if how == "unpicklable":
        assert "failing_envs.py" in error.details  # the traceback of the worker
        assert str(error.__cause__) == error.details
    assert capfd.readouterr() == ("", "")


@pytest.mark.timeout(60)
def test_a_worker_that_is_silent_in_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CLOSE_SECONDS", 0.5)
    envs = make_envs(ID, vectorization="async", env_kwargs={"how": "hang", "when": "first reset"})
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 3)
    assert str(failure_of(envs)) == f"env={ID}: environment 0 gave no answer within 3 seconds"


def build_in_one_process(only: int) -> gym.Env[Any, Any]:
    if os.getpid() != only:
        raise ValueError("boom")
    return Fails("error")


def test_an_environment_that_cannot_be_built_in_a_worker(capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> gym.Env[Any, Any]:
        return build_in_one_process(here)

    here = os.getpid()
    error = failure_of(HostEnvs(processes.start(make, 1, "mine"), taped=True, name="mine"), steps=0)
    assert str(error) == "env=mine: environment 0 raised ValueError in reset: boom"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("leave", "the process of environment [01] ended with exit code 0"),  # whichever was faster
        ("killed", "the process of environment [01] was killed by SIGKILL"),
        ("hang", "no answer within 5 seconds from its processes"),
    ],
)
def test_a_worker_that_is_gone_or_silent_before_its_environment_is_built(
    how: str, cause: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if how == "hang":
        monkeypatch.setattr(processes, "ANSWER_SECONDS", 5)
    with pytest.raises(EnvError, match=f"^env={ID} cannot be built: {cause}$"):
        make_envs(ID, 2, vectorization="async", env_kwargs={"how": how, "when": "build in a worker"})
    assert multiprocessing.active_children() == []
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_ends_the_wait_for_a_worker_that_is_silent_while_it_builds() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    began.start()
    with pytest.raises(KeyboardInterrupt):
        make_envs(ID, 2, vectorization="async", env_kwargs={"how": "hang", "when": "build in a worker"})
    assert multiprocessing.active_children() == []


# Vectors and importers


def test_a_vector_that_was_handed_in() -> None:
    vector = SyncVectorEnv([lambda: Fails("error")], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(EnvFailedError, match=r"^env=Fails raised ValueError: boom$"):
        play(as_envs(vector), 9)


@pytest.mark.parametrize(
    ("part", "value", "line"),
    [
        (0, np.zeros((1, 2), np.float32), "returned observations of shape (1, 2): their space says (2, 2)"),
        (1, None, "returned a reward of shape (): there are 2 environments"),
        (2, [False], "returned a terminated of shape (1,): there are 2 environments"),
    ],
)
def test_a_vector_that_returns_too_little(part: int, value: Any, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = SyncVectorEnv([failing_envs.Counter] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    right: tuple[Any, ...] = (np.zeros((2, 2)), np.zeros(2), np.zeros(2, bool), np.zeros(2, bool), {})
    monkeypatch.setattr(vector, "step", lambda action: (*right[:part], value, *right[part + 1 :]))
    with pytest.raises(EnvFailedError) as error:
        play(as_envs(vector), 1)
    assert str(error.value) == f"env=Counter {line}"


def test_an_importer_gets_the_step_and_the_cause() -> None:
    agent = FakeAgent()
    agent.spec = env_spec(failing_envs.Counter())
    with pytest.raises(EnvError) as error:
        list(run(agent, Fails("error"), LoopConfig(total_timesteps=10)))
    assert str(error.value) == "env=Fails: environment 0 raised ValueError at env step 3: boom"
    assert str(error.value.__cause__) == "boom"
    config = LoopConfig(total_timesteps=10, eval_every=4, eval_episodes=2)
    with pytest.raises(EnvError) as error:
        list(run(agent, failing_envs.Counter(), config, eval_env=Fails("error")))
    where = "at step 3 of an evaluation at env step 4"
    assert str(error.value) == f"env=Fails: environment 0 raised ValueError {where}: boom"


def test_a_vector_whose_last_observation_is_of_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = SyncVectorEnv([failing_envs.Counter] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    infos = {"final_obs": [np.zeros(3, np.float32), None]}
    step = (np.zeros((2, 2)), np.zeros(2), np.array([True, False]), np.zeros(2, bool), infos)
    monkeypatch.setattr(vector, "step", lambda action: step)
    with pytest.raises(EnvFailedError) as error:
        play(as_envs(vector), 1)
    assert str(error.value) == "env=Counter returned final_obs of shape (3,): its space says (2,)"
