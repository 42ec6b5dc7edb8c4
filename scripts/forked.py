"""Runs tests against changes of the package, each in a process forked from one that has imported the frameworks."""

import contextlib
import gc
import importlib
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from multiprocessing import process
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("rlpair", "tests", "scripts", "examples", "docs", "README.md", "CONTRIBUTING.md", "pyproject.toml")
WARM = ["chex", "flax.struct", "gymnasium", "hydra", "hypothesis", "optax", "pydantic", "rich.progress"]
WARM += ["safetensors.numpy", "torch.utils.tensorboard", "xdist.plugin", "pytest_timeout", "_hypothesis_pytestplugin"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}
ENVIRONMENT |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
ENVIRONMENT |= {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
CPU_LIMIT, LIMIT = 240, 480.0  # seconds of CPU and in all, after which a process counts as one that hangs
SURVIVED, HANGS, NONE_THERE = "SURVIVED", "hangs", "exit code 5"


class Mutant(NamedTuple):
    """A file of rlpair/ with one thing changed."""

    file: str
    operator: str
    text: str
    line: int
    before: str
    after: str


def found(test: str) -> str:
    """The path of a test file, or of a test in it, in the folder of its room."""
    file, *names = test.split("::")
    return "::".join([next((ROOT / "tests").rglob(file)).relative_to(ROOT).as_posix(), *names])


def warm_up(cache: str) -> None:
    """Import the frameworks; what JAX compiles goes into the folder ``cache``, whose key is the whole program."""
    os.environ |= ENVIRONMENT | {"JAX_COMPILATION_CACHE_DIR": cache}
    for module in WARM:  # once, for all
        importlib.import_module(module)
    gc.freeze()  # pytest collects garbage twice a run, and need not look at all of this


def copy_tree(folder: Path) -> None:
    """Copy the package and its tests."""
    for source in COPIED:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / source)


def tested(folder: Path, tests: list[str], *options: str) -> int:
    """In a process of its own: what pytest returns."""
    os.setpgid(0, 0)
    vars(process)["_parent_process"] = None  # tests ask whether they are in a worker: not in one of ours
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider"]
    own = ["--basetemp", str(folder / "tmp")]  # its usual one is shared by all processes, which race for it
    return int(pytest.main(["-x", "-q", *quiet, *own, *options, *tests]))


@contextlib.contextmanager
def written(texts: Mapping[Path, str]) -> Iterator[None]:
    """While it lasts, the files have these texts."""
    originals = {path: path.read_text() for path in texts}
    try:
        for path, text in texts.items():
            path.write_text(text)
        yield
    finally:
        for path, text in originals.items():
            path.write_text(text)


def status_of(child: int) -> int | None:
    """The exit status of a child, which leads a group of its own; None where it went on for too long."""
    end, status = time.monotonic() + LIMIT, None
    try:
        while status is None and time.monotonic() < end:
            time.sleep(0.02)
            ended, code = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(code) if ended else None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # with what it started
        if status is None:
            os.waitpid(child, 0)
    return status


def outcome(folder: Path, texts: Mapping[str, str], tests: list[str], *options: str) -> str:
    """Which of the tests fails where these files of rlpair/ have these texts; "hangs", or "SURVIVED"."""
    with written({folder / "rlpair" / file: text for file, text in texts.items()}):
        if not (child := os.fork()):
            try:
                os._exit(tested(folder, tests, *options))
            except BaseException:  # noqa: BLE001, what it is stands in the log
                traceback.print_exc()
            finally:
                os._exit(1)
        status = status_of(child)
    if status in (None, -signal.SIGXCPU, -signal.SIGKILL):
        return HANGS
    log = (folder / "log").read_text(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) tests/\S*?(test_\S+)", log, re.M)
    if status == 0 and re.search(r"^\d+ \w+.* in [\d.]+s", log, re.M):  # and not a test that ended all
        return SURVIVED
    return failed[1] if failed else f"exit code {status}"


def first_outcome(folder: Path, texts: Mapping[str, str], tests: list[str], *options: str) -> str:
    """The outcome of the first test file that sees it, each in a process of its own; "SURVIVED" where none does."""
    for _, group in groupby(tests, lambda test: test.partition("::")[0]):
        if (what := outcome(folder, texts, list(group), *options)) not in (SURVIVED, NONE_THERE):
            return what
    return SURVIVED


def run(mutants: Iterable[Mutant], tests_of: Callable[[Mutant], list[str]]) -> Counter[str]:
    """Tests each in a copy of the tree, and prints what came of it; returns how many of each kind."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(f"{folder}/cache")
        copy_tree(folder)
        for mutant in mutants:
            tests, texts = tests_of(mutant), {mutant.file: mutant.text}
            what = first_outcome(folder, texts, tests, "-m", "not slow") if tests else "NEVER RUN"
            counts[what if what in (SURVIVED, "NEVER RUN", HANGS) else "killed"] += 1
            where = f"{mutant.file}:{mutant.line} {mutant.operator}"
            print(f"{what} | {where} | {mutant.before} -> {mutant.after}", flush=True)
    return counts
