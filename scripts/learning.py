"""Do all four agents learn? Trains them with the table of defaults in rlpair/config.py and writes docs/learning.md.

    python scripts/learning.py [--out runs/learning] [--docs docs]

DQN on CartPole-v1 and SAC on Pendulum-v1, each in both backends, three seeds: twelve runs, one after the other, each in
a process of its own. A run whose result is in the output folder is not run again.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rlpair import load_agent
from rlpair.cli import nested
from rlpair.config import DEFAULTS, RunConfig, defaults
from rlpair.envs.host import make_envs
from rlpair.loop import evaluate
from rlpair.train import train

TARGETS = {"dqn": 475, "sac": -200}  # of the mean over seeds
BACKENDS = {"jax": "#0072b2", "torch": "#d55e00"}  # and their colours
SEEDS = (0, 1, 2)
EVALUATIONS = 20  # points of a curve
EPISODES = 20  # of the evaluation at the end
EVALUATION_SEED = 1_000  # its episodes are the same for all agents, and none that training evaluated on
PACKAGES = ("rlpair", "numpy", "gymnasium", "jax", "flax", "optax", "torch")


def run_one(folder: Path, algo: str, backend: str, seed: int) -> None:
    """Train and evaluate one agent, here; the result is written last."""
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    settings = defaults(algo, None)
    settings |= {"algo.name": algo, "eval_every": settings["total_timesteps"] // EVALUATIONS}
    config = RunConfig.from_dict(nested(settings) | {"backend": backend, "seed": seed, "run_dir": str(folder / "run")})
    train(config)
    returns = evaluate(load_agent(folder / "run"), make_envs(config.env), EPISODES, EVALUATION_SEED).returns
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    curve = [(line["env_steps"], line["eval/mean_return"]) for line in lines if "eval/mean_return" in line]
    result = {"returns": returns.tolist(), "curve": curve, "seconds": lines[-1]["seconds"]}
    (folder / "result.json").write_text(json.dumps(result) + "\n")


def results_of(algo: str, backend: str, out: Path) -> list[dict[str, Any]]:
    """One result per seed, in their order; those that are missing are made first."""
    results = []
    for seed in SEEDS:
        folder = out / f"{algo}-{backend}-seed{seed}"
        if not (folder / "result.json").exists():
            print(f"{algo} {backend} seed {seed}", file=sys.stderr)
            subprocess.run([sys.executable, __file__, "--run", str(folder), algo, backend, str(seed)], check=True)
        results.append(json.loads((folder / "result.json").read_text()))
    return results


def table(results: dict[tuple[str, str], list[dict[str, Any]]]) -> list[str]:
    """Markdown: a row for each algorithm and backend."""
    lines = [
        "| | backend | steps | return of each seed | mean over seeds | to reach | seconds a run |",
        "|---|---|---|---|---|---|---|",
    ]
    for (algo, backend), runs in results.items():
        settings = defaults(algo, None)
        means = [float(np.mean(run["returns"])) for run in runs]
        cells = [f"{algo.upper()}, {settings['env']}", backend, f"{settings['total_timesteps']:,}"]
        cells += [", ".join(f"{mean:.1f}" for mean in means), f"**{np.mean(means):.1f}**", str(TARGETS[algo])]
        cells.append(f"{np.mean([run['seconds'] for run in runs]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def report(results: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """The text of docs/learning.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = ["# Learning\n"]
    lines.append(
        f"Each number is the mean return of {EPISODES} greedy episodes after the last step of training: no best "
        f"checkpoint is picked. The same episodes for all agents; training seeds {', '.join(map(str, SEEDS))}.\n"
    )
    lines += [*table(results), "", "![Greedy return during training](learning.png)\n"]
    lines.append("Curves: mean over the seeds of ten greedy episodes; the band spans the seeds.\n")
    lines.append("Settings, where they are not the defaults of the algorithm (`rlpair/config.py`):\n")
    for algo in TARGETS:
        row = DEFAULTS[algo][defaults(algo, None)["env"]]
        settings = " ".join(f"{key}={setting(value)}" for key, value in row.items() if key.startswith("algo."))
        lines.append(f"- {algo.upper()}: `{settings}`")
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


def main() -> None:
    """Run what is missing, then write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="results, kept between calls")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where learning.md and learning.png go")
    parser.add_argument("--run", nargs=4, metavar=("FOLDER", "ALGO", "BACKEND", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        folder, algo, backend, seed = arguments.run
        run_one(Path(folder), algo, backend, int(seed))
        return
    results = {(a, b): results_of(a, b, arguments.out) for a in TARGETS for b in BACKENDS}
    draw(results, arguments.docs / "learning.png")
    (arguments.docs / "learning.md").write_text(report(results))
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
