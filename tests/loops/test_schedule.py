"""When a record is due, by hand: for strides of one step, of some environments, and of a round."""

import pytest

from rlpair import LoopConfig
from rlpair.loops.schedule import Due, Schedule


def schedule_of(stride: int, **settings: int) -> Schedule:
    return Schedule(LoopConfig(**({"total_timesteps": 60, "log_every": 1_000} | settings)), stride)


@pytest.mark.parametrize(
    ("stride", "every", "expected"),
    [
        (1, 20, [20, 40, 60]),
        (3, 12, [12, 24, 36, 48, 60]),
        (3, 10, [12, 21, 30, 42, 51, 60]),  # the first multiple of 3 from each multiple of 10 on
        (4, 6, [8, 12, 20, 24, 32, 36, 44, 48, 56, 60]),
        (6, 25, [30, 54]),  # 50 is reached by 54, 75 beyond the end
        (6, 5, list(range(6, 61, 6))),  # 25 and 30 both in one stride: once
        (6, 1, list(range(6, 61, 6))),  # a period shorter than a stride: after each
        (7, 30, [35, 63]),  # the last stride ends beyond total_timesteps
        (6, 61, []),
        (6, 0, []),
    ],
)
def test_what_is_due_at_which_steps(stride: int, every: int, expected: list[int]) -> None:
    steps = range(stride, 60 + stride, stride)
    evaluations, checkpoints = schedule_of(stride, eval_every=every), schedule_of(stride, checkpoint_every=every)
    assert [n for n in steps if evaluations.due(n).evaluation] == expected
    assert [n for n in steps if checkpoints.due(n).checkpoint] == [n for n in expected if n < 60]
    if every:
        logs = schedule_of(stride, log_every=every)
        assert [n for n in steps if logs.due(n).log] == expected


def test_each_has_its_own_period() -> None:
    schedule = schedule_of(3, log_every=12, eval_every=18, checkpoint_every=30)
    assert schedule.due(9) == Due(log=False, evaluation=False, checkpoint=False)
    assert schedule.due(12) == Due(log=True, evaluation=False, checkpoint=False)
    assert schedule.due(18) == Due(log=False, evaluation=True, checkpoint=False)
    assert schedule.due(30) == Due(log=False, evaluation=False, checkpoint=True)
    assert schedule.due(36) == Due(log=True, evaluation=True, checkpoint=False)


@pytest.mark.parametrize(
    ("stride", "periods", "expected"),
    [
        (6, {"log_every": 12}, [12, 24, 36, 48, 60]),
        (6, {"log_every": 10}, [12, 24, 30, 42, 54, 60]),
        (6, {"log_every": 100, "eval_every": 18, "checkpoint_every": 30}, [18, 30, 36, 54, 60]),
        (6, {"log_every": 24, "eval_every": 24, "total_timesteps": 50}, [24, 48, 54]),
        (8, {"log_every": 25, "eval_every": 7}, [8, 16, 24, 32, 40, 48, 56, 64]),
        (7, {"log_every": 100}, [63]),
    ],
)
def test_where_a_loop_stops_that_stops_only_where_something_is_due(
    stride: int, periods: dict[str, int], expected: list[int]
) -> None:
    schedule, stops = schedule_of(stride, **periods), [0]
    while stops[-1] < ({"total_timesteps": 60} | periods)["total_timesteps"] and len(stops) < 100:
        stops.append(schedule.next_stop(stops[-1]))
    assert stops[1:] == expected


@pytest.mark.parametrize("stride", [1, 3, 6, 7])
@pytest.mark.parametrize("periods", [(12, 18, 30), (10, 0, 25), (7, 11, 13), (60, 1, 0)])
def test_no_stop_passes_over_anything(stride: int, periods: tuple[int, int, int]) -> None:
    schedule = schedule_of(stride, **dict(zip(("log_every", "eval_every", "checkpoint_every"), periods, strict=True)))
    steps = range(stride, 60 + stride, stride)
    stops = {schedule.next_stop(n - stride) for n in steps}
    assert stops == {n for n in steps if any(schedule.due(n)) or n >= 60}
