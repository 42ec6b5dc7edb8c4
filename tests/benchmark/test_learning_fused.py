"""scripts/learning_fused.py: a run of its own process, and the page that is made of what it leaves."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "learning_fused.py"


@pytest.fixture
def script() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("learning_fused", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_of_the_runs_that_are_there(
    script: ModuleType, own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """15 of 16 seeds get 500 and one 100: the middle half is 500."""
    returns = {"dqn-fused": [500.0] * 15 + [100.0], "sac-fused": [-150.0] * 16}
    for name, scores in returns.items():
        result = {
            "returns": scores,
            "curve": [[10, 1.0, 0.0, 2.0], [20, 3.0, 2.0, 4.0]],
            "warm_up": [],
            "seconds": 90.0,
        }
        Path("out", name).mkdir(parents=True)
        Path("out", name, "result.json").write_text(json.dumps(result))
    Path("docs").mkdir()
    monkeypatch.setattr(sys, "argv", ["learning_fused", "--out", "out", "--docs", "docs"])
    script.main()
    row = "| DQN, CartPole-v1 | 16 | 50,000 | **500.0** (500.0 to 500.0) | 100.0, 500.0 | 475 |  | 90 |"
    assert row in capsys.readouterr().out.splitlines()
    page = Path("docs/learning_fused.md").read_text()
    assert page.startswith("# Many seeds in one compiled program (`mode=fused`)\n")
    assert row in page.splitlines()
    assert "\n- SAC: `algo.learning_rate=0.001`\n" in page
    assert Path("docs/learning_fused.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_run_leaves_what_the_page_is_made_of(
    script: ModuleType, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"total_timesteps": 2_000, "env": "CartPole-v1", "checkpoint_every": 0, "algo.learning_starts": 500}
    monkeypatch.setattr(script, "defaults", lambda algo, env: dict(short))
    monkeypatch.setattr(script, "RUNS", {"dqn-fused": ("dqn", "CartPole-v1", 2, "475")})
    monkeypatch.setattr(sys, "argv", ["learning_fused", "--run", "folder", "dqn-fused"])
    script.main()
    result = script.result_of(Path("folder"), "dqn-fused")
    assert len(result["returns"]) == 2
    assert [point[0] for point in result["curve"]] == list(range(100, 2_001, 100))
    assert all(low <= middle <= high for _, middle, low, high in result["curve"])
    assert script.table({"dqn-fused": result})[2].startswith("| DQN, CartPole-v1 | 2 | 2,000 | **")
