"""What compare measures of a variant: rates, parts and memory, by hand, with a clock and a loop that only count."""

from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from compared import BASE, result

from rlpair import DQNConfig, EnvSpec
from rlpair.algos import dqn
from rlpair.algos.registry import trained_once
from rlpair.compare import roofline, variant
from rlpair.compare.figure import draw_bars, line_values
from rlpair.compare.report import heads_and_rows, times_slowest
from rlpair.compare.roofline import SIZE, product_rate, update_flop
from rlpair.compare.turns import check_seconds
from rlpair.compare.variant import WARM_UP, FusedVariant, HostVariant
from rlpair.compare.verdicts import limit


class Clock:
    """Stands still but for what is spent."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (variant, roofline):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_peak_is_of_the_fastest_product(clock: Clock) -> None:
    seconds = iter([9.0, 2.0, 0.5, 4.0] * 10)  # the first does not count
    assert product_rate(lambda: clock.spend(next(seconds))) == 2 * SIZE**3 / 0.5


TWO = BASE._replace(num_envs=2, batch_size=8, net_arch=(8,))


def test_parts_are_of_one_update_and_leave_the_loops_agent_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    host = HostVariant(TWO)
    assert host.loop.env_steps == 576  # a record every 64
    assert host.agent.num_updates == 576 - WARM_UP  # and none of what compiled
    before = host.agent.state_dict()
    monkeypatch.setattr(host, "_rate", lambda seconds: 1_000.0)
    monkeypatch.setattr(variant, "microseconds", lambda function, seconds: [function(0), 800.0][1])
    parts = host.measure(1.0)
    flop = update_flop(TWO.config, host.envs.spec)
    assert parts["update_us"] == 400  # two are handed over at a time
    assert (parts["env_us"], parts["act_us"], parts["sample_us"]) == (800, 800, 800)
    assert parts["samples_per_second"] == 2 * 8 / 800e-6
    assert parts["updates_per_second"] == parts["env_steps_per_second"] == 1_000
    assert parts["flop_per_second"] == pytest.approx(flop / 400e-6)
    for name, value in host.agent.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


class Loop:
    """Workers of four seeds, in whom a round takes a millisecond."""

    def __init__(self, clock: Clock, memory: list[int]) -> None:
        self.clock, self.memory = clock, memory

    def call(self, method: str, *arguments: Any) -> Any:
        if method == "run":
            self.clock.spend(0.001 * (arguments[1] - arguments[0]))
        return {"peak_memory": self.memory, "get_spec": [IMAGE]}.get(method)


IMAGE = EnvSpec((36, 36, 4), "uint8", True, 2)


def test_rates_of_a_fused_loop_are_those_of_all_seeds(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round has four steps of two environments, and two updates."""
    monkeypatch.setattr(variant, "make_workers", lambda config: Loop(clock, [5, 7]))
    monkeypatch.setattr(variant, "peak_memory", lambda: 100)
    many = TWO._replace(backend="jax", mode="seeds", num_seeds=4, encoder="nature", net_arch=())
    fused = FusedVariant(many)
    assert fused.env_steps == 3 * WARM_UP + 4  # in whole rounds of 8
    measured = fused.measure(2.0)
    assert measured["env_steps_per_second"] == pytest.approx(4 * 8 * 1_000)
    assert measured["updates_per_second"] == pytest.approx(4 * 2 * 1_000)
    assert measured["flop_per_second"] == pytest.approx(update_flop(many.config, IMAGE) * 4 * 2 * 1_000)
    assert measured["env_steps"] == 3 * WARM_UP + 4 + 8 * 2_000
    assert fused.memory() == 5 + 7 + 100  # the processes', and that of this one
    fused.workers.memory = [5]  # type: ignore[attr-defined] # a single one lives in this
    assert fused.memory() == 5


def test_a_check_takes_as_long_as_all_seeds_need_to_get_there() -> None:
    """CartPole's first evaluation is after 4,000 steps of each."""
    of_four = result(BASE._replace(num_seeds=4), [1_000.0], env_steps=1_500.0)
    assert check_seconds(of_four) == 4 * 2_500 / 1_000


