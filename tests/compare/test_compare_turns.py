"""What compare measures until a deadline, and what it measures again: with processes and a clock that only count."""

import json
import math
import time
from contextlib import ExitStack
from typing import Any

import pytest

from rlpair import RLPairError
from rlpair.compare.checks import CHECKS, Check, best_return
from rlpair.compare.grid import QUICK, CompareConfig, grid
from rlpair.compare.turns import GRACE, Deadline, Turns, VariantProcess
from rlpair.compare.variant import Variant
from rlpair.system.workers import on_cores, usable_cores

VARIANT = Variant("dqn", "CartPole-v1", "torch", "eager", "cpu", 1, 128, (120, 84), 1)
# On a day like any other: seconds of a start, and env steps per second.
USUAL = {
    "torch eager": (4.0, {"dqn": 1_600.0, "sac": 216.0}),
    "torch compiled": (7.0, {"dqn": 2_400.0, "sac": 308.0}),
    "jax host": (5.0, {"dqn": 4_600.0, "sac": 440.0}),
    "jax fused": (6.0, {"dqn": 9_300.0, "sac": 520.0}),
    "jax seeds 4": (9.0, {"dqn": 20_000.0, "sac": 630.0}),
}
PARTS = 0.8  # seconds of a turn, beside those of the loop


class Machine:
    """A clock that processes move, all of them so many times slower than usual."""

    def __init__(self, slow: float = 1.0, rates: dict[str, list[float]] | None = None) -> None:
        self.now, self.slow, self.rates, self.asked, self.said = 0.0, slow, rates or {}, list[str](), list[str]()
        self.started = self.closed = 0
        self.cores = list[set[int]]()  # of each process

    def spend(self, usual: float, seconds: float) -> None:
        """As long as it takes; or until whoever waits has waited so long, and ends the process."""
        self.now += min(usual * self.slow, seconds)
        if usual * self.slow > seconds:
            raise RLPairError(f"no answer within {seconds:.0f} s")

    def start(self, variant: Variant, cores: set[int], seconds: float) -> "Process":
        self.spend(USUAL[variant.name][0], seconds)
        self.started += 1
        self.cores.append(cores)
        return Process(self, variant)

    def turns(self, repeats: int = 3, limit: float = math.inf) -> Turns:
        return Turns(repeats, 1.0, self.said.append, Deadline(self.now + limit, lambda: self.now), self.start)


class Process:
    """A variant of the machine."""

    def __init__(self, machine: Machine, variant: Variant) -> None:
        self.machine, self.variant, self.steps = machine, variant, 500.0
        self.summary = {"compile_seconds": 1.0, "settings": ""}
        self.rates = iter(machine.rates.get(variant.name, []))

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        machine, variant = self.machine, self.variant
        machine.asked.append(f"{variant.name} {next(iter(request))}")
        usual = USUAL[variant.name][1][variant.algo]
        if "measure" in request:
            rate = next(self.rates, usual / machine.slow)
            machine.spend(request["measure"] / machine.slow + PARTS, seconds)
            self.steps += rate * request["measure"] / variant.num_seeds
            return {"env_steps_per_second": rate, "env_steps": self.steps}
        machine.spend(max(0.0, request["check"]["env_steps"] - self.steps) * variant.num_seeds / usual, seconds)
        return {"return": 500.0}

    def close(self) -> None:
        self.machine.closed += 1


TWO = [VARIANT, VARIANT._replace(backend="jax", mode="host")]


def test_variants_take_turns_and_are_checked_at_the_end() -> None:
    machine = Machine()
    results = machine.turns(repeats=2).measure(TWO)
    assert machine.asked == ["torch eager measure", "jax host measure"] * 2 + ["torch eager check", "jax host check"]
    assert [(len(r.repeats), r.set_aside, r.greedy_return) for r in results] == [(2, [], 500.0)] * 2
    assert machine.closed == 2


def test_a_variant_gets_a_core_for_each_thread_and_many_seeds_get_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlpair.compare.turns.usable_cores", lambda: set(range(6)))
    machine, many = Machine(), VARIANT._replace(backend="jax", mode="seeds", num_seeds=4)
    wide = VARIANT._replace(algo="sac", env="Pendulum-v1", net_arch=(256, 256), batch_size=256)
    shares = [r.cores for variant in (VARIANT, wide, many) for r in machine.turns(1).measure([variant])]
    assert shares == [1, 4, 6] == [len(cores) for cores in machine.cores]
    assert machine.cores[0] == {0}


def test_a_process_is_started_on_its_cores_and_this_one_keeps_its_own() -> None:
    before = usable_cores()
    with on_cores({min(before)}):
        assert usable_cores() == {min(before)}
    assert usable_cores() == before


