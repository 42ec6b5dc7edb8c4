"""python -m rlpair.compare: which framework is faster for this work, on this machine, and what limits it."""

import contextlib
import importlib.util
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rlpair.advice import install_command
from rlpair.cell import CHECKS, SETTINGS, Cell
from rlpair.cli import Command
from rlpair.compare_report import Result, console_table, draw, markdown, verdicts, write_tensorboard
from rlpair.config import ALGO_CONFIGS, check_choice
from rlpair.errors import ConfigError, MissingExtraError, RLPairError
from rlpair.interrupts import closing_on_interrupt
from rlpair.machine import has_gpu, machine, versions
from rlpair.make import backend_module
from rlpair.presets import defaults
from rlpair.saved_config import Values
from rlpair.workers import on_cores, usable_cores

MODES = {"eager": "torch", "compiled": "torch", "host": "jax", "fused": "jax", "seeds": "jax"}
COMPILED_ENVS = ("CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0")
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"num_envs": (1,), "num_seeds": (4,), "repeats": 3, "seconds": 1.0},
    "full": {"num_envs": (1, 8, 64), "num_seeds": (4, 16, 64), "repeats": 5, "seconds": 3.0},
}
FULL_BATCHES, FULL_NETS = (64, 1024), ((64, 64), (512, 512))  # beside the algorithm's own


@dataclass(frozen=True)
class CompareConfig:
    """Settings of ``python -m rlpair.compare``."""

    algo: tuple[str, ...] = ("dqn", "sac")
    """dqn, sac: a list."""
    backend: tuple[str, ...] = ("torch", "jax")
    """torch, jax: a list."""
    mode: tuple[str, ...] = ("eager", "compiled", "host", "fused", "seeds")
    """Of torch eager, compiled (torch.compile); of jax host (jitted), fused (the whole loop), seeds (many): a list."""
    device: tuple[str, ...] = ("cpu", "cuda")
    """cpu, cuda: a list; one that is not there is skipped with a line."""
    env: str | None = None
    """A Gymnasium id; null: CartPole-v1 for dqn, Pendulum-v1 for sac."""
    num_envs: tuple[int, ...] | None = None
    """Parallel environments: a list; null: the preset's. There is one update for each environment step."""
    batch_size: tuple[int, ...] | None = None
    """Transitions in a minibatch: a list; null: 128 for dqn, 256 for sac, and in the full preset 64 and 1024."""
    net_arch: tuple[Any, ...] | None = None
    """Hidden layers: a list of lists; null: [120,84] for dqn, [256,256] for sac, and in the full preset two more."""
    num_seeds: tuple[int, ...] | None = None
    """Seeds of mode seeds: a list; null: the preset's."""
    preset: str = "quick"
    """quick: three minutes on two cores. full: an hour or more; it varies one list at a time around its first value."""
    repeats: int | None = None
    """Measurements of each cell, the variants in turns; null: the preset's."""
    seconds: float | None = None
    """Of each measurement of a loop; null: the preset's."""
    out: str | None = None
    """Folder for compare.json, compare.png, compare.md and TensorBoard, new or empty; null makes runs/compare/TIME."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError("preset", self.preset, "one of " + ", ".join(PRESETS))
        for key, allowed in (("algo", tuple(ALGO_CONFIGS)), ("mode", tuple(MODES)), ("device", ("cpu", "cuda"))):
            for value in self._some(key):
                if value not in allowed:
                    raise ConfigError(key, value, "some of " + ", ".join(allowed))
        for backend in self._some("backend"):
            check_choice("backend", backend)
        for key in ("num_envs", "batch_size", "num_seeds"):
            for value in getattr(self, key) or ():
                if value < 1:
                    raise ConfigError(key, value, "whole numbers >= 1")
        for arch in self.net_arch or ():
            if not isinstance(arch, tuple | list) or not arch or not all(isinstance(x, int) and x >= 1 for x in arch):
                raise ConfigError("net_arch", arch, "lists of layer sizes >= 1, such as [[64,64],[256,256]]")
        if self.repeats is not None and self.repeats < 1:
            raise ConfigError("repeats", self.repeats, "a whole number >= 1")
        if self.seconds is not None and self.seconds <= 0:
            raise ConfigError("seconds", self.seconds, "a number > 0")
        out = self.out and Path(self.out)
        if out and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError("out", self.out, "a folder that is new or empty")

    def _some(self, key: str) -> Sequence[str]:
        values: Sequence[str] = getattr(self, key)
        if not values:
            raise ConfigError(key, list(values), "a list with something in it")
        return values

    def filled(self) -> "CompareConfig":
        """With the preset's values where there are none."""
        return replace(self, **{k: v for k, v in PRESETS[self.preset].items() if getattr(self, k) is None})


