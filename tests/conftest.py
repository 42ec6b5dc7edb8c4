"""What every test stands on: strict frameworks, no screen, a folder of its own to write into."""

import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# Read when the packages are imported, here and in every process that a test starts.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["MPLBACKEND"] = "agg"
os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # of a GPU's memory, which two frameworks share
if os.environ.get("RLPAIR_TEST_DEVICE", "cpu") == "cpu":  # as if there were no GPU here
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
# What JAX has compiled in one test, in any process, it does not compile in another.
os.environ |= {"JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="rlpair-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, in each of which torch would take every core
    importlib.import_module("torch").set_num_threads(1)

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts in an empty folder: what it writes by a relative path never lands in the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes with one thread: the products of small networks only wait for a second."""
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., str]:
    """``run_python("-m", "rlpair.train", ...)``: what a fresh interpreter prints, its warnings being errors.

    Where tests run side by side, torch computes there with one thread too.
    """

    def run(*arguments: str) -> str:
        command = [sys.executable, "-W", "error", *arguments]
        environment = os.environ | ({"OMP_NUM_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {})
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``command("train", "algo=dqn", ...)``, in this process: exit code, stdout and stderr."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [f"rlpair.{name}", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            importlib.import_module(f"rlpair.{name}").main()
        return (int(str(exit_info.value.code)), *capsys.readouterr())

    return run
