"""What is shipped: one package, one version, pins that fit their ranges, and links that only readers use."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rlpair

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PINS = dict(line.split("==") for line in LINES if not line.startswith("#"))
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = sorted({Requirement(r) for rs in [PROJECT["dependencies"], *EXTRAS.values()] for r in rs}, key=str)


def test_there_is_one_version() -> None:
    assert importlib.metadata.version("rlpair") == rlpair.__version__
    assert f"## {rlpair.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_only_the_package_is_built_and_it_says_that_it_is_typed() -> None:
    targets = PYPROJECT["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"] == {"packages": ["rlpair"]}
    assert targets["sdist"]["only-include"][0] == "rlpair"
    assert (ROOT / "rlpair" / "py.typed").is_file()


def test_the_extras_are_those_that_the_documents_name() -> None:
    for_use = {"torch", "jax", "video", "plot", "compare", "benchmark", "tune", "all"}
    of_environments = {"box2d", "mujoco", "gymnax", "brax", "atari", "minatar", "envpool"}
    assert set(EXTRAS) == for_use | of_environments | {"peers", "test"}
    assert PROJECT["scripts"] == {"rlpair": "rlpair.__main__:main", "rlpair-train": "rlpair.train:main"}


@pytest.mark.parametrize("requirement", [r for r in REQUIREMENTS if r.name != "rlpair"], ids=str)
def test_what_was_tested_lies_in_the_range_that_is_promised(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[requirement.name])


def test_the_readme_gives_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "pip install -c constraints.txt -e '.[all]' && python -m rlpair.train algo=sac backend=jax" in lines
    assert "pip install -c constraints.txt -e '.[all,test]' && python -m pytest -n auto --dist worksteal" in lines


@pytest.mark.parametrize("room", ["algos", "envs"])
def test_the_root_links_lead_into_the_package(room: str) -> None:
    assert (ROOT / room).is_symlink()
    assert (ROOT / room).readlink() == Path("rlpair") / room
