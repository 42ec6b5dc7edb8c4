"""Records reach TensorBoard and metrics.jsonl: whole, strict, and cut where a run is resumed."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.runs import record as record_module
from rlpair.runs.record import JsonlWriter, TensorBoardWriter, truncate_metrics
from rlpair.types import Record

HPARAMS = {
    "seed": 3,
    "backend": "jax",
    "env_kwargs": {},
    "algo": {"learning_rate": 3e-4, "double_q": True, "net_arch": (256, 256), "max_grad_norm": None, "name": "dqn"},
}


def scalars(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by tag, as TensorBoard shows them."""
    events = EventAccumulator(str(run_dir)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def clock(monkeypatch):
    """The recorders' clock, moved by hand."""
    hand: Any = SimpleNamespace(now=100.0, perf_counter=lambda: hand.now, time=lambda: 1_700_000_000 + hand.now)
    monkeypatch.setattr(record_module, "time", hand)
    return hand


# TensorBoard


def test_tensorboard_reads_the_values_at_env_steps(tmp_path):
    with TensorBoardWriter(tmp_path, HPARAMS) as writer:
        writer.write(Record(250, {"loss/critic": 0.5, "eval/mean_return": -1034.25}))
        writer.write(Record(500, {"loss/critic": 0.25}))
        writer.write(Record(500, {}, checkpoint=True))
    assert scalars(tmp_path) == {"train/loss/critic": [(250, 0.5), (500, 0.25)], "eval/mean_return": [(250, -1034.25)]}


def test_tensorboard_opens_eval_and_rollout_its_first_two_groups(tmp_path):
    groups = ("loss", "train", "throughput", "rollout", "eval", "seed_5/rollout")
    with TensorBoardWriter(tmp_path, HPARAMS) as writer:
        writer.write(Record(250, {f"{group}/x": 1.0 for group in groups}))
    assert sorted({tag.split("/")[0] for tag in scalars(tmp_path)})[:2] == ["eval", "rollout"]


def test_tensorboard_has_the_hyperparameters_by_flat_name(tmp_path):
    TensorBoardWriter(tmp_path, HPARAMS).close()
    events = EventAccumulator(str(tmp_path)).Reload()
    # No description of an experiment: TensorBoard gathers the columns from all runs, so dqn and sac stand side by side.
    assert list(events.PluginTagToContent("hparams")) == [metadata.SESSION_START_INFO_TAG]
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    hparams = metadata.parse_session_start_info_plugin_data(content).hparams
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in hparams.items()} == {
        "seed": 3,
        "backend": "jax",
        "algo.learning_rate": 3e-4,
        "algo.double_q": True,
        "algo.net_arch": "[256, 256]",
        "algo.max_grad_norm": "null",
        "algo": "dqn",
    }


def test_tensorboards_table_begins_with_algo_backend_env_seed(tmp_path):
    others = [{"algo": {"name": "sac", "ent_coef": "auto", "gamma": 0.9}, "env": "", "compile": False}]
    TensorBoardWriter(tmp_path, HPARAMS, others=others, metrics=["eval/final_mean_return"]).close()
    events = EventAccumulator(str(tmp_path)).Reload()
    content = events.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    # TensorBoard sorts the columns: those that differ before others, then by name.
    columns = sorted(experiment.hparam_infos, key=lambda info: (not info.differs, info.name))
    assert [info.name for info in columns][:5] == ["algo", "backend", "env", "seed", "algo.double_q"]
    text, number, flag = api_pb2.DATA_TYPE_STRING, api_pb2.DATA_TYPE_FLOAT64, api_pb2.DATA_TYPE_BOOL
    types = {info.name: info.type for info in columns}
    assert types["algo"] == types["algo.net_arch"] == types["algo.ent_coef"] == text
    assert types["seed"] == types["algo.gamma"] == number
    assert types["compile"] == types["algo.double_q"] == flag
    assert [info.name.tag for info in experiment.metric_infos] == ["eval/final_mean_return"]


def test_tensorboard_forgets_what_came_after_the_checkpoint(tmp_path, monkeypatch):
    with TensorBoardWriter(tmp_path, HPARAMS) as writer:
        for step in (500, 1000, 1001, 1500):
            writer.write(Record(step, {"loss/critic": 1.0}))
    now = time.time() + 2  # files are read by the second in their names
    monkeypatch.setattr(time, "time", lambda: now)
    with TensorBoardWriter(tmp_path, HPARAMS, start_step=1000) as writer:
        writer.write(Record(1100, {"loss/critic": 2.0}))
    assert scalars(tmp_path) == {"train/loss/critic": [(500, 1.0), (1000, 1.0), (1100, 2.0)]}