def grid(config: CompareConfig, devices: Mapping[str, Sequence[str]]) -> list[list[Cell]]:
    """The cells, workload by workload. ``devices``: each with the backends that compute there."""
    cells = []
    for algo, device in itertools.product(config.algo, devices):
        base = SETTINGS[algo]
        full = config.preset == "full"
        batches = config.batch_size or (base.batch_size, *(FULL_BATCHES if full else ()))
        nets = config.net_arch or (base.net_arch, *(FULL_NETS if full else ()))
        env = config.env or defaults(algo, None)["env"]
        axes = [config.num_envs or (), batches, nets]
        first = tuple(axis[0] for axis in axes)
        for point in itertools.product(*axes):
            if full and sum(a != b for a, b in zip(point, first, strict=True)) > 1:
                continue
            workload = variants(config, algo, env, device, point, is_first=point == first)
            cells.append([cell for cell in workload if cell.backend in devices[device]])
    return [workload for workload in cells if workload]


def variants(
    config: CompareConfig, algo: str, env: str, device: str, point: tuple[Any, ...], is_first: bool
) -> Iterator[Cell]:
    """The cells of one workload. Of many seeds there are several numbers only in the first."""
    for mode in config.mode:
        backend = MODES[mode]
        if backend not in config.backend or (mode in ("fused", "seeds") and env not in COMPILED_ENVS):
            continue
        seeds = (config.num_seeds or ()) if mode == "seeds" else (1,)
        for num_seeds in seeds if is_first else seeds[:1]:
            num_envs, batch_size, net_arch = point
            yield Cell(algo, env, backend, mode, device, num_envs, batch_size, net_arch, num_seeds)


class CellProcess:
    """A cell in a process of its own, on cores that are said; asked over its standard input."""

    def __init__(self, cell: Cell, cores: set[int]) -> None:
        """Builds the cell and waits until it stands. Raises RLPairError with what went wrong in it."""
        self.cell, self._errors = cell, tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process

        with on_cores(cores):  # which a new process inherits
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rlpair.cell"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        self.told = self.ask(cell._asdict())

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises RLPairError where it ended instead."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        if line := process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = process.wait()
        self._errors.seek(0)
        reason = (self._errors.read().strip().splitlines() or [f"exit code {code}"])[-1]
        self.close()
        raise RLPairError(f"{self.cell.name} on {self.cell.env} could not be measured: {reason}")

    def close(self) -> None:
        """End the process; again does nothing."""
        if not self._errors.closed:
            self._process.communicate()
            self._errors.close()


def measure(workload: list[Cell], config: CompareConfig, say: Any) -> list[Result]:
    """All variants of a workload, in turns: A B C A B C. What cannot be measured is said and left out."""
    all_cores, results = sorted(usable_cores()), list[Result]()
    with ExitStack() as stack:
        for cell in workload:
            share = all_cores if cell.mode == "seeds" else all_cores[: min(4, cell.config.threads)]
            say(f"{cell.name}: begins")
            try:
                process = CellProcess(cell, set(share))
            except RLPairError as error:
                say(str(error))
                continue
            stack.callback(process.close)
            results.append(Result(cell, len(share), process, [], None, **process.told))
        for repeat in range(config.repeats or 1):
            for result in list(results):
                try:
                    measured = result.process.ask({"measure": config.seconds})
                except RLPairError as error:
                    say(str(error))
                    results.remove(result)
                    continue
                result.repeats.append(measured)
                rate = f"{measured['env_steps_per_second']:,.0f} env steps/s"
                say(f"{result.cell.name}: {repeat + 1}/{config.repeats} {rate}")
        return [checked(result, say) for result in results]


