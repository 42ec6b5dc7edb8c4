"""Worker processes: what ends one is said where it was asked."""

import multiprocessing
import os
import signal
import threading

import pytest
from refused import refused

from rlpair.errors import RLPairError
from rlpair.system.workers import Workers, usable_cores


def test_a_worker_that_is_gone() -> None:
    line = refused(lambda: Workers(os._exit, [(3,), (3,)], [usable_cores()] * 2), RLPairError)
    assert line == "a worker process ended with exit code 3"


@pytest.mark.parametrize("when", ["before it is asked", "before it has read what it is asked"])
def test_a_worker_that_is_killed_is_gone_whenever_that_is(when: str) -> None:
    workers = Workers(list, [([],), ([],)], [usable_cores()] * 2)
    process = workers._processes[1]
    if when == "before it is asked":
        process.kill()
        process.join()
    else:
        os.kill(process.pid, signal.SIGSTOP)
        threading.Timer(0.5, process.kill).start()
    assert refused(lambda: workers.call("copy"), RLPairError) == "a worker process ended with exit code -9"
    workers.close()


def test_what_one_of_several_workers_cannot_make() -> None:
    line = refused(lambda: Workers(int, [("1",), ("one",)], [usable_cores()] * 2), RuntimeError)
    assert line.endswith("ValueError: invalid literal for int() with base 10: 'one'\n")
    assert multiprocessing.active_children() == []


def test_answers_after_a_failure_are_those_to_the_call() -> None:
    workers = Workers(list, [([],), ([1, 2],)], [usable_cores()] * 2)
    assert refused(lambda: workers.call("pop"), RuntimeError).endswith("IndexError: pop from empty list\n")
    assert workers.call("copy") == [[], [1]]
    workers.close()


def test_ctrl_c_which_reaches_all_processes_of_a_terminal_is_for_the_first_alone() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored here is ignored there too
    try:
        workers = Workers(signal.getsignal, [(signal.SIGINT,)] * 2, [usable_cores()] * 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert workers.call("__repr__") == [repr(signal.SIG_IGN)] * 2
    workers.close()
