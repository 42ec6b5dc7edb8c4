"""The progress bar: what it shows, how often, in a terminal and in a log."""

import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rlpair.runs import progress as progress_module
from rlpair.runs.progress import ProgressBar
from rlpair.types import Record

SPEED = {"throughput/env_steps_per_second": 254.4, "throughput/updates_per_second": 3.25}


@pytest.fixture
def clock(monkeypatch):
    """The bar's clock, moved by hand."""
    hand: Any = SimpleNamespace(now=100.0, perf_counter=lambda: hand.now)
    monkeypatch.setattr(progress_module, "time", hand)
    return hand


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def frames(self) -> list[str]:
        """What was drawn each time, without colours."""
        frames = re.split(r"\r(?:\x1b\[2K|\x1b\[1A)+", self.getvalue())
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame) for frame in frames]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.7, "1:00"), (69.2, "1:09"), (3599.6, "1:00:00"), (7269, "2:01:09")]
)
def test_a_time_is_rounded_to_seconds_before_it_is_written(seconds, text):
    assert progress_module.clock(seconds) == text


def test_a_log_gets_a_plain_line_every_ten_seconds_and_a_last_one(clock):
    stream = io.StringIO()
    with ProgressBar(20_000, stream=stream) as bar:
        clock.now += 9.9
        bar.write(Record(2250, SPEED))
        assert stream.getvalue() == ""
        clock.now += 0.1
        bar.write(Record(2500, {"rollout/episodic_return": -1034.21}))
        clock.now += 9
        bar.write(Record(4750, {"eval/mean_return": 0.03125}))
        clock.now += 2711
        bar.write(Record(5000, {}))
        clock.now += 0.5
        bar.write(Record(20_000, {}, checkpoint=True))
    assert stream.getvalue().splitlines() == [
        "step 2500/20000  12%  254 steps/s  3.2 updates/s  return -1034.2  left 1:10",
        "step 5000/20000  25%  254 steps/s  3.2 updates/s  return -1034.2  eval 0.03125  left 2:16:30",
        "step 20000/20000  100%  254 steps/s  3.2 updates/s  return -1034.2  eval 0.03125  left 0:00",
    ]


def test_a_resumed_bar_counts_its_own_steps_only(clock):
    stream = io.StringIO()
    with ProgressBar(20_000, initial=10_000, stream=stream) as bar:
        clock.now += 10
        bar.write(Record(10_000, {}))
        clock.now += 10
        bar.write(Record(11_000, {}))
    assert stream.getvalue().splitlines() == ["step 10000/20000  50%  left -:--", "step 11000/20000  55%  left 3:00"]


def test_the_time_left_is_by_the_speed_of_the_last_30_seconds(clock):
    """A step a second at first, then ten: a run that has begun to learn, or whose machine is free again."""
    stream = io.StringIO()
    with ProgressBar(1_000, stream=stream) as bar:
        for step in (10, 20, 30, 130, 230, 330):
            clock.now += 10
            bar.write(Record(step, {}))
    assert [line.split("left ")[1] for line in stream.getvalue().splitlines()] == [
        *("16:30", "16:20", "16:10"),
        *("3:38", "1:50", "1:07"),  # 870 by 120, 770 by 210 and 670 by 300 in 30 seconds
    ]


def test_a_run_without_records_prints_nothing():
    stream = io.StringIO()
    ProgressBar(100, stream=stream).close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("width", [120, 80, 40])
def test_a_terminal_shows_everything_in_any_width(clock, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ProgressBar(20_000, stream=stream) as bar:
        clock.now += 10
        bar.write(Record(2500, SPEED | {"rollout/episodic_return": -1034.21, "eval/mean_return": -980.5}))
    frame = stream.frames()[-1]
    assert max(len(line) for line in frame.split("\n")) <= width
    for part in ("━  12%  step 2500/20000  left 1:10", "254 steps/s", "3.2 updates/s", "return -1034.2", "eval -980.5"):
        assert part in frame


def test_a_terminal_is_redrawn_twice_a_second_at_most(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ProgressBar(10_000, stream=stream) as bar:
        for step in range(1, 10_001):
            clock.now += 0.001
            bar.write(Record(step, {}))
    steps = [int(step) for step in re.findall(r"step (\d+)/10000", "".join(stream.frames()))]
    assert len(set(steps)) == 21
    assert all(abs(step - 500 * i) <= 20 for i, step in enumerate(sorted(set(steps))))


def test_a_dumb_terminal_is_a_log(clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with ProgressBar(100, stream=stream) as bar:
        clock.now += 5
        bar.write(Record(50, {}))
    assert stream.getvalue() == "step 50/100  50%  left 0:05\n"


def test_stdout_in_a_file_stays_there(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stdout, stream = sys.stdout, Terminal()
    with ProgressBar(100, stream=stream):
        assert sys.stdout is stdout
        print("a result")
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is back
