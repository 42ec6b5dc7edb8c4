"""The current folder on Python's path: last, and only where the command line has named a module."""

import os
import sys
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
