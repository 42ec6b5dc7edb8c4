"""Signals: who handles them meanwhile, and that each is handled as before again afterwards."""

import os
import signal
from collections.abc import Iterator

import pytest

from rlpair.system.interrupts import Interrupted, Signals, closing_on_interrupt, interrupt, leave, passing_on

THREE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("nohup", [False, True])
def test_what_ends_a_process_is_passed_on_but_not_a_closed_terminal_under_nohup(nohup: bool) -> None:
    before = [signal.getsignal(number) for number in THREE]
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)  # however the tests were started
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


@pytest.fixture
def as_a_command() -> Iterator[None]:
    """Ctrl-C ends at once, as while a command starts."""
    before = signal.signal(signal.SIGINT, leave)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("as_a_command")
def test_ctrl_c_closes_what_is_open_and_the_next_one_ends_at_once() -> None:
    with closing_on_interrupt():
        assert signal.getsignal(signal.SIGINT) is interrupt
        with pytest.raises(Interrupted) as error:
            signal.raise_signal(signal.SIGINT)
        assert (error.value.code, error.value.number) == (130, signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is leave
    with closing_on_interrupt():
        pass
    assert signal.getsignal(signal.SIGINT) is leave


@pytest.mark.usefixtures("as_a_command")
def test_the_first_signal_stops_a_run_and_the_second_one_is_as_before_it() -> None:
    stops, terminate = list[int](), signal.getsignal(signal.SIGTERM)
    with Signals(lambda: stops.append(1)) as signals:
        signal.raise_signal(signal.SIGTERM)
        assert (stops, signals.received) == ([1], signal.SIGTERM)
        assert [signal.getsignal(number) for number in THREE[:2]] == [interrupt, terminate]
    assert [signal.getsignal(number) for number in THREE[:2]] == [leave, terminate]
    with Signals(lambda: stops.append(2)) as signals, signals.at_once(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    assert (stops, signals.received) == ([1], signal.SIGINT)
