"""Files of a run that a stranger wrote: refused in one line, or read; never a traceback, a hang, or gigabytes."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import config_of
from spoiled_runs import CASES, READERS, Run, mutated, reads, spoiled, spoiled_tensors, stop_before_training

from rlpair.train import train

SHORT = {"total_timesteps": 200, "eval_episodes": 1, "eval_every": 0, "checkpoint_every": 0}


@pytest.fixture(scope="module", autouse=True)
def nothing_trains():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.fixture(scope="module", params=["dqn", "sac"])
def run(request, tmp_path_factory, nothing_trains) -> Run:
    folder = tmp_path_factory.mktemp("hostile") / "run"
    nothing_trains.undo()
    train(config_of(request.param, "torch", run_dir=str(folder), **SHORT))
    stop_before_training(nothing_trains)
    return Run(folder)


def share(cases: int) -> int:
    """How many cases of a kind, of which so many belong to 1,320 cases in all."""
    return max(1, round(cases * CASES / 1_320))


def check(run: Run, name: str, content: bytes) -> None:
    run_dir = run.spoil({name: content})
    for read in READERS[name]:
        reads(read, run_dir)


@pytest.mark.parametrize("name", READERS)
def test_the_untouched_run_is_read(run: Run, name: str) -> None:
    run_dir = run.spoil({})
    assert [reads(read, run_dir) for read in READERS[name]] == [None] * len(READERS[name])


@pytest.mark.parametrize(("name", "cases"), [("agent.json", 80), ("run.json", 120), ("result.json", 60)])
def test_json(run: Run, name: str, cases: int) -> None:
    document = json.loads(run.of(name))

    @settings(max_examples=share(cases))
    @given(mutated(document).map(lambda x: json.dumps(x).encode()))
    def fuzz(content: bytes) -> None:
        check(run, name, content)

    fuzz()


def test_yaml(run: Run) -> None:
    document = yaml.safe_load(run.of("config.yaml"))

    @settings(max_examples=share(80))
    @given(mutated(document).map(lambda x: yaml.safe_dump(x).encode()))
    def fuzz(content: bytes) -> None:
        check(run, "config.yaml", content)

    fuzz()


def test_jsonl(run: Run) -> None:
    lines = run.of("metrics.jsonl").splitlines()

    @settings(max_examples=share(40))
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        changed = list(lines)
        at = data.draw(st.integers(0, len(lines) - 1))
        changed[at] = json.dumps(data.draw(mutated(json.loads(lines[at])))).encode()
        check(run, "metrics.jsonl", b"\n".join(changed) + b"\n")

    fuzz()


@pytest.mark.parametrize(("name", "cases"), [("agent.safetensors", 50), ("replay.safetensors", 50)])
def test_tensors(run: Run, name: str, cases: int) -> None:
    @settings(max_examples=share(cases))
    @given(spoiled_tensors(run.of(name)))
    def fuzz(content: bytes) -> None:
        check(run, name, content)

    fuzz()


@pytest.mark.parametrize("name", READERS)
def test_bytes(run: Run, name: str) -> None:
    @settings(max_examples=share(20))
    @given(spoiled(run.of(name), list(run.files.values())))
    def fuzz(content: bytes) -> None:
        check(run, name, content)

    fuzz()
