"""What becomes of a training loop's records: TensorBoard's events, metrics.jsonl (and a progress bar: progress.py).

All know tags and numbers only, no algorithm and no backend. tensorboard is imported by who needs it first: importing
this module costs nothing and loads neither torch nor tensorflow.
"""

import io
import itertools
import json
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Self

from rlpair.disk import files
from rlpair.errors import NonFiniteError
from rlpair.runs.metrics import read_records
from rlpair.types import Record

FIRST = ("algo", "backend", "env", "seed")  # columns of TensorBoard's table
FINAL = "eval/final_"  # begins the tags of the evaluation at the end
FLUSH_SECONDS = 10.0
FILE_NUMBERS = itertools.count()  # of event files by this process


class Recorder:
    """Takes records until it is closed; a context manager closes it."""

    def write(self, record: Record) -> None:
        """Take one record; the loop's come with ``env_steps`` that never fall."""
        raise NotImplementedError

    def close(self) -> None:
        """Bring all records to their place. Closing again does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Close the recorder; where an exception ends the block, that one is raised, and not the disk's after it."""
        with suppress(OSError) if kind else nullcontext():
            self.close()


class TensorBoardWriter(Recorder):
    """Scalars at ``step=env_steps``, and the hyperparameters, in an event file of its own in the run's folder."""

    def __init__(
        self,
        run_dir: str | Path,
        hparams: Mapping[str, Any],
        start_step: int | None = None,
        *,
        others: Sequence[Mapping[str, Any]] = (),
        metrics: Sequence[str] = (),
    ) -> None:
        """
        Args:
            run_dir: made if it is not there.
            hparams: the configuration; nested mappings get flat names such as ``algo.learning_rate``, and their
                ``name`` that of the mapping.
            start_step: env_steps of the checkpoint that a run is resumed from: TensorBoard forgets what came after it.
            others: configurations of other runs, whose keys are columns of TensorBoard's table too.
            metrics: tags that are columns of the table; without any it has what TensorBoard finds.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        files.make_folders(Path(run_dir))
        now, self._event, self._buffer = time.time(), Event, io.BytesIO()
        self._put = RecordWriter(self._buffer).write
        name = f"events.out.tfevents.{int(now):010}.{socket.gethostname()}.{os.getpid()}.{next(FILE_NUMBERS):03}"
        self._file = files.Appender(Path(run_dir) / name, new=True)
        self._add(Event(wall_time=now, file_version="brain.Event:2"))
        if start_step is not None:
            restart = SessionLog(status=SessionLog.START)
            self._add(Event(wall_time=now, step=start_step + 1, session_log=restart))
        if metrics:
            columns = {key: value for values in (*others, hparams) for key, value in _flat(values).items()}
            self._add(Event(wall_time=now, summary=_table(columns, metrics)))
        self._add(Event(wall_time=now, summary=hparams_pb(_flat(hparams), start_time_secs=now)))
        try:
            self._flush()
        except OSError:
            self.discard()
            raise

    def write(self, record: Record) -> None:
        """Take the values; at a checkpoint, and every ten seconds, everything so far is in the file."""
        if record.values:
            event = self._event(wall_time=time.time(), step=record.env_steps)
            for tag, value in record.values.items():
                event.summary.value.add(tag=shown_tag(tag), simple_value=value)
            self._add(event)
        if record.checkpoint or time.time() >= self._next_flush:
            self._flush()

    def close(self) -> None:
        try:
            self._flush()
        finally:
            self._file.close()

    def discard(self) -> None:
        """Close it, and remove the file: nothing has happened."""
        self._file.close()
        files.discard(self._file.path)

    def _add(self, event: Any) -> None:
        self._put(event.SerializeToString())

    def _flush(self) -> None:
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()  # whether or not the disk takes it: it is not asked twice
        self._next_flush = time.time() + FLUSH_SECONDS
        if data:
            self._file.write(data)


def shown_tag(tag: str) -> str:
    """Rename loss/q to train/loss/q: TensorBoard opens the first two groups by name, which so are eval and rollout."""
    return f"train/{tag}" if tag.startswith("loss/") else tag


def _table(columns: Mapping[str, Any], metrics: Sequence[str]) -> Any:
    """Return TensorBoard's table of hyperparameters: it sorts them by name, those first that are said to differ."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    types = {bool: api_pb2.DATA_TYPE_BOOL, int: api_pb2.DATA_TYPE_FLOAT64, float: api_pb2.DATA_TYPE_FLOAT64}
    hparams = [
        api_pb2.HParamInfo(name=name, type=types.get(type(value), api_pb2.DATA_TYPE_STRING), differs=name in FIRST)
        for name, value in columns.items()
    ]
    tags = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics]
    experiment = api_pb2.Experiment(hparam_infos=hparams, metric_infos=tags)
    content = metadata.create_summary_metadata(HParamsPluginData(experiment=experiment))
    return Summary(value=[Summary.Value(tag=metadata.EXPERIMENT_TAG, metadata=content, tensor=metadata.NULL_TENSOR)])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings; what TensorBoard's hyperparameters cannot hold as a number becomes text."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, bool | int | float | str):
            flat[(prefix + key).removesuffix(".name")] = value
        else:
            flat[prefix + key] = json.dumps(value, default=str)
    return flat


class JsonlWriter(Recorder):
    """One strict JSON object a line: ``env_steps``, the values by tag, ``seconds`` since the run began."""

    def __init__(self, path: str | Path, seconds: float = 0.0) -> None:
        """Append to ``path``. ``seconds``: of an earlier part of the run, as ``truncate_metrics`` returns them."""
        self._file = files.Appender(Path(path), new=False)
        self._start = time.perf_counter() - seconds
        self._encode = json.JSONEncoder(allow_nan=False).encode

    def write(self, record: Record) -> None:
        """Append a line, if there are values. Raises NonFiniteError for a NaN or an infinity, which JSON lacks."""
        if not record.values:
            return
        for tag, value in record.values.items():
            if not math.isfinite(value):
                raise NonFiniteError(f"{tag} is {value} at env step {record.env_steps}")
        seconds = round(self.seconds(), 3)
        line = self._encode({"env_steps": record.env_steps, **record.values, "seconds": seconds})
        self._file.write(line.encode() + b"\n")

    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return time.perf_counter() - self._start

    def close(self) -> None:
        self._file.close()


def truncate_metrics(path: str | Path, env_steps: int) -> float:
    """Drop the lines of a metrics.jsonl after ``env_steps``, that of the end, and one that a kill left half-written.

    Returns the seconds of the last line that is kept; 0.0 where there is none, or no file. Raises CheckpointError for a
    line that is not a record; then the file is as it was.
    """
    path, seconds = Path(path), 0.0
    if not files.is_there(path):
        return seconds
    with files.replacing(path) as kept:
        for text, record in read_records(path):
            if record.env_steps <= env_steps and not any(tag.startswith(FINAL) for tag in record.values):
                kept.write(text.rstrip() + b"\n")
                seconds = record.seconds
    return seconds
