"""Do many seeds in one compiled program learn? Trains them by the presets and writes docs/learning_fused.md.

    python scripts/learning_fused.py [--out runs/learning_fused] [--docs docs]

16 seeds each of DQN on CartPole-v1 and SAC on Pendulum-v1, a run each, one after the other, in a process of its own; a
run whose result is in the output folder is not run again. learning_pixels.py is the same of images, and
python -m rlpair.benchmark of the host loop, in both backends.
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

from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.config import RunConfig
from rlpair.disk.layout import RunDir
from rlpair.presets import DEFAULTS, defaults
from rlpair.runs.saved_config import nested
from rlpair.train import train

COLOUR = "#0072b2"
EVALUATIONS = 20  # points of a curve
EPISODES = 20  # of the evaluation at the end
RESAMPLES = 10_000  # of the bootstrap
RUNS = {  # name of the run: algorithm, environment, seeds, what their interquartile mean is to reach
    "dqn-fused": ("dqn", "CartPole-v1", 16, "475"),
    "sac-fused": ("sac", "Pendulum-v1", 16, "-200"),
}
PACKAGES = ("rlpair", "numpy", "gymnasium", "jax", "optax")


def run_one(folder: Path, name: str) -> None:
    """Train many seeds together, here; their evaluation at the end is the fused loop's own."""
    shutil.rmtree(folder, ignore_errors=True)
    algo, env, num_seeds, _ = RUNS[name]
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


def result_of(folder: Path, name: str) -> dict[str, Any]:
    """What a run of this script left in its folder; it is run now if it was not."""
    if not (folder / "result.json").exists():
        print(name, file=sys.stderr)
        subprocess.run([sys.executable, __file__, "--run", str(folder), name], check=True)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown: a row for each run of many seeds."""
    lines = [
        "| | seeds | steps of each | interquartile mean (95 % interval) | lowest and highest seed | to reach "
        "| random actions | seconds of all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        algo, env, num_seeds, target = RUNS[name]
        returns, steps = np.array(result["returns"]), defaults(algo, env)["total_timesteps"]
        low, high = bootstrap_interval(returns, interquartile_mean, RESAMPLES)
        random = f"{np.mean(result['warm_up']):.1f}" if result["warm_up"] else ""
        cells = [f"{algo.upper()}, {env}", str(num_seeds), f"{steps:,}"]
        cells += [f"**{interquartile_mean(returns):.1f}** ({low:.1f} to {high:.1f})"]
        cells += [f"{returns.min():.1f}, {returns.max():.1f}", target, random, f"{result['seconds']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def report(results: dict[str, dict[str, Any]]) -> str:
    """The text of docs/learning_fused.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = ["# Many seeds in one compiled program (`mode=fused`)\n"]
    lines.append(
        f"Each number is the mean return of {EPISODES} greedy episodes of a seed after its last step, on its own "
        f"starts: no best checkpoint is picked. The host loop, in both backends: [learning.md](learning.md).\n"
    )
    lines += [*table(results), "", "![Greedy return of many seeds](learning_fused.png)\n"]
    lines.append("Curves: interquartile mean over the seeds; the band is its 95 % bootstrap interval.\n")
    lines.append("Settings, where they are not the defaults of the algorithm (`rlpair/presets.py`):\n")
    for algo, env, *_ in RUNS.values():
        row = DEFAULTS[algo][env]
        settings = " ".join(f"{key}={setting(value)}" for key, value in row.items() if key.startswith("algo."))
        lines.append(f"- {algo.upper()}: `{settings}`")
    lines.append(f"\nWritten by `python scripts/learning_fused.py`, on {os.cpu_count()} cores ({platform.machine()}),")
    lines.append(f"with Python {platform.python_version()}, {versions}.\n")
    return "\n".join(lines)


def setting(value: Any) -> str:
    """A value as the command takes it."""
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """The evaluation curves of many seeds, a panel for each run."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(results), figsize=(8, 3.4), layout="constrained")
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        algo, env, num_seeds, target = RUNS[name]
        steps, middle, low, high = np.array(result["curve"]).T
        axes.plot(steps, middle, color=COLOUR)
        axes.fill_between(steps, low, high, color=COLOUR, alpha=0.15, linewidth=0)
        if target.lstrip("-").isdigit():
            axes.axhline(float(target), color="0.5", linestyle=":", linewidth=1)
        # Two lines: a title that is wider than its panel is cut off at the figure's edge, which no layout mends.
        axes.set(title=f"{algo.upper()}, {env}\n{num_seeds} seeds", xlabel="environment steps", ylabel="return")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Run what is missing, then write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/learning_fused"), help="results, kept between calls")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where learning_fused.md and its figure go")
    parser.add_argument("--run", nargs=2, metavar=("FOLDER", "NAME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_one(Path(arguments.run[0]), arguments.run[1])
        return
    results = {name: result_of(arguments.out / name, name) for name in RUNS}
    draw(results, arguments.docs / "learning_fused.png")
    (arguments.docs / "learning_fused.md").write_text(report(results))
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
