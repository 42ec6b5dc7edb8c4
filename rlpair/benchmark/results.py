"""results.json and results.csv: the raw numbers of a benchmark, of which all else is made."""

import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import FailFast, Field
from typing_extensions import TypedDict

from rlpair.benchmark.suites import SUITES
from rlpair.disk import files
from rlpair.errors import ConfigError
from rlpair.runs.curves import STEPS, read_lines
from rlpair.runs.formats import Count, Number
from rlpair.runs.loading import read_json
from rlpair.runs.result import load_result
from rlpair.runs.saved_config import flat, load_config
from rlpair.runs.strict import STRICT, checked
from rlpair.system.machine import machine, versions

FORMAT: Literal["rlpair benchmark 1"] = "rlpair benchmark 1"
JSON, CSV = "results.json", "results.csv"
MOST_VALUES = 2**24  # of a results.json
TAG = "eval/mean_return"
Text = Annotated[str, Field(max_length=10_000)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]


@STRICT
class RunResult(TypedDict):
    """The raw numbers of one finished training: its scores, its curve, and all that they depend on."""

    env: Text
    algo: Text
    backend: Text
    seed: Count
    env_steps: Count
    returns: Annotated[list[Number], Field(min_length=1), FailFast()]  # of the greedy episodes at the end
    lengths: Annotated[list[Count], FailFast()]
    curve: Annotated[list[Point], FailFast()]  # (env_steps, mean return) of each evaluation along the way
    seconds: Annotated[Number, Field(ge=0)]
    settings: dict[str, Any]  # all of the run's, by dotted key
    versions: dict[str, str]


@STRICT
class Session(TypedDict):
    """A call of the command that trained something."""

    command: Text
    date: Text
    machine: dict[str, Any]
    versions: dict[str, str]
    hours: Annotated[Number, Field(ge=0)]
    finished: Count  # trainings, in this call


@STRICT
class Results(TypedDict):
    """What results.json holds: who trained when and where, and what each training gave."""

    format: Literal["rlpair benchmark 1"]
    sessions: list[Session]
    runs: list[RunResult]


def collect(out: Path) -> list[RunResult]:
    """Read every finished run below a folder. Raises CheckpointError where one cannot be read."""
    found = [run_result(path.parent) for path in sorted(out.glob("*/*/seed*/result.json"))]
    return sorted(found, key=key_of)


def run_result(folder: Path) -> RunResult:
    """Read what a finished run gave. Raises CheckpointError."""
    result, config = load_result(folder), load_config(folder)
    x, y = read_lines(folder, TAG, STEPS)[0].get("", ((), ()))
    return RunResult(
        env=result["env"],
        algo=result["algo"],
        backend=result["backend"],
        seed=result["seeds"][0],
        env_steps=result["env_steps"],
        returns=result["returns"][0],
        lengths=result["lengths"][0],
        curve=[[steps, mean] for steps, mean in zip(map(int, x), map(float, y), strict=True)],
        seconds=result["seconds"],
        settings={key: list(x) if isinstance(x, tuple) else x for key, x in flat(config.to_dict()).items()},
        versions=result["versions"],
    )


def key_of(run: RunResult) -> tuple[int, str, int, str, int]:
    """Return what tells a run from all others, and their order: that of the suites, then steps, backend and seed."""
    order = [task.env for tasks in SUITES.values() for task in tasks]
    place = order.index(run["env"]) if run["env"] in order else len(order)
    return place, run["env"], run["env_steps"], run["backend"], run["seed"]


def load(folder: Path) -> Results:
    """Read the results in a folder. Raises CheckpointError where there are none."""
    path = folder / JSON
    results: Results = checked(path, Results, read_json(path, most=MOST_VALUES))
    return results


def merged(earlier: Results | None, runs: Sequence[RunResult], session: Session | None) -> Results:
    """Return the results with these runs in place of earlier ones of the same jobs, and the session that made them."""
    old = [] if earlier is None else earlier["runs"]
    by_key = {key_of(run): run for run in [*old, *runs]}
    sessions = [*([] if earlier is None else earlier["sessions"]), *([session] if session else [])]
    return Results(format=FORMAT, sessions=sessions, runs=[by_key[key] for key in sorted(by_key)])


def session_of(command: str, seconds: float, finished: int) -> Session:
    """Describe this call of the command."""
    return Session(
        command=command,
        date=time.strftime("%Y-%m-%d %H:%M"),
        machine=machine(),
        versions=versions(),
        hours=round(seconds / 3600, 3),
        finished=finished,
    )


def save(folder: Path, results: Results) -> None:
    """Write results.json, a line for each run, and results.csv; each whole."""
    head = {"format": results["format"], "sessions": results["sessions"]}
    lines = ",\n".join(json.dumps(run, allow_nan=False) for run in results["runs"])
    text = f'{json.dumps(head, allow_nan=False)[:-1]}, "runs": [\n{lines}\n]}}\n'
    files.write(folder / JSON, text.encode())
    save_csv(folder, results)


def save_csv(folder: Path, results: Results) -> None:
    """Write results.csv, whole."""
    files.write(folder / CSV, as_csv(results["runs"]).encode())


def as_csv(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each evaluation along the way (its mean), and for each greedy episode at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("env", "algo", "backend", "seed", "env_steps", "evaluation", "episode", "return"))
    for run in runs:
        head = [run[key] for key in ("env", "algo", "backend", "seed")]
        writer.writerows([*head, int(steps), "along the way", "mean", value] for steps, value in run["curve"])
        end = [*head, run["env_steps"], "at the end"]
        writer.writerows([*end, episode, value] for episode, value in enumerate(run["returns"]))
    return text.getvalue()


def of_report(folder: str) -> Results:
    """Read what a report is to be made of. Raises ConfigError where there is no such folder."""
    if not (Path(folder) / JSON).is_file():
        raise ConfigError("report", folder, f"a folder that a benchmark wrote {JSON} into")
    return load(Path(folder))
