"""The current folder on Python's path: last, and only where the command line has named a module."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlpair.system.safe_path import add_current_folder


def test_a_module_of_the_current_folder_hides_no_other(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    monkeypatch.setenv("PYTHONPATH", "earlier")
    for _ in range(2):  # once is enough
        add_current_folder()
        assert sys.path == [*before, str(own_folder)]
        assert os.environ["PYTHONPATH"] == f"earlier{os.pathsep}{own_folder}"  # of the processes that this one starts


@pytest.mark.parametrize(
    ("name", "argument", "line"),
    [
        ("train", "algo=nothing_in_it:own", "algo='nothing_in_it:own' is not allowed: one of dqn, sac"),
        ("parity", "algo=[nothing_in_it:own]", "algo='nothing_in_it:own' is not allowed: one of dqn, sac"),
        ("train", "env=nothing_in_it:Own-v0", "env=nothing_in_it:Own-v0 is not registered: "),
        ("train", "algo=own", "algo='own' is not allowed: one of dqn, sac"),
    ],
)
def test_a_module_of_the_current_folder_may_bring_an_algorithm_or_an_environment(
    name: str,
    argument: str,
    line: str,
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.setattr(sys, "path", before := list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "earlier")
    monkeypatch.delitem(sys.modules, "nothing_in_it", raising=False)
    Path("nothing_in_it.py").touch()
    code, out, err = command(name, argument)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"rlpair: {line}")
    assert (str(own_folder) in before) == (":" in argument)