def test_how_many_times_as_fast_as_the_slowest_of_the_workload() -> None:
    fast, slow = result(BASE, [400.0]), result(BASE._replace(mode="compiled"), [200.0])
    elsewhere = result(BASE._replace(batch_size=64), [10.0])
    assert [times_slowest(r, [fast, slow, elsewhere]) for r in (fast, slow, elsewhere)] == ["2.00", "1.00", "1.00"]


def test_a_row_of_the_table_has_each_number_in_its_unit() -> None:
    parts = {"env_us": 11.0, "act_us": 22.0, "sample_us": 99.0, "samples_per_second": 3.4e6, "update_us": 1_234.0}
    eager = result(BASE, [100.0, 100.0, 106.0], cores=3, **parts, host_bytes=2.5e9)
    fused = result(BASE._replace(backend="jax", mode="fused"), [5_000.0], cores=3, device_bytes=7e6)
    assert heads_and_rows([eager, fused._replace(compile_seconds=12.34)], [eager, fused]) == (
        [
            *("", "env steps/s (min to max)", "x slowest", "env us", "act us", "samples/s", "update us", "% of peak"),
            *("compile s", "MB", "GPU MB", "cores", "return"),
        ],
        [
            [
                *("torch eager", "100 (100 to 106)", "1.00", "11", "22", "3.4M", "1,234", "20%"),
                *("1.0", "2,500", "", "3", "500"),
            ],
            [
                *("jax fused", "5,000 (5,000 to 5,000)", "50.00", "", "", "", "", "20%"),
                *("12.3", "", "7", "3", "500"),
            ],
        ],
    )
    assert "GPU MB" not in heads_and_rows([eager], [eager])[0]  # nobody has one


def test_the_scaling_of_seeds_is_that_of_mode_seeds_alone() -> None:
    host, four = (BASE._replace(backend="jax", mode=mode, num_seeds=n) for mode, n in (("host", 1), ("seeds", 4)))
    results = [result(variant, [1.0]) for variant in (host, four._replace(num_seeds=16), four)]
    lines = line_values(BASE, "num_seeds", results)
    assert {name: [r.variant.num_seeds for r in points] for name, points in lines.items()} == {"jax seeds": [4, 16]}


def test_bars_reach_from_the_lowest_to_the_highest_rate() -> None:
    axes = MagicMock()
    draw_bars(axes, [result(BASE, [70.0, 100.0, 105.0]), result(BASE._replace(mode="compiled"), [5.0, 5.0, 8.0])])
    (names, rates), settings = axes.barh.call_args
    assert (names, rates) == (["torch eager", "torch compiled (unsteady)"], [100, 5])
    assert settings["xerr"] == [[30, 0], [5, 3]]  # to the left, to the right


# What limits a variant, and the work that it is


def test_an_update_is_small_or_not_by_itself_and_not_by_its_share_of_a_step() -> None:
    """Two updates every four steps of two environments: 1.2 ms each are 300 us of a step, beside 100 of acting."""
    image = result(BASE._replace(encoder="nature", num_envs=2), [1.0], act_us=200.0, update_us=1_200.0)
    assert limit(image, [image]) == "matrix products (the update, 75% of a step, is at 20% of their peak)"


def test_many_seeds_update_at_once() -> None:
    """Four seeds at 2,000 env steps a second in all: each of their updates, made together, takes 2 ms."""
    many = result(BASE._replace(backend="jax", mode="seeds", num_seeds=4), [2_000.0])
    assert limit(many, [many]) == "matrix products (the update, 100% of a step, is at 20% of their peak)"


def test_flop_of_an_algorithm_that_does_not_say_it() -> None:
    """A network of 80 is trained, whose first layer's 48 have no gradient to go on to, and its target is asked."""
    config = DQNConfig(batch_size=2, net_arch=(4,), buffer_size=10)
    networks = dqn.networks(config, EnvSpec((3,), "float32", True, 2))
    assert trained_once(config, networks) == 3 * 80 - 48 + 80
