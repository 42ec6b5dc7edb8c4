"""Ids of packages that register their environments when they are imported, and that nobody has imported."""

import sys
from pathlib import Path

import gymnasium as gym
import pytest

from rlpair.envs import families, registry
from rlpair.envs.families import Family
from rlpair.envs.registry import find_env
from rlpair.errors import EnvError

ARCADE = """
import gymnasium
gymnasium.register("Arcade/Pong-v5", "toy_envs:Counter")
"""
BY_ENTRY_POINT = """
import gymnasium
def register_envs():
    gymnasium.register("Tables/Chess-v0", "toy_envs:Counter")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, in it an ``arcade`` that Arcade/... comes with; all is forgotten at the end."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "arcade.py").write_text(ARCADE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(families, "_families", [Family("Arcade/.+", module="arcade", package="arcade-py")])
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.setattr(gym, "registry", gym.envs.registration.registry)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "arcade", raising=False)
    return folder


def write_tables(folder: Path) -> None:
    """A package that registers Tables/... by an entry point."""
    (folder / "tables.py").write_text(BY_ENTRY_POINT)
    (folder / "tables-1.0.dist-info").mkdir()
    (folder / "tables-1.0.dist-info/entry_points.txt").write_text("[gymnasium.envs]\nTables = tables:register_envs\n")


def refusal(env_id: str) -> str:
    with pytest.raises(EnvError) as error:
        find_env(env_id)
    return str(error.value)


def test_an_installed_package_is_imported(site: Path) -> None:
    assert find_env("Arcade/Pong-v5").id == "Arcade/Pong-v5"
    assert find_env("arcade:Arcade/Pong-v5").id == "Arcade/Pong-v5"
    assert refusal("Arcade/Pong-v9").startswith("env=Arcade/Pong-v9 is not registered: Environment version `v9` ")


def test_an_entry_point_of_the_namespace_is_called(site: Path) -> None:
    write_tables(site)
    assert find_env("Tables/Chess-v0").id == "Tables/Chess-v0"


def test_a_package_that_is_not_installed_is_named(site: Path) -> None:
    (site / "arcade.py").unlink()
    assert refusal("Arcade/Pong-v5") == (
        "env=Arcade/Pong-v5 is not registered: such ids come with arcade-py; "
        "pip install arcade-py, or give env=arcade:Arcade/Pong-v5"
    )


def test_the_current_folder_is_not_where_packages_are_installed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend("")  # as python -m has it
    (tmp_path / "arcade.py").write_text("raise SystemExit")
    assert "pip install arcade-py, or give env=arcade:" in refusal("Arcade/Pong-v5")
    write_tables(tmp_path)
    assert refusal("Tables/Chess-v0").startswith("env=Tables/Chess-v0 is not registered: Namespace Tables not found.")


@pytest.mark.parametrize(
    ("code", "raised"), [("raise SystemExit(0)", "SystemExit: 0"), ("1 / 0", "ZeroDivisionError: division by zero")]
)
def test_a_module_that_cannot_be_imported(code: str, raised: str, site: Path) -> None:
    (site / "arcade.py").write_text(code)
    assert refusal("arcade:My-v0") == f"env=arcade:My-v0 cannot be used: importing arcade raised {raised}"


@pytest.mark.parametrize(
    ("env_id", "package"),
    [
        ("MiniGrid-Empty-5x5-v0", "minigrid"),
        ("BabyAI-GoToObj-v0", "minigrid"),
        ("highway-fast-v0", "highway-env"),
        ("FetchReach-v4", "gymnasium-robotics"),
        ("AntMaze_UMaze-v5", "gymnasium-robotics"),
        ("PandaReach-v3", "panda-gym"),
    ],
)
def test_well_known_packages(env_id: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_is_installed", lambda module: False)
    assert f"such ids come with {package}; pip install {package}, or give env=" in refusal(env_id)


def test_gymnasiums_own_ids_are_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_import_plugin", lambda env_id, family: pytest.fail(env_id))
    assert find_env("HalfCheetah-v5").id == "HalfCheetah-v5"
