"""Algorithms by name: those that are not there, and those of one backend."""

from dataclasses import replace
from pathlib import Path

import pytest

from rlpair.algos.registry import find, names, registered
from rlpair.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ppo", "algo='ppo' is not allowed: one of dqn, sac"),
        ("x" * 9999, f"algo='{'x' * 499}... is not allowed: one of dqn, sac"),
        (5, "algo=5 is not allowed: one of dqn, sac"),
        ("nosuch:dqn", "algo='nosuch:dqn' is not allowed: there is no module nosuch"),
        ("nosuch.inner:dqn", "algo='nosuch.inner:dqn' is not allowed: there is no module nosuch"),
        ("rlpair.nosuch:dqn", "algo='rlpair.nosuch:dqn' is not allowed: there is no module rlpair.nosuch"),
        ("rlpair.algos.dqn:ppo", "algo='rlpair.algos.dqn:ppo' is not allowed: one of dqn, sac"),
    ],
)
def test_an_algorithm_that_is_not_there_is_one_line(name: object, line: str) -> None:
    assert names() == ("dqn", "sac")
    with pytest.raises(ConfigError) as error:
        find(name)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("import nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
        ("raise ValueError('boom')", "ValueError: boom"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("def (", "SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)
def test_an_algorithm_whose_module_fails_is_one_line(
    code: str, raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as error:
        find("broken:own")
    assert str(error.value) == f"algo='broken:own' is not allowed: importing broken raised {raised}"


def test_ctrl_c_while_an_algorithm_is_imported_is_not_its_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        find("slow:own")


def test_what_an_algorithms_own_learner_misses_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow_torch.py").write_text("import nosuch")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nosuch'"):
        replace(find("dqn"), module="hollow").make_learner("torch")


def test_an_algorithm_of_one_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_torch.py").write_text("make_learner = len")
    monkeypatch.syspath_prepend(tmp_path)
    lonely = replace(find("dqn"), module="lonely")
    assert lonely.make_learner("torch") is len
    with pytest.raises(ConfigError) as error:
        lonely.make_learner("jax")
    assert str(error.value) == "backend='jax' is not allowed: one that algo=dqn has: there is no lonely_jax"


def test_a_name_in_a_file_imports_nothing() -> None:
    assert registered("dqn") is find("dqn")
    assert [registered(name) for name in ("ppo", "nosuch:dqn", None, 5)] == [None] * 4
