"""Checkpoints of a fused run that a stranger wrote: refused in one line, or read; never a traceback or a hang."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from runs import config_of
from safetensors.numpy import load, save
from spoiled_runs import CASES, DEFAULTS, Run, mutated, reads, spoiled, spoiled_tensors

from rlpair.runs.fused_run import FusedRun
from rlpair.runs.run import make_run
from rlpair.runs.saved_run import SavedRun, resolve_config
from rlpair.train import train

FUSED = {"mode": "fused", "eval_every": 0, "eval_episodes": 1, "checkpoint_every": 0, "total_timesteps": 100}
JSON, TENSORS = ["agent.json", "run.json"], ["agent.safetensors", "replay.safetensors"]


def share(cases: int) -> int:
    """How many cases of a kind, of which so many belong to 1,320 cases of the tests of host runs."""
    return max(1, round(cases * CASES / 1_320))


class Fused:
    """A run of two seeds, the second of whose folders is spoiled, and the loop that it is loaded into."""

    def __init__(self, folder: Path, loop: FusedRun) -> None:
        self.run, self.loop = Run(folder), loop
        self.run.step /= "seed_1"

    def check(self, name: str, content: bytes) -> str | None:
        """The line of the refusal, None where the run was loaded."""
        return reads(self.resume, self.run.spoil({name: content}))

    def resume(self, run_dir: Path) -> None:
        """As resume= of the command, into a loop that is compiled already."""
        values, saved = DEFAULTS | {"resume": str(run_dir)}, SavedRun(str(run_dir))
        saved.check(resolve_config(values, set(values), saved))
        self.loop.load(saved)


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "run"
    train(config := config_of("dqn", "jax", run_dir=str(folder), num_seeds=2, **FUSED))
    with ExitStack() as stack:
        yield Fused(folder, make_run(config, stack))


@pytest.mark.parametrize("name", JSON + TENSORS)
def test_the_untouched_run_is_read(fused: Fused, name: str) -> None:
    assert fused.check(name, fused.run.of(name)) is None


@pytest.mark.parametrize(("name", "cases"), [("agent.json", 60), ("run.json", 80)])
def test_json(fused: Fused, name: str, cases: int) -> None:
    document = json.loads(fused.run.of(name))

    @settings(max_examples=share(cases))
    @given(mutated(document).map(lambda x: json.dumps(x).encode()))
    def fuzz(content: bytes) -> None:
        fused.check(name, content)

    fuzz()


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(fused: Fused, name: str) -> None:
    @settings(max_examples=share(60))
    @given(spoiled_tensors(fused.run.of(name)))
    def fuzz(content: bytes) -> None:
        fused.check(name, content)

    fuzz()


@pytest.mark.parametrize("name", JSON + TENSORS)
def test_bytes(fused: Fused, name: str) -> None:
    @settings(max_examples=share(20))
    @given(spoiled(fused.run.of(name), list(fused.run.files.values())))
    def fuzz(content: bytes) -> None:
        fused.check(name, content)

    fuzz()


def test_a_part_of_an_environments_state_under_another_name_is_refused(fused: Fused) -> None:
    tensors = load(fused.run.of("replay.safetensors"))
    tensors["envs.stepz"] = tensors.pop("envs.steps")
    line = fused.check("replay.safetensors", save(tensors))
    path = fused.run.copy / fused.run.step / "replay.safetensors"
    assert line == f"{path}: the state lacks 'envs.steps' (1 of 10 names are missing)"