def test_what_is_unsteady_is_measured_again_until_the_last_turns_are_near_each_other() -> None:
    machine = Machine(rates={"torch eager": [16.0, 400.0, 440.0, 445.0], "jax host": [900.0, 910.0, 920.0, 930.0]})
    eager, host = machine.turns().measure(TWO)
    assert [r["env_steps_per_second"] for r in eager.repeats] == [400.0, 440.0, 445.0]
    assert [r["env_steps_per_second"] for r in eager.set_aside] == [16.0]
    assert [r["env_steps_per_second"] for r in host.repeats] == [910.0, 920.0, 930.0]
    assert eager.steady
    assert "measured again, turn 4: torch eager has a spread of 27.50" in machine.said


def test_that_has_an_end() -> None:
    machine = Machine(rates={"torch eager": [100.0, 200.0] * 10})
    eager, host = machine.turns().measure(TWO)
    assert [len(eager.repeats), len(eager.set_aside), len(host.repeats), len(host.set_aside)] == [3, 3, 3, 3]
    assert (eager.spread, eager.steady, host.steady) == (2.0, False, True)


def test_a_variant_that_fails_is_left_out_and_said() -> None:
    machine = Machine(slow=1e6)
    assert machine.turns(limit=100.0).measure(TWO) == []
    assert machine.said == [
        "torch eager: begins",
        "no answer within 110 s",
        "jax host: left out, there is no time for it",
    ]


def test_a_variant_begins_where_there_is_time_for_two_turns_of_it_and_of_those_before_it() -> None:
    """A turn takes two and a half of its seconds: five are wanted, and then, after a start of four, four and ten."""
    for limit, started in ((4.9, 0), (5.0, 1), (17.9, 1), (18.0, 2)):
        machine = Machine()
        turns = machine.turns(limit=limit)
        with ExitStack() as stack:
            turns._start(TWO, stack)
        assert (machine.started, len(turns.results)) == (started, started)


@pytest.mark.parametrize("slow", [0.5, 1.0, 1.3, 2.0, 4.0, 8.0, 30.0, 1_000.0])
def test_the_quick_preset_keeps_its_promise_on_any_day(slow: float) -> None:
    config = CompareConfig()
    assert config.limit == QUICK
    workloads = grid(config.filled(), {"cpu": ("torch", "jax")})
    machine, results = Machine(slow), list[Any]()
    deadline = Deadline(QUICK, lambda: machine.now)
    for number, workload in enumerate(workloads):
        part = deadline.share(len(workloads) - number)
        results += Turns(3, 1.0, machine.said.append, part, machine.start).measure(workload)
    assert machine.now <= QUICK + GRACE
    assert machine.closed == machine.started
    left_out = len([text for text in machine.said if "left out" in text or "no answer" in text])
    assert len(results) >= 10 - left_out
    if slow <= 1.0:
        assert [(len(r.repeats), r.greedy_return) for r in results] == [(3, 500.0)] * 10
    elif slow <= 4:
        assert {r.variant.algo for r in results} == {"dqn", "sac"}
    for result in results:
        assert result.greedy_return is not None or f"{result.variant.name}: there is no time to check" in str(
            machine.said
        )


def test_a_slow_day_has_fewer_turns_before_it_has_no_learning_check() -> None:
    machine = Machine(slow=3.0)
    results = machine.turns(limit=50.0).measure(TWO)
    assert [(len(r.repeats), r.greedy_return) for r in results] == [(2, 500.0)] * 2
    assert "2 of 3 turns measured: there is no time for more" in machine.said


def test_lists_of_ones_own_take_as_long_as_they_need() -> None:
    assert [CompareConfig(**{key: (8,)}).limit for key in ("num_envs", "batch_size", "num_seeds")] == [math.inf] * 3
    assert CompareConfig(net_arch=([8],)).limit == CompareConfig(repeats=3).limit == math.inf
    assert CompareConfig(seconds=1.0).limit == CompareConfig(preset="full").limit == math.inf
    assert CompareConfig(algo=("dqn",), env="LunarLander-v3", mode=("host",)).limit == QUICK


def test_a_process_that_does_not_answer_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(RLPairError, match=r"^torch eager on CartPole-v1 could not be measured: no answer within 0 s$"):
        VariantProcess(VARIANT, usable_cores(), 0.2)
    assert time.monotonic() - began < 100  # it would wait for ever


# The learning check


def evaluated(returns: list[float], env_steps: int) -> tuple[float, list[int]]:
    """The best of these evaluations, and the env steps that they came after."""
    steps, given = list[int](), iter(returns)
    return best_return(Check(8_000, 100.0, 4, 2_000), env_steps, steps.append, lambda: next(given)), steps


def test_a_check_ends_with_the_first_evaluation_that_passes() -> None:
    assert evaluated([100.0], 500) == (100.0, [8_000])
    assert evaluated([9.0, 99.9, 120.0], 500) == (120.0, [8_000, 10_000, 12_000])
    assert evaluated([9.0, 50.0, 10.0, 9.0], 30_000) == (50.0, [30_000, 32_000, 34_000, 36_000])


def test_a_check_goes_to_a_variant_as_json() -> None:
    for check in CHECKS.values():
        assert Check(**json.loads(json.dumps(check._asdict()))) == check
