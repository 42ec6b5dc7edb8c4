"""docs/learning.md and docs/learning_pixels.md are made of docs/results alone."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks import results_of, run_of

from rlpair.benchmark.results import save

SCRIPT = Path(__file__).parents[2] / "scripts" / "learning_page.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, called without arguments."""
    spec = importlib.util.spec_from_file_location("learning_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["learning_page"])
    return module


def test_the_page_has_all_results_and_says_where_they_are(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    suites = {"classic": "CartPole-v1", "mujoco": "Hopper-v5"}
    for suite, env in suites.items():
        folder = Path("docs/results", suite)
        folder.mkdir(parents=True)
        save(folder, results_of(*(run_of(env, b, s, [100.0]) for b in ("torch", "jax") for s in range(2))))
    script.main()
    assert capsys.readouterr().out == "8 runs: docs/learning.md\n"
    text = Path("docs/learning.md").read_text()
    assert text.startswith("# Learning\n")
    for part in ("## classic\n", "| CartPole-v1 (DQN) |", "## mujoco\n", "| Hopper-v5 (SAC) |", "(learning.png)"):
        assert part in text
    assert text.count("- `python -m rlpair.benchmark suite=classic`") == 2  # a call each
    assert text.endswith("from the raw numbers in [results](results).\n")
    assert Path("docs/learning.png").stat().st_size > 10_000


def test_without_results_nothing_is_written(script: ModuleType) -> None:
    Path("docs").mkdir()
    with pytest.raises(SystemExit, match=r"docs/results has no results\.json: python -m rlpair\.benchmark writes them"):
        script.main()
    assert not any(Path("docs").iterdir())


def test_the_page_of_images_is_what_its_raw_numbers_give(monkeypatch: pytest.MonkeyPatch) -> None:
    docs = SCRIPT.parents[1] / "docs"
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    pixels = importlib.import_module("learning_pixels")
    paths = {name: docs / "results" / "pixels" / f"{name}.json" for name in pixels.RUNS}
    results = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    assert (docs / "learning_pixels.md").read_text() == pixels.report(results)
    assert len(results) == len(list((docs / "results" / "pixels").iterdir()))
