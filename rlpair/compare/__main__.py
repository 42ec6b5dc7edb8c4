"""python -m rlpair.compare: which framework is faster for this work, on this machine, and what limits it."""

import importlib.util
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rlpair.advice import install_command
from rlpair.cli.command import Command
from rlpair.compare.figure import draw
from rlpair.compare.grid import CompareConfig, check_envs, grid, present
from rlpair.compare.report import console_table, markdown, write_tensorboard
from rlpair.compare.result import Result
from rlpair.compare.turns import Deadline, Turns
from rlpair.compare.variant import Variant
from rlpair.compare.verdicts import verdicts
from rlpair.disk import files
from rlpair.errors import ConfigError, MissingExtraError, RLPairError, reason
from rlpair.make import backend_module
from rlpair.runs.saved_config import Values
from rlpair.system.interrupts import closing_on_interrupt
from rlpair.system.machine import machine, versions


def task(values: Values, given: set[str]) -> int:
    """Measure and show. Returns 0, or 1 where a variant or a learning check was left out, or 130 after Ctrl-C."""
    asked, began = CompareConfig(**values), time.monotonic()
    config, deadline = asked.filled(), Deadline(began + asked.limit)
    for backend in config.backend:
        backend_module("agents.agent", backend)  # says now what is not installed
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(f"compare needs matplotlib, which is not installed: {install_command('compare')}")
    encoders = check_envs(config)
    workloads = grid(config, present(config.device, config.backend), encoders)
    if not workloads:
        raise ConfigError("mode", list(config.mode), f"one that backend={list(config.backend)} has on this environment")
    out, made = make_out(config.out)
    results, code = list[Result](), 0
    try:
        for number, workload in enumerate(workloads):

            def say(text: str, head: str = f"[{number + 1}/{len(workloads)}] {workload_line(workload[0])}") -> None:
                print(f"{head}: {text}", file=sys.stderr, flush=True)

            part = deadline.share(len(workloads) - number)
            with closing_on_interrupt():
                results += Turns(config.repeats or 1, config.seconds or 1.0, say, part).measure(workload)
    except KeyboardInterrupt:
        print("rlpair: stopped; what has been measured to its end is reported", file=sys.stderr)
        code = 130
    show(results, config, out, time.monotonic() - began, made)
    complete = sum(result.sound and not result.unchecked for result in results) == sum(map(len, workloads))
    return code or int(not complete)


def make_out(out: str | None) -> tuple[Path, list[Path]]:
    """Make the folder for what is found; return it and the folders above that were made. Raises ConfigError."""
    path = Path(out or f"runs/compare/{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        made = files.make_folders(path)
        try:
            tempfile.TemporaryFile(dir=path).close()
            curves = path / "tensorboard"
            for folder in [curves, *(curves / name for name in files.names(curves))]:
                files.is_folder(folder)  # no link is followed
        except OSError:
            files.remove_empty(made)
            raise
    except OSError as error:
        raise ConfigError("out", str(path), f"a folder that can be written to: {reason(error)}") from error
    return path, made


def remove_out(out: Path, made: Sequence[Path]) -> None:
    """Remove what was written into a folder that was empty, so that the next comparison can have it."""
    for name in ("compare.json", "compare.md", "compare.png"):
        files.discard(out / name)
    shutil.rmtree(out / "tensorboard", ignore_errors=True)
    files.remove_empty(made)


def show(
    results: Sequence[Result], config: CompareConfig, out: Path, seconds: float, made: Sequence[Path] = ()
) -> None:
    """Write and print all of it. Raises RLPairError where it cannot be written; then it is printed all the same, and
    ``out`` is as it was before: empty, or not there if it is among the folders that were ``made``.
    """
    head = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "versions": versions(), "seconds": seconds}
    sound = [result for result in results if result.sound]
    sentences = verdicts(sound)
    found = head | {"config": asdict(config), "cells": [result.record() for result in results]}
    last, problem = f"all in {out}, {seconds:.0f} s", None
    try:
        files.write(out / "compare.json", (json.dumps(found, indent=1) + "\n").encode())
        if sound:
            files.write(out / "compare.md", markdown(sound, sentences, head).encode())
            write_tensorboard(sound, out)
            draw(sound, out / "compare.png")
    except OSError as error:
        problem = RLPairError(f"{error.filename or out}: {reason(error)}; nothing is kept in {out}")
        remove_out(out, made)
    console_table(sound)
    print("\n".join([*sentences, *([] if problem else [last])]))
    if problem:
        raise problem


def workload_line(variant: Variant) -> str:
    """Describe a workload: dqn CartPole-v1, 1 env, batch 128, 120-84, cpu."""
    what = f"batch {variant.batch_size}, {variant.network}, {variant.device}"
    return f"{variant.algo} {variant.env}, {variant.num_envs} env, {what}"


def main() -> None:
    """Run the command; exit with its code."""
    sys.exit(Command("compare", CompareConfig, task).main())


if __name__ == "__main__":
    main()
