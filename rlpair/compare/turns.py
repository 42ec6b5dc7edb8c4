"""How ``rlpair.compare`` measures: a process for each variant, those of a workload in turns, until a deadline."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from rlpair.compare.checks import CHECKS
from rlpair.compare.result import RATE, Result
from rlpair.compare.variant import Variant
from rlpair.errors import RLPairError
from rlpair.system.workers import on_cores, usable_cores

GRACE = 10.0  # seconds after its deadline, until a process that has not answered is ended
TURNS = 5.0  # what two turns of a variant take, in units of its seconds: its loop, and the parts of it


class Deadline(NamedTuple):
    """A point in time, by a clock."""

    at: float = math.inf
    clock: Callable[[], float] = time.monotonic

    def left(self) -> float:
        """Return the seconds until then; infinity where there is no deadline."""
        return self.at - self.clock()

    def share(self, parts: int) -> "Deadline":
        """Return the end of the first of so many equal parts of what is left."""
        return self._replace(at=self.clock() + self.left() / parts) if math.isfinite(self.at) else self


class VariantProcess:
    """A variant in a process of its own, on cores that are said; asked over its standard input."""

    def __init__(self, variant: Variant, cores: set[int], seconds: float = math.inf) -> None:
        """Build the variant and wait until it stands. Raises RLPairError with what went wrong in it."""
        self.variant, self._errors = variant, tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        with on_cores(cores):  # which a new process inherits
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rlpair.compare.variant"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                start_new_session=True,  # so that it is ended with its own workers
            )
        self.summary = self.ask(variant._asdict(), seconds)

    def ask(self, request: dict[str, Any], seconds: float = math.inf) -> dict[str, Any]:
        """Ask for an answer. Raises RLPairError where it ended instead, or is ended after so many seconds."""
        process, timer = self._process, threading.Timer(max(0.0, min(seconds, threading.TIMEOUT_MAX)), self._kill)
        timer.daemon = True
        timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = process.wait()
        self._errors.seek(0)
        reason = (self._errors.read().strip().splitlines() or [f"exit code {code}"])[-1]
        self.close()
        if code == -signal.SIGKILL and math.isfinite(seconds):
            reason = f"no answer within {max(0.0, seconds):.0f} s"
        raise RLPairError(f"{self.variant.name} on {self.variant.env} could not be measured: {reason}")

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and those that it started; again does nothing."""
        if not self._errors.closed:
            self._kill()
            self._process.communicate()
            self._errors.close()


class Turns:
    """The measurements of one workload: what is done until the deadline, and what is left out and said."""

    def __init__(
        self,
        repeats: int,
        seconds: float,
        say: Callable[[str], None],
        deadline: Deadline,
        start: Callable[[Variant, set[int], float], Any] = VariantProcess,
    ) -> None:
        """Keep what makes a variant's process: ``start``."""
        self.repeats, self.seconds, self.say, self.deadline, self.start = repeats, seconds, say, deadline, start
        self.results = list[Result]()

    def measure(self, workload: Sequence[Variant]) -> list[Result]:
        """Measure all variants, in turns: A B C A B C. What cannot be measured is said and left out."""
        with ExitStack() as stack:
            self._start(workload, stack)
            self._take_turns()
            return [self._checked(result) for result in self.results]

    def _start(self, workload: Sequence[Variant], stack: ExitStack) -> None:
        all_cores, longest = sorted(usable_cores()), 0.0
        for variant in workload:
            if self.deadline.left() < longest + TURNS * self.seconds * (len(self.results) + 1):
                self.say(f"{variant.name}: left out, there is no time for it")
                continue
            share = all_cores if variant.mode == "seeds" else all_cores[: min(4, variant.config.threads)]
            self.say(f"{variant.name}: begins")
            began = self.deadline.clock()
            try:
                process = self.start(variant, set(share), self._patience())
            except RLPairError as error:
                self.say(str(error))
                continue
            longest = max(longest, self.deadline.clock() - began)
            stack.callback(process.close)
            self.results.append(Result(variant, len(share), process, [], None, set_aside=[], **process.summary))

    def _patience(self) -> float:
        return max(0.0, self.deadline.left()) + GRACE

    def _take_turns(self) -> None:
        """Take ``repeats`` turns, and up to as many again where a variant is unsteady: then the last ones count."""
        turn, longest = 0, 0.0
        while self.results and (turn < self.repeats or (turn < 2 * self.repeats and self._unsteady())):
            if turn and self.deadline.left() < longest + self._checks_after_a_turn():
                again = "to measure again what is unsteady" if turn >= self.repeats else "for more"
                self.say(f"{turn} of {self.repeats} turns measured: there is no time {again}")
                return
            if turn >= self.repeats:
                self.say(f"measured again, turn {turn + 1}: {', '.join(self._unsteady())}")
            turn, began = turn + 1, self.deadline.clock()
            for result in list(self.results):
                self._measure(result, turn)
            longest = max(longest, self.deadline.clock() - began)

    def _checks_after_a_turn(self) -> float:
        return sum(max(0.0, check_seconds(result) - self.seconds) for result in self.results)

    def _unsteady(self) -> list[str]:
        return [f"{r.variant.name} has a spread of {r.spread:.2f}" for r in self.results if not r.steady]

    def _measure(self, result: Result, turn: int) -> None:
        try:
            measured = result.process.ask({"measure": self.seconds}, self._patience())
        except RLPairError as error:
            self.say(str(error))
            self.results.remove(result)
            return
        result.repeats.append(measured)
        if len(result.repeats) > self.repeats:
            result.set_aside.append(result.repeats.pop(0))
        self.say(f"{result.variant.name}: {turn}/{max(turn, self.repeats)} {measured[RATE]:,.0f} env steps/s")

    def _checked(self, result: Result) -> Result:
        """Add the greedy return that it has learned to reach, where it is known what that ought to be."""
        check = CHECKS.get(result.variant.env)
        if check is None:
            return result
        if self.deadline.left() < check_seconds(result):
            self.say(f"{result.variant.name}: there is no time to check that it learns")
            return result
        try:
            value = result.process.ask({"check": check._asdict()}, self._patience())["return"]
        except RLPairError as error:
            self.say(str(error))
            return result
        missed = f"does NOT learn, {check.least:.0f} was to be reached: it is not reported"
        self.say(f"{result.variant.name}: return {value:.1f}, {'learns' if value >= check.least else missed}")
        return result._replace(greedy_return=value)


def check_seconds(result: Result) -> float:
    """Return the seconds to the first evaluation of its learning check."""
    check, last = CHECKS.get(result.variant.env), result.repeats[-1]
    steps = 0.0 if check is None else max(0.0, check.env_steps - (last["env_steps"] or 0.0))
    return steps * result.variant.num_seeds / max(last[RATE] or 0.0, 1e-9)
