"""Do all agents learn? Trains them with the table of defaults in rlpair/presets.py and writes docs/learning.md.

    python scripts/learning.py [--out runs/learning] [--docs docs]

In the host loop: DQN on CartPole-v1, ten seeds, and SAC on Pendulum-v1, three, each in both backends: 26 runs. In the
fused loop: 16 seeds of each, a run each. One run after the other, in a process of its own; a run whose result is in the
output folder is not run again. learning_pixels.py is the same of images.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rlpair import load_agent
from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.config import RunConfig
from rlpair.disk.layout import RunDir
from rlpair.envs.make import make_envs
from rlpair.loops.host import evaluate
from rlpair.presets import DEFAULTS, defaults
from rlpair.runs.saved_config import nested
from rlpair.train import train

TARGETS = {"dqn": 475, "sac": -200}  # of the mean over seeds
BACKENDS = {"jax": "#0072b2", "torch": "#d55e00"}  # and their colours
SEEDS = {"dqn": range(10), "sac": range(3)}  # DQN's seeds differ more, and its runs are short
EVALUATIONS = 20  # points of a curve
EPISODES = 20  # of the evaluation at the end
RESAMPLES = 10_000  # of the bootstrap
EVALUATION_SEED = 1_000  # its episodes are the same for all agents, and none that training evaluated on
FUSED = {  # name of the run: algorithm, environment, seeds, what their interquartile mean is to reach
    "dqn-fused": ("dqn", "CartPole-v1", 16, "475"),
    "sac-fused": ("sac", "Pendulum-v1", 16, "-200"),
}
PACKAGES = ("rlpair", "numpy", "gymnasium", "jax", "optax", "torch")


def run_one(folder: Path, algo: str, backend: str, seed: int) -> None:
    """Train and evaluate one agent, here; the result is written last."""
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    settings = defaults(algo, None)
    settings |= {"algo.name": algo, "eval_every": settings["total_timesteps"] // EVALUATIONS}
    config = RunConfig.from_dict(nested(settings) | {"backend": backend, "seed": seed, "run_dir": str(folder / "run")})
    train(config)
    returns = evaluate(load_agent(folder / "run"), make_envs(config.env), EPISODES, EVALUATION_SEED).returns
    lines = [json.loads(line) for line in RunDir(folder / "run").metrics.read_text().splitlines()]
    curve = [(line["env_steps"], line["eval/mean_return"]) for line in lines if "eval/mean_return" in line]
    result = {"returns": returns.tolist(), "curve": curve, "seconds": lines[-1]["seconds"]}
    (folder / "result.json").write_text(json.dumps(result) + "\n")


def run_fused(folder: Path, name: str) -> None:
    """Train many seeds together, here; their evaluation at the end is the fused loop's own."""
    shutil.rmtree(folder, ignore_errors=True)
    algo, env, num_seeds, _ = FUSED[name]
    settings = defaults(algo, env) | {"algo.name": algo, "mode": "fused", "num_seeds": num_seeds}
    settings |= {"eval_every": settings["total_timesteps"] // EVALUATIONS, "eval_episodes": EPISODES}
    config, began = RunConfig.from_dict(nested(settings) | {"run_dir": str(folder / "run")}), time.perf_counter()
    outcome = train(config)
    assert outcome.evaluation is not None
    lines = [json.loads(line) for line in RunDir(folder / "run").metrics.read_text().splitlines()]
    tags = ("env_steps", "eval/iqm", "eval/iqm_low", "eval/iqm_high")
    result = {
        "returns": outcome.evaluation.returns.reshape(num_seeds, -1).mean(axis=1).tolist(),
        "curve": [[line[tag] for tag in tags] for line in lines if "eval/iqm" in line],
        "warm_up": [
            x["rollout/iqm"] for x in lines if x["env_steps"] <= config.algo.learning_starts and "rollout/iqm" in x
        ],
        "seconds": time.perf_counter() - began,
    }
    (folder / "result.json").write_text(json.dumps(result) + "\n")


def result_of(folder: Path, *arguments: str) -> dict[str, Any]:
    """What a run of this script left in its folder; it is run now if it was not."""
    if not (folder / "result.json").exists():
        print(" ".join(arguments), file=sys.stderr)
        subprocess.run([sys.executable, __file__, "--run", str(folder), *arguments], check=True)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def results_of(algo: str, backend: str, out: Path) -> list[dict[str, Any]]:
    """One result per seed, in their order; those that are missing are made first."""
    return [result_of(out / f"{algo}-{backend}-seed{seed}", algo, backend, str(seed)) for seed in SEEDS[algo]]


def table(results: dict[tuple[str, str], list[dict[str, Any]]]) -> list[str]:
    """Markdown: a row for each algorithm and backend."""
    lines = [
        "| | backend | steps | return of each seed | mean over seeds | interquartile mean | to reach | seconds a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (algo, backend), runs in results.items():
        settings = defaults(algo, None)
        means = [float(np.mean(run["returns"])) for run in runs]
        cells = [f"{algo.upper()}, {settings['env']}", backend, f"{settings['total_timesteps']:,}"]
        cells += [", ".join(f"{mean:.1f}" for mean in means), f"**{np.mean(means):.1f}**"]
        cells += [f"{interquartile_mean(np.array(means)):.1f}", str(TARGETS[algo])]
        cells.append(f"{np.mean([run['seconds'] for run in runs]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def fused_table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown: a row for each run of many seeds."""
    lines = [
        "| | seeds | steps of each | interquartile mean (95 % interval) | lowest and highest seed | to reach "
        "| random actions | seconds of all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        algo, env, num_seeds, target = FUSED[name]
        returns, steps = np.array(result["returns"]), defaults(algo, env)["total_timesteps"]
        low, high = bootstrap_interval(returns, interquartile_mean, RESAMPLES)
        random = f"{np.mean(result['warm_up']):.1f}" if result["warm_up"] else ""
        cells = [f"{algo.upper()}, {env}", str(num_seeds), f"{steps:,}"]
        cells += [f"**{interquartile_mean(returns):.1f}** ({low:.1f} to {high:.1f})"]
        cells += [f"{returns.min():.1f}, {returns.max():.1f}", target, random, f"{result['seconds']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def report(results: dict[tuple[str, str], list[dict[str, Any]]], fused: dict[str, dict[str, Any]]) -> str:
    """The text of docs/learning.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = ["# Learning\n"]
    lines.append(
        f"Each number is the mean return of {EPISODES} greedy episodes after the last step of training: no best "
        f"checkpoint is picked. The same episodes for all agents; training seeds from 0 on.\n"
    )
    lines += [*table(results), "", "![Greedy return during training](learning.png)\n"]
    lines.append("Curves: mean over the seeds of ten greedy episodes; the band spans the seeds.\n")
    lines.append("Settings, where they are not the defaults of the algorithm (`rlpair/presets.py`):\n")
    for algo in TARGETS:
        row = DEFAULTS[algo][defaults(algo, None)["env"]]
        settings = " ".join(f"{key}={setting(value)}" for key, value in row.items() if key.startswith("algo."))
        lines.append(f"- {algo.upper()}: `{settings}`")
    lines.append("\n## Many seeds in one compiled program (`mode=fused`)\n")
    lines.append(f"The same measure: {EPISODES} greedy episodes of each seed after its last step, on its own starts.\n")
    lines += [*fused_table(fused), "", "![Greedy return of many seeds](learning_fused.png)\n"]
    lines.append("Curves: interquartile mean over the seeds; the band is its 95 % bootstrap interval.")
    lines.append(f"\nWritten by `python scripts/learning.py`, on {os.cpu_count()} cores ({platform.machine()}), with")
    lines.append(f"Python {platform.python_version()}, {versions}.\n")
    return "\n".join(lines)


def setting(value: Any) -> str:
    """A value as the command takes it."""
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)


def draw(results: dict[tuple[str, str], list[dict[str, Any]]], path: Path) -> None:
    """The evaluation curves, a panel for each algorithm, both backends in each."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(TARGETS), figsize=(10, 3.6), layout="constrained")
    for axes, (algo, target) in zip(panels, TARGETS.items(), strict=True):
        for backend, colour in BACKENDS.items():
            curves = np.array([run["curve"] for run in results[algo, backend]])  # (seeds, points, 2)
            steps, returns = curves[0, :, 0], curves[:, :, 1]
            axes.plot(steps, returns.mean(axis=0), color=colour, label=backend)
            axes.fill_between(steps, returns.min(axis=0), returns.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axes.axhline(target, color="0.5", linestyle=":", linewidth=1)
        axes.set(title=f"{algo.upper()}, {defaults(algo, None)['env']}", xlabel="environment steps", ylabel="return")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=130)


def draw_fused(results: dict[str, dict[str, Any]], path: Path) -> None:
    """The evaluation curves of many seeds, a panel for each run."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(results), figsize=(8, 3.4), layout="constrained")
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        algo, env, num_seeds, target = FUSED[name]
        steps, middle, low, high = np.array(result["curve"]).T
        axes.plot(steps, middle, color=BACKENDS["jax"])
        axes.fill_between(steps, low, high, color=BACKENDS["jax"], alpha=0.15, linewidth=0)
        if target.lstrip("-").isdigit():
            axes.axhline(float(target), color="0.5", linestyle=":", linewidth=1)
        # Two lines: a title that is wider than its panel is cut off at the figure's edge, which no layout mends.
        axes.set(title=f"{algo.upper()}, {env}\n{num_seeds} seeds", xlabel="environment steps", ylabel="return")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Run what is missing, then write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="results, kept between calls")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where learning.md and learning.png go")
    parser.add_argument("--run", nargs="+", metavar=("FOLDER", "WHAT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        folder, name, *rest = arguments.run
        run_one(Path(folder), name, rest[0], int(rest[1])) if rest else run_fused(Path(folder), name)
        return
    results = {(a, b): results_of(a, b, arguments.out) for a in TARGETS for b in BACKENDS}
    fused = {name: result_of(arguments.out / name, name) for name in FUSED}
    draw(results, arguments.docs / "learning.png")
    draw_fused(fused, arguments.docs / "learning_fused.png")
    (arguments.docs / "learning.md").write_text(report(results, fused))
    print("\n".join([*table(results), "", *fused_table(fused)]))


if __name__ == "__main__":
    main()
