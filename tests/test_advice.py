"""Advice by how rlpair is installed: from a folder, editable or not, from a wheel, from an index, not at all."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from rlpair import advice

SOURCES, INDEX = "pip install -e '.[box2d]'", "pip install 'rlpair[box2d]'"


class Installed(importlib.metadata.PathDistribution):
    """A distribution whose direct_url.json is given."""

    def __init__(self, direct_url: str | None) -> None:
        super().__init__(Path())
        self.direct_url = direct_url

    def read_text(self, filename: Any) -> str | None:
        assert filename == "direct_url.json"
        return self.direct_url


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        ('{"dir_info": {"editable": true}, "url": "file:///home/me/rlpair"}', SOURCES),
        ('{"dir_info": {}, "url": "file:///home/me/rlpair"}', SOURCES),
        ('{"archive_info": {}, "url": "file:///home/me/rlpair-0.1.0-py3-none-any.whl"}', INDEX),
        (None, INDEX),
    ],
    ids=["editable", "folder", "wheel", "index"],
)
def test_the_command_that_installs_an_extra(
    direct_url: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed(direct_url))
    assert advice.install_command("box2d") == expected


def test_where_it_is_not_installed_the_sources_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert advice.install_command("box2d") == SOURCES