def checked(result: Result, say: Any) -> Result:
    """With the greedy return that it has learned to reach, where it is known what that ought to be."""
    if result.cell.env not in CHECKS:
        return result
    env_steps, least = CHECKS[result.cell.env]
    value = result.process.ask({"check": env_steps})["return"]
    verdict = "learns" if value >= least else f"does NOT learn, {least:.0f} was to be reached: it is not reported"
    say(f"{result.cell.name}: return {value:.1f} after {env_steps:,} env steps, {verdict}")
    return result._replace(greedy_return=value)


def present(devices: Sequence[str], backends: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The devices that are there, each with the backends that find it; what is skipped is said on stderr."""
    found = {}
    for device in devices:
        having = tuple(backend for backend in backends if device == "cpu" or finds_gpu(backend))
        if having:
            found[device] = having
        for backend in backends if having else ():
            if backend not in having:
                print(f"rlpair: device={device} is skipped in backend={backend}: it finds no GPU here", file=sys.stderr)
        if not having:
            print(f"rlpair: device={device} is skipped: there is no GPU here", file=sys.stderr)
    if not found:
        raise ConfigError("device", list(devices), "one that is here, such as cpu")
    return found


def finds_gpu(backend: str) -> bool:
    """Whether it does; why it could not be asked is said on stderr."""
    try:
        return has_gpu(backend)
    except RLPairError as error:
        print(f"rlpair: {error}", file=sys.stderr)
        return False


def task(values: Values, given: set[str]) -> int:
    """Measure and show. Returns 0, or 1 where a cell was left out, or 130 where Ctrl-C ended it."""
    config = CompareConfig(**values).filled()
    for backend in config.backend:
        backend_module("agent", backend)  # says now what is not installed
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(f"compare needs matplotlib, which is not installed: {install_command('compare')}")
    began, workloads = time.perf_counter(), grid(config, present(config.device, config.backend))
    if not workloads:
        raise ConfigError("mode", list(config.mode), f"one that backend={list(config.backend)} has on this environment")
    out = Path(config.out or f"runs/compare/{time.strftime('%Y%m%d-%H%M%S')}")
    out.mkdir(parents=True, exist_ok=True)
    results, code = list[Result](), 0
    try:
        for number, workload in enumerate(workloads, 1):

            def say(text: str, head: str = f"[{number}/{len(workloads)}] {describe(workload[0])}") -> None:
                print(f"{head}: {text}", file=sys.stderr, flush=True)

            with closing_on_interrupt():
                results += measure(workload, config, say)
    except KeyboardInterrupt:
        print("rlpair: stopped; what has been measured to its end is reported", file=sys.stderr)
        code = 130
    show(results, config, out, time.perf_counter() - began)
    complete = sum(result.sound for result in results) == sum(map(len, workloads))
    return code or int(not complete)


def show(results: Sequence[Result], config: CompareConfig, out: Path, seconds: float) -> None:
    """Write and print all of it."""
    head = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "versions": versions(), "seconds": seconds}
    cells = [result.record() for result in results]
    (out / "compare.json").write_text(json.dumps(head | {"config": asdict(config), "cells": cells}, indent=1) + "\n")
    if sound := [result for result in results if result.sound]:
        sentences = verdicts(sound)
        (out / "compare.md").write_text(markdown(sound, sentences, head))
        write_tensorboard(sound, out)
        draw(sound, out / "compare.png")
        console_table(sound)
        print("\n".join(sentences))
    print(f"all in {out}, {seconds:.0f} s")


def describe(cell: Cell) -> str:
    """Of the workload: dqn CartPole-v1, 1 env, batch 128, 120-84, cpu."""
    layers = "-".join(map(str, cell.net_arch))
    return f"{cell.algo} {cell.env}, {cell.num_envs} env, batch {cell.batch_size}, {layers}, {cell.device}"


def main() -> None:
    """The command; exits with its code."""
    sys.exit(Command("compare", CompareConfig, task).main())


if __name__ == "__main__":
    main()