def test_tensorboard_events_are_in_the_file_at_a_checkpoint(tmp_path):
    with TensorBoardWriter(tmp_path, HPARAMS) as writer:
        writer.write(Record(1, {"loss/critic": 1.0}))
        writer.write(Record(2, {"loss/critic": 2.0}, checkpoint=True))
        assert scalars(tmp_path) == {"train/loss/critic": [(1, 1.0), (2, 2.0)]}


def test_tensorboard_events_are_in_the_file_every_ten_seconds(tmp_path, clock):
    with TensorBoardWriter(tmp_path, HPARAMS) as writer:
        clock.now += 9.9
        writer.write(Record(1, {"loss/critic": 1.0}))
        assert scalars(tmp_path) == {}
        clock.now += 0.2
        writer.write(Record(2, {"loss/critic": 2.0}))
        assert scalars(tmp_path) == {"train/loss/critic": [(1, 1.0), (2, 2.0)]}
        writer.write(Record(3, {"loss/critic": 3.0}))
        assert scalars(tmp_path) == {"train/loss/critic": [(1, 1.0), (2, 2.0)]}


@pytest.mark.parametrize("use", ["", "rlpair.runs.record.TensorBoardWriter('.', {}).close()"])
def test_no_framework_is_imported(tmp_path, use):
    code = f"import rlpair.runs.record, sys; {use}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    root = Path(record_module.__file__).parents[2]
    env = {"PYTHONPATH": str(root), "PATH": ""}
    out = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env=env, text=True)
    loaded = set(out.split())
    assert loaded & {"torch", "jax", "tensorflow", "rich"} == set()
    assert ("tensorboard" in loaded) == bool(use)


# metrics.jsonl


def test_jsonl_is_one_flat_object_a_line_there_at_once(tmp_path, clock):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    clock.now += 1.25
    writer.write(Record(250, {"loss/critic": 0.5, "train/alpha": 1e-300}))
    writer.write(Record(250, {}, checkpoint=True))
    assert path.read_text() == '{"env_steps": 250, "loss/critic": 0.5, "train/alpha": 1e-300, "seconds": 1.25}\n'
    writer.close()
    writer.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_jsonl_is_strict(tmp_path, value):
    with JsonlWriter(tmp_path / "metrics.jsonl") as writer:
        writer.write(Record(250, {"loss/critic": 0.5}))
        with pytest.raises(NonFiniteError, match=f"^loss/actor is {value} at env step 500$"):
            writer.write(Record(500, {"loss/critic": 0.5, "loss/actor": value}))
    assert [line["env_steps"] for line in lines(tmp_path / "metrics.jsonl")] == [250]


def test_a_resumed_jsonl_is_cut_and_its_clock_goes_on(tmp_path, clock):
    path = tmp_path / "metrics.jsonl"
    with JsonlWriter(path) as writer:
        for step in (250, 500, 750):
            clock.now += 2
            writer.write(Record(step, {"loss/critic": float(step)}))
    assert truncate_metrics(path, 500) == 4.0
    clock.now += 1000
    with JsonlWriter(path, seconds=4.0) as writer:
        clock.now += 1
        writer.write(Record(600, {"loss/critic": 0.0}))
    assert [(line["env_steps"], line["seconds"]) for line in lines(path)] == [(250, 2.0), (500, 4.0), (600, 5.0)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("content", "kept", "seconds"),
    [
        ('{"env_steps": 1, "seconds": 0.5}\n{"env_steps": 2, "sec', '{"env_steps": 1, "seconds": 0.5}\n', 0.5),
        ('{"env_steps": 1, "seconds": 0.5}\n{"env_steps": 2', '{"env_steps": 1, "seconds": 0.5}\n', 0.5),
        ('{"env_steps": 1, "seconds": 0.5}', '{"env_steps": 1, "seconds": 0.5}\n', 0.5),
        ('{"env_steps": 9, "seconds": 0.5}\n', "", 0.0),
        ('{"env_steps": 5, "eval/final_mean_return": 1.0, "seconds": 0.5}\n', "", 0.0),
        ("", "", 0.0),
    ],
)
def test_cut_repairs_what_a_kill_left(tmp_path, content, kept, seconds):
    path = tmp_path / "metrics.jsonl"
    path.write_text(content)
    assert truncate_metrics(path, 5) == seconds
    assert path.read_text() == kept


def test_what_is_no_record_is_not_cut(tmp_path):
    path, content = (
        tmp_path / "metrics.jsonl",
        '{"env_steps": 1, "seconds": 0.5}\nspoiled\n{"env_steps": 9, "seconds": 1}\n',
    )
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: line 2 is not a record: "):
        truncate_metrics(path, 5)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("metrics.jsonl", content)]


def test_cut_needs_no_file(tmp_path):
    assert truncate_metrics(tmp_path / "metrics.jsonl", 500) == 0.0
    assert list(tmp_path.iterdir()) == []
