"""What is made of the raw numbers: table, verdicts, what was not run, the figure; and that they alone are needed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import results_of, run_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.benchmark.figure import make_figure
from rlpair.benchmark.report import COVERAGE, HEADS, not_run, page, rows_of, whole_suite
from rlpair.benchmark.results import JSON, Results, as_csv, load, merged, save
from rlpair.benchmark.suites import SUITES, Task, task_of

CARTPOLE = [run_of("CartPole-v1", b, s, [500.0, 400.0 + 10 * s]) for b in ("torch", "jax") for s in range(4)]


def test_a_row_for_each_task_and_backend() -> None:
    """Scores of 450, 455, 460, 465: their middle half is 455 and 460."""
    torch, jax = rows_of(results_of(*CARTPOLE))
    assert dict(zip(HEADS, torch, strict=True)) == {
        "task": "CartPole-v1 (DQN)",
        "env steps": "50,000",
        "backend": "torch",
        "seeds": "4",
        "mean ± std": "457.5 ± 6.45",
        "IQM (95 %)": "457.5 (450.0 to 465.0)",
        "lowest": "450.0",
        "published": "500.0 ± 0.00 (RL Zoo)",
        "aim": "missed by 42.5",
        "the twins": "cannot be told with 4 seeds",
    }
    assert jax[2] == "jax"
    assert jax[-1] == ""


def test_twins_of_other_lengths_are_not_held_against_each_other() -> None:
    short = [run_of("CartPole-v1", "jax", s, [500.0], env_steps=25_000) for s in range(4)]
    rows = rows_of(results_of(*CARTPOLE[:4], *short))
    assert [(row[1], row[2], row[-1]) for row in rows] == [("50,000", "torch", ""), ("25,000", "jax", "")]


@pytest.mark.parametrize(
    ("env", "steps", "score", "said"),
    [
        ("Pendulum-v1", 20_000, -245.7, "reached"),  # -157 - 88.71 = -245.71
        ("Pendulum-v1", 20_000, -246.71, "missed by 1.00"),
        ("Pendulum-v1", 19_999, -100.0, "too short: 19,999 of 20,000 steps"),
        ("Pendulum-v1", 20_001, -100.0, "too long: 20,001 of 20,000 steps"),
        ("Swimmer-v5", 1_000_000, 301.0, "reached"),  # published without a deviation
        ("Mine-v0", 20_000, 1.0, ""),
    ],
)
def test_the_aim_is_one_published_deviation_below_the_published_mean(
    env: str, steps: int, score: float, said: str
) -> None:
    ((*_, aim, _),) = rows_of(results_of(run_of(env, "jax", 0, [score], env_steps=steps)))
    assert aim == said


def test_a_suite_as_a_whole() -> None:
    """CartPole: 20.62 is 0 and 500 is 1; Pendulum: -1218 is 0 and -157 is 1. rliable gives the same, but for the last
    interval, 0.55 to 0.95: its ends lie between two of the 33 values that there are.
    """
    runs = [*CARTPOLE]
    for seed in range(4):
        steps = {"env_steps": 20_000}
        runs += [run_of("Pendulum-v1", b, seed, [x], **steps) for b, x in (("torch", -157.0), ("jax", -1218.0))]
    assert whole_suite(results_of(*runs), "classic")[1:] == [
        "| backend | IQM (95 %) | above 0.25 | above 0.5 | above 0.75 | above 0.9 | above 1 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| torch | 0.96 (0.95 to 0.96) | 100% (100% to 100%) | 100% (100% to 100%) | 100% (100% to 100%) "
        "| 88% (62% to 100%) | 0% (0% to 0%) |",
        "| jax | 0.45 (0.45 to 0.46) | 50% (50% to 50%) | 50% (50% to 50%) | 50% (50% to 50%) "
        "| 38% (12% to 50%) | 0% (0% to 0%) |",
        "\nA seed of torch is above one of jax with probability 0.75 (0.56 to 0.94).",
    ]
    assert whole_suite(results_of(*CARTPOLE[:4]), "classic") == []
    assert whole_suite(results_of(*runs), "mujoco") == []


def test_short_tries_and_single_seeds_are_no_part_of_a_suite() -> None:
    whole = whole_suite(results_of(*CARTPOLE), "classic")
    assert whole[0] == "\nAs a whole, over 1 task, 0 being random actions and 1 the published score:\n"
    short = [run_of("Pendulum-v1", b, s, [-157.0], env_steps=2_000) for b in ("torch", "jax") for s in range(4)]
    single = [run_of("Pendulum-v1", "torch", 0, [-157.0], env_steps=20_000)]
    single += [run_of("Pendulum-v1", "jax", s, [-157.0], env_steps=20_000) for s in range(4)]
    for more in (short, single):
        assert whole_suite(results_of(*CARTPOLE, *more), "classic") == whole


def test_what_was_not_run_is_named() -> None:
    """Ant has too few steps, Hopper no run, Walker2d one in torch alone."""
    tasks = [task for suite in SUITES.values() for task in suite]
    everything = [run_of(x.env, b, 0, [1.0], env_steps=x.total_env_steps) for x in tasks for b in ("torch", "jax")]
    assert not_run(results_of(*everything)) == []
    runs = [run for run in everything if run["env"] not in ("Ant-v5", "Hopper-v5")]
    runs = [run for run in runs if (run["env"], run["backend"]) != ("Walker2d-v5", "jax")]
    runs += [run_of("Ant-v5", backend, 0, [1.0], env_steps=999_999) for backend in ("torch", "jax")]
    assert not_run(results_of(*runs)) == ["## Not run\n", "- mujoco: Hopper-v5, Walker2d-v5 (jax), Ant-v5", ""]


@pytest.mark.parametrize(("seeds", "share"), [(2, 0.5), (3, 0.75), (5, 0.9), (10, 0.94)])
def test_intervals_of_few_seeds_cover_as_little_as_the_page_says(seeds: int, share: float) -> None:
    """Of 1,000 samples of normal scores, within five points (p < 1e-3 of a deviation of 1.6 points)."""
    rng, covered = np.random.default_rng(6), 0
    for _ in range(1_000):
        low, high = bootstrap_interval(rng.normal(0.0, 1.0, seeds), interquartile_mean, 300)
        covered += low <= 0 <= high
    assert abs(covered / 1_000 - share) <= 0.05
    assert f" {seeds} " in COVERAGE
    assert f"{share:.0%}".replace("%", " %") in COVERAGE


def test_the_page_says_how_and_with_what() -> None:
    text = page(results_of(*CARTPOLE), "figure.png")
    source = "[CleanRL (torch)](https://docs.cleanrl.dev/rl-algorithms/overview/)"
    assert f"| CartPole-v1 | 488.7 ± 16.1 | {source} | 500k steps, 3 seeds, mean return of training" in text
    assert (
        "- `python -m rlpair.benchmark suite=classic`: 2026-01-02 03:04, 8 trainings in 1.50 hours, "
        "on A processor, Linux, 2 cores; python 3.11.7, rlpair 0.1.0\n" in text
    )
    assert "All 8 trainings took 4.0 hours in sum." in text
    assert "![Greedy return during training, both twins](figure.png)" in text


def test_raw_numbers_come_back_and_are_a_line_each(tmp_path: Path) -> None:
    results = results_of(*CARTPOLE)
    save(tmp_path, results)
    assert load(tmp_path) == results
    assert (tmp_path / JSON).read_text().count("\n") == len(CARTPOLE) + 2
    rows = list(csv.reader((tmp_path / "results.csv").read_text().splitlines()))
    assert rows[:3] == [
        ["env", "algo", "backend", "seed", "env_steps", "evaluation", "episode", "return"],
        ["CartPole-v1", "dqn", "torch", "0", "25000", "along the way", "mean", "250.0"],
        ["CartPole-v1", "dqn", "torch", "0", "50000", "along the way", "mean", "500.0"],
    ]
    assert rows[3:5] == [
        ["CartPole-v1", "dqn", "torch", "0", "50000", "at the end", str(k), str(x)] for k, x in ((0, 500.0), (1, 400.0))
    ]
    assert len(rows) == 1 + 4 * len(CARTPOLE)
    assert as_csv([]).count("\n") == 1


def test_a_run_takes_the_place_of_an_earlier_one_of_the_same_job() -> None:
    later = run_of("CartPole-v1", "jax", 1, [7.0])
    found = merged(results_of(*CARTPOLE), [later, run_of("Acrobot-v1", "torch", 0, [-80.0])], None)
    assert [(run["env"], run["backend"], run["seed"]) for run in found["runs"]] == [
        *(("CartPole-v1", backend, seed) for backend in ("jax", "torch") for seed in range(4)),
        ("Acrobot-v1", "torch", 0),
    ]
    assert found["runs"][1] == later
    assert len(found["sessions"]) == 1
    short = run_of("CartPole-v1", "jax", 1, [9.0], env_steps=2_000)
    assert len(merged(found, [short], None)["runs"]) == 1 + len(found["runs"])


def test_the_report_is_made_of_the_raw_numbers_alone(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    save(tmp_path, results_of(*CARTPOLE))
    (tmp_path / "results.csv").unlink()
    code, out, err = command("benchmark", f"report={tmp_path}")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"all in {tmp_path}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "report.md", "results.csv", JSON]
    assert (tmp_path / "report.md").read_text() == page(results_of(*CARTPOLE), "figure.png", "Benchmark")
    assert imread(tmp_path / "figure.png").std() > 0.05


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"format": "rlpair benchmark 2"}, "format='rlpair benchmark 2' is not allowed: 'rlpair benchmark 1'"),
        ({"more": 1}, "it has an unknown key, more"),
        ({"runs": [{}]}, "it lacks runs[0].env"),
    ],
)
def test_results_that_are_none_are_refused(
    change: dict[str, Any], line: str, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / JSON).write_text(json.dumps(results_of(*CARTPOLE) | change))
    assert command("benchmark", f"report={tmp_path}") == (2, "", f"rlpair: {tmp_path / JSON}: {line}\n")


def figure_of(results: Results) -> Any:
    """The figure, drawn."""
    figure = make_figure(results)
    FigureCanvasAgg(figure).draw()
    return figure


def test_the_figure_shows_both_twins_and_the_published_score_and_cuts_nothing() -> None:
    envs = ["HalfCheetah-v5", "InvertedDoublePendulum-v5", "MountainCarContinuous-v0", "MinAtar/SpaceInvaders-v1"]
    steps = {env: task_of(env).total_env_steps for env in envs}  # type: ignore[union-attr]
    points = [(env, b, s) for env in envs for b in ("torch", "jax") for s in range(3)]
    runs = [run_of(env, b, s, [1e4 * s - 5.0], env_steps=steps[env]) for env, b, s in points]
    figure = figure_of(results_of(*runs))
    whole = figure.bbox
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 4
    for axes, env in zip(drawn, envs, strict=True):
        assert axes.get_title() == f"{env}\nDQN, 3 seeds"
        torch, jax, published = axes.lines
        assert (torch.get_label(), jax.get_label()) == ("torch", "jax")
        assert torch.get_linestyle() != jax.get_linestyle()  # which print in grey tells apart
        task = task_of(env)
        assert isinstance(task, Task)
        assert published.get_ydata()[0] == task.published[0].mean
        assert published.get_linestyle() == ":"
        low, high = axes.get_ylim()
        bands = [path.vertices[:, 1] for band in axes.collections for path in band.get_paths()]
        for values in (*(line.get_ydata() for line in axes.lines), *bands):
            assert low <= np.min(values)
            assert np.max(values) <= high
        left, right = axes.get_xlim()
        ticks = [text for text in axes.get_xticklabels() if left <= text.get_position()[0] <= right]
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *ticks):
            box = text.get_window_extent()
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text
            assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, text
            assert text.get_fontsize() >= 8
    box = figure.legends[0].get_window_extent()
    assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["torch", "jax", "published"]


def test_panels_and_titles_do_not_run_into_each_other() -> None:
    envs = [task.env for tasks in SUITES.values() for task in tasks]
    figure = figure_of(results_of(*(run_of(env, "jax", 0, [1.0]) for env in envs)))
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == 24
    for boxes in ([axes.title.get_window_extent() for axes in panels], [axes.get_tightbbox() for axes in panels]):
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_task_without_curves_is_a_panel_with_its_published_score() -> None:
    (axes,) = figure_of(results_of(run_of("CartPole-v1", "jax", 0, [1.0], curve=[]))).axes
    assert [line.get_label() for line in axes.lines] == ["published"]


def test_a_short_try_is_not_held_against_the_published_score() -> None:
    (axes,) = figure_of(results_of(run_of("CartPole-v1", "jax", 0, [1.0], env_steps=2_000))).axes
    assert [line.get_label() for line in axes.lines] == ["jax"]
