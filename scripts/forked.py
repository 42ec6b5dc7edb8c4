"""Runs tests against mutants of the package, each in a process forked from one that has imported the frameworks."""

import contextlib
import importlib
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from mutate import COPIED, ROOT

WARM = ("chex", "gymnasium", "optax", "pydantic", "torch.utils.tensorboard")  # imported once, for all
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}
ENVIRONMENT |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
ENVIRONMENT |= {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
CPU_LIMIT, LIMIT = 120, 480.0  # seconds of CPU and in all, after which a mutant counts as one that hangs


class Mutant(NamedTuple):
    """A file of rlpair/ with one thing changed."""

    file: str
    operator: str
    text: str
    line: int
    before: str
    after: str


def tested(folder: Path, tests: list[str]) -> int:
    """In a process of its own: what pytest returns."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider"]
    return int(pytest.main(["-x", "-q", "-m", "not slow", *quiet, *tests]))


def outcome(folder: Path, mutant: Mutant, tests: list[str]) -> str:
    """Which of the tests killed it; "hangs", or "SURVIVED"."""
    path = folder / "rlpair" / mutant.file
    original = path.read_text()
    path.write_text(mutant.text)
    if not (child := os.fork()):
        try:
            os._exit(tested(folder, tests))
        finally:
            os._exit(1)
    end, status = time.monotonic() + LIMIT, None
    while status is None and time.monotonic() < end:
        time.sleep(0.02)
        ended, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if ended else None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # with what it started
    if status is None:
        os.waitpid(child, 0)
    path.write_text(original)
    if status in (None, -signal.SIGXCPU, -signal.SIGKILL):
        return "hangs"
    failed = re.search(r"^(?:FAILED|ERROR) tests/\S*?(test_\S+)", (folder / "log").read_text(errors="replace"), re.M)
    return "SURVIVED" if status == 0 else failed[1] if failed else f"exit code {status}"


def run(mutants: Iterable[Mutant], tests_of: Callable[[Mutant], list[str]]) -> Counter[str]:
    """Tests each in a copy of the tree, and prints what came of it; returns how many of each kind."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= ENVIRONMENT | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}  # its key is the whole program
        for module in WARM:
            importlib.import_module(module)
        for source in COPIED:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, folder / source)
        for mutant in mutants:
            what = outcome(folder, mutant, tests) if (tests := tests_of(mutant)) else "NEVER RUN"
            counts[what if what in ("SURVIVED", "NEVER RUN", "hangs") else "killed"] += 1
            where = f"{mutant.file}:{mutant.line} {mutant.operator}"
            print(f"{what} | {where} | {mutant.before} -> {mutant.after}", flush=True)
    return counts
