"""A plugin of pytest under coverage: what a line was run by is the test, with its parameters."""

import coverage
import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """From here on the lines are those of the item."""
    running = coverage.Coverage.current()
    assert running is not None, "run pytest by coverage run"
    running.switch_context(item.nodeid)
