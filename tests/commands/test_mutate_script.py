"""scripts/mutate.py, which plants bugs: what it says of one that is caught, and of tests that do not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "mutate.py"
BUG = "a replay of one transition of each environment is too small"

pytestmark = pytest.mark.slow


def plant(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--only", BUG]
    environment = {"TMPDIR": str(folder), "PYTEST_ADDOPTS": ""} | environment
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_a_bug_that_is_caught(tmp_path: Path) -> None:
    result = plant(tmp_path)
    caught, summary = result.stdout.splitlines()
    assert caught.startswith(f"{BUG}, config.py: test_config.py::test_values_that_are_just_allowed (")
    assert summary.startswith("1 of 1 planted bugs caught in ")
    assert result.returncode == 0, result.stderr
    assert not list(tmp_path.iterdir())  # and nothing in a folder of pytest's that processes share, and take away


def test_tests_that_do_not_run_are_no_catch(tmp_path: Path) -> None:
    result = plant(tmp_path, PYTEST_ADDOPTS="--no-such-option")
    assert f"{BUG}: the tests did not run, exit code 4:" in result.stderr
    assert "unrecognized arguments: --no-such-option" in result.stderr
    assert (result.returncode, result.stdout) == (1, "")


def test_an_exception_beside_the_tests_is_no_catch_and_is_told(tmp_path: Path) -> None:
    """As where pytest cannot clean up: the report, which it would have written afterwards, is lost."""
    (tmp_path / "beside.py").write_text("def pytest_sessionfinish(session):\n    raise OSError('gone already')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    result = plant(tmp_path, PYTHONPATH=path, PYTEST_ADDOPTS="-p beside")
    assert f"{BUG}: the tests did not run, exit code 1:\nFTraceback (most recent call last):\n" in result.stderr
    assert "\nOSError: gone already\n" in result.stderr
    assert (result.returncode, result.stdout) == (1, "")
