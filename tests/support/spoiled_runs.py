"""A run as a stranger may have left it: mutations of its files, with digests that are right, and what reads them."""

import copy
import hashlib
import json
import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from rlpair import load_agent
from rlpair.cli.sweep import JobOutcome, score
from rlpair.errors import RLPairError
from rlpair.evaluate import EvaluateConfig, task
from rlpair.plot import PlotConfig, curves_of
from rlpair.runs.recording import Recording
from rlpair.runs.saved_run import SavedRun, resolve_config
from rlpair.system.workers import peak_memory
from rlpair.train import train

CASES = int(os.environ.get("RLPAIR_FUZZ_CASES", "1320"))  # of all tests of spoiled files together, about
SECONDS, MEGABYTES = 5, 500  # that no file may cost
DEFAULTS: dict[str, Any] = {"total_timesteps": 400, "env_kwargs": {}}  # of the command that resumes
NASTY: list[Any]
NASTY = [None, True, False, -1, 0, 1, 2, 1.5, -0.0, 1e308, 2**31, 2**63, 2**70, -(2**70), 10**30, "", "x", "5", "nan"]
NASTY += [
    "../../x",
    "\x1b[2J",
    "a\nb",
    "${oc.env:HOME}",
    "${",
    "x" * 1000,
    [],
    [[]],
    [0] * 1000,
    {},
    {"": 0},
    {"a": {}},
]
KEYS = ["", "x", "seed", "num_envs", "env_steps", "reward", "__class__", "a\nb", "sha256", "0"]


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


values = st.one_of(
    st.sampled_from(NASTY),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from([10, 100]).map(nested),
)


# Documents: JSON and YAML


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two of its values replaced, removed, renamed, repeated or added to."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        paths = list(places(document))
        if not paths:
            return document
        *above, key = draw(st.sampled_from(paths))
        parent = document
        for step in above:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "replace", "remove", "rename", "wrap", "repeat", "add"])):
            case "replace":
                parent[key] = copy.deepcopy(draw(values))
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = parent.pop(key)
            case "wrap":
                parent[key] = draw(st.sampled_from([[parent[key]], {"x": parent[key]}, str(parent[key])]))
            case "repeat" if isinstance(parent, list):
                parent += [parent[key]] * draw(st.integers(1, 3))
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(values))
    return document


# Bytes


@st.composite
def spoiled(draw: st.DrawFn, content: bytes, others: list[bytes]) -> bytes:
    """The bytes cut short, with a few of them flipped, with more of them in between, or those of another file."""
    where = draw(st.integers(0, len(content)))
    match draw(st.sampled_from(["cut", "flip", "insert", "swap", "double"])):
        case "cut":
            return content[:where]
        case "flip":
            spoiled = bytearray(content)
            for at in draw(st.lists(st.integers(0, max(0, len(content) - 1)), min_size=1, max_size=4)):
                spoiled[at : at + 1] = bytes([draw(st.integers(0, 255))])
            return bytes(spoiled)
        case "insert":
            more = draw(
                st.one_of(st.binary(max_size=9), st.sampled_from([b"\0" * 999, b"[" * 9999, b'{"a":' * 999, b"\n"]))
            )
            return content[:where] + more + content[where:]
        case "swap":
            return draw(st.sampled_from(others))
    return content + content


@st.composite
def spoiled_tensors(draw: st.DrawFn, content: bytes) -> bytes:
    """A safetensors file with another header, or other numbers."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(header)))
        begin, end = header[name]["data_offsets"]
        number = draw(
            st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\0\0\0\xbf"])
        )
        at = draw(st.sampled_from([*range(begin, min(begin + 32, end)), *range(max(begin, end - 8), end)]))
        data[at : at + len(number)] = number
        text = json.dumps(header)
    else:
        text = json.dumps(draw(mutated(header)), allow_nan=True)
    return struct.pack("<Q", len(text)) + text.encode() + bytes(data[: len(data)])


# A run, and what reads it


class Run:
    """A run's folder, and a copy of it that is spoiled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copy = folder.with_name("copy")
        (step,) = (path.relative_to(folder) for path in folder.glob("checkpoints/step_*"))
        self.step = step
        self.files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def of(self, name: str) -> bytes:
        """The content of a file."""
        return self.files[self.path(name)]

    def path(self, name: str) -> Path:
        """Where a file is, in the folder."""
        if name == "events":
            return next(path for path in self.files if path.name.startswith("events.out.tfevents"))
        return self.step / name if self.step / name in self.files else Path(name)

    def spoil(self, changed: dict[str, bytes]) -> Path:
        """The copy, with other content in some files, and with digests that are right."""
        changes = {self.path(name): content for name, content in changed.items()}
        shutil.rmtree(self.copy, ignore_errors=True)
        for path, content in self.files.items():
            (self.copy / path).parent.mkdir(parents=True, exist_ok=True)
            (self.copy / path).write_bytes(changes.get(path, content))
        accept(self.copy / self.step)
        return self.copy


def accept(folder: Path) -> None:
    """Write the files' true digests into agent.json, if that is one, as an attacker would."""
    try:
        header = json.loads((folder / "agent.json").read_bytes())
        header["sha256"] = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name != "agent.json"
        }
        (folder / "agent.json").write_text(json.dumps(header))
    except (ValueError, TypeError, RecursionError):
        return


def load(run_dir: Path) -> None:
    """load_agent."""
    load_agent(run_dir)


def resume(run_dir: Path) -> None:
    """The command's resume=, up to where training begins."""
    values, saved = DEFAULTS | {"resume": str(run_dir)}, SavedRun(str(run_dir))
    train(resolve_config(values, set(values), saved), saved)


def plot(run_dir: Path) -> None:
    """What the command rlpair plot draws."""
    curves_of(PlotConfig((str(run_dir),), "throughput/env_steps_per_second"))


def table(run_dir: Path) -> None:
    """The row of a sweep's table; raises the line that stands in it where there is no score."""
    first, *others = score(JobOutcome(0, run_dir))
    if others == ["", "", ""]:
        raise RLPairError(first)


def evaluate(run_dir: Path) -> None:
    """The command rlpair.evaluate."""
    settings = EvaluateConfig(run_dir=str(run_dir), episodes=1)
    task(vars(settings), {"run_dir"})


READERS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "agent.json": (load, evaluate, resume),
    "agent.safetensors": (load, evaluate, resume),
    "run.json": (resume,),
    "replay.safetensors": (resume,),
    "config.yaml": (evaluate, resume, plot),
    "metrics.jsonl": (resume, plot),
    "result.json": (table, resume),
    ".lock": (resume,),
    "events": (resume, plot),
}


@contextmanager
def bounded() -> Iterator[None]:
    """Raises AssertionError after 5 seconds of computing, and where the process comes to have 500 MB more than ever."""

    def too_long(*_: object) -> None:
        raise AssertionError(f"more than {SECONDS} s")

    before = peak_memory()
    previous = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    assert peak_memory() - before < MEGABYTES * 1e6


def reads(read: Callable[[Path], None], run_dir: Path) -> str | None:
    """Read a run. Returns the error's line, which is one and has nothing that a terminal would obey, or None."""
    with bounded():
        try:
            read(run_dir)
        except RLPairError as error:
            line = str(error)
            assert line.isprintable()
            assert len(line) < 2000
            return line
    return None


def stop_before_training(monkeypatch: Any) -> None:
    """Let ``train`` go on to its end, with no step, where training would begin."""
    monkeypatch.setattr(Recording, "follow", lambda _: None)
