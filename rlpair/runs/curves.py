"""Curves of runs: read from metrics.jsonl, which may be a stranger's, and put together over seeds."""

import glob
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.disk.layout import METRICS, RunDir
from rlpair.errors import ConfigError
from rlpair.runs.metrics import read_records
from rlpair.runs.saved_config import load_values

MOST_BYTES = 2**30  # of a metrics.jsonl
MOST_POINTS = 200  # of a curve over seeds
RESAMPLES = 1_000  # of the bootstrap, at each point
STEPS, SECONDS = "env_steps", "seconds"

Line = tuple[np.ndarray, np.ndarray]  # x, y: (points,) each


class Curve(NamedTuple):
    """Seeds of one algorithm in one backend on one environment, put together. NaN where no seed has a value."""

    env: str
    name: str
    x: np.ndarray  # (points,), as the three below
    middle: np.ndarray  # interquartile mean over the seeds
    low: np.ndarray  # its 95 % bootstrap interval
    high: np.ndarray
    seeds: int


def find_runs(patterns: Sequence[str]) -> list[Path]:
    """Find the runs that are named: a run's folder, one above some, or a pattern of such.

    Raises:
        ConfigError: there is none.
    """
    found: dict[Path, None] = {}
    for name in patterns:
        tops = [name] if os.path.lexists(name) else glob.glob(name)
        runs = [Path(folder) for top in sorted(tops) for folder, _, names in os.walk(top) if METRICS in names]
        if not runs:
            raise ConfigError("RUN_DIR", name, f"the folder of a run, or one above some: there is no {METRICS} in it")
        found |= dict.fromkeys(sorted(runs))
    return list(found)


def read_lines(run: Path, tag: str, x: str) -> tuple[dict[str, Line], set[str]]:
    """Read the curve of a tag for each seed of a run, by the seed's prefix; and which other tags there are.

    A run of many seeds has ``seed_5/TAG`` for each; what has a prefix then counts alone.

    Raises:
        CheckpointError: the file is none, is too large, or a line in it is no record.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    tags = set[str]()
    form = re.compile(rf"(seed_\d+/)?{re.escape(tag)}")
    for _, record in read_records(RunDir(run).metrics, MOST_BYTES):
        for key, value in record.values.items():
            if match := form.fullmatch(key):
                points.setdefault(match[1] or "", []).append((float(getattr(record, x)), value))
            elif len(tags) < 1_000:
                tags.add(key)
    if len(points) > 1:
        points.pop("", None)
    lines = {prefix: np.array(sorted(some)).T for prefix, some in points.items()}
    return {prefix: (line[0], line[1]) for prefix, line in lines.items()}, tags


def name_of(run: Path) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Return environment; algorithm and backend; the algorithm's settings and the mode, which seeds of a group share.

    A run without config.yaml is a group of its own, by its folder's name. Raises CheckpointError for a broken one.
    """
    if not RunDir(run).config.exists():
        return "", str(run), ()
    values = load_values(run)
    first, backend, env = (shown(values.get(key)) for key in ("algo.name", "backend", "env"))
    settings = {shown(key): shown(value) for key, value in values.items() if "." in key or key == "mode"}
    return env, f"{first} {backend}", tuple(sorted(settings.items()))


def shown(value: Any) -> str:
    """Write a stranger's value such that a terminal can be given it."""
    text = str(value)[:60]
    return text if text.isprintable() else repr(text)


def group(runs: Mapping[Path, Mapping[str, Line]]) -> list[Curve]:
    """Group runs that are alike into a curve over their seeds; a setting in which curves differ is in their names."""
    groups: dict[Any, list[Line]] = {}
    for run, seeds in runs.items():
        groups.setdefault(name_of(run), []).extend(seeds.values())
    curves = []
    for (env, name, settings), seeds_of_group in sorted(groups.items(), key=lambda item: item[0]):
        alike = [dict(other) for e, n, other in groups if (e, n) == (env, name)]
        differing = [f"{key}={value}" for key, value in settings if len({str(o.get(key)) for o in alike}) > 1]
        curves.append(over_seeds(env, " ".join([name, *differing]), seeds_of_group))
    return curves


def over_seeds(env: str, name: str, lines: Sequence[Line]) -> Curve:
    """Put the curves of several seeds together; between its points, a seed's curve is a straight line."""
    grid = np.unique(np.concatenate([x for x, _ in lines]))
    if len(grid) > MOST_POINTS:
        grid = np.linspace(grid[0], grid[-1], MOST_POINTS)
    values = np.array([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in lines])  # (S, points)
    summary = []
    for column in values.T:
        scores = column[~np.isnan(column)]
        middle = float(interquartile_mean(scores)) if len(scores) else math.nan
        band = bootstrap_interval(scores, interquartile_mean, RESAMPLES) if len(scores) > 1 else (middle, middle)
        summary.append((middle, *band))
    middle_, low, high = np.array(summary).T
    return Curve(env, name, grid, middle_, low, high, len(lines))
