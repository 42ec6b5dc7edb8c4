"""What stands where in a run's folder, name by name."""

from pathlib import Path

import pytest

from rlpair.disk.layout import RunDir, seed_folder, step_of


def test_every_path_in_a_runs_folder() -> None:
    run_dir = RunDir("some/run")
    assert {key: str(path) for key, path in vars(run_dir).items()} == {
        "path": "some/run",
        "config": "some/run/config.yaml",
        "metrics": "some/run/metrics.jsonl",
        "result": "some/run/result.json",
        "error": "some/run/error.txt",
        "lock": "some/run/.lock",
        "checkpoints": "some/run/checkpoints",
        "best": "some/run/checkpoints/best",
    }
    assert run_dir.step(20_000) == Path("some/run/checkpoints/step_20000")
    assert seed_folder(run_dir.step(5), 7) == Path("some/run/checkpoints/step_5/seed_7")


STEPS = {"step_0": 0, "step_20000": 20_000, "step_007": 7}
OTHERS = ("step_", "step_-1", "step_1x", ".step_5.old", "best", "seed_5")


@pytest.mark.parametrize(("name", "expected"), [*STEPS.items(), *((name, None) for name in OTHERS)])
def test_the_step_that_a_folder_names(name: str, expected: int | None) -> None:
    assert step_of(name) == expected
