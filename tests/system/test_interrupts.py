"""Signals: who handles them meanwhile, and that each is handled as before again afterwards."""

import os
import signal

import pytest

from rlpair.system.interrupts import passing_on

THREE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("nohup", [False, True])
def test_what_ends_a_process_is_passed_on_but_not_a_closed_terminal_under_nohup(nohup: bool) -> None:
    before = [signal.getsignal(number) for number in THREE]
    if nohup:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    here, received = [signal.getsignal(number) for number in THREE], list[int]()
    try:
        with passing_on(lambda number, frame: received.append(number)):
            for number in THREE:
                os.kill(os.getpid(), number)
        assert received == [signal.SIGINT, signal.SIGTERM, *([] if nohup else [signal.SIGHUP])]
        assert [signal.getsignal(number) for number in THREE] == here
    finally:
        for number, handler in zip(THREE, before, strict=True):
            signal.signal(number, handler)
