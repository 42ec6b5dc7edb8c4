"""Do the agents learn from images? Trains them and writes docs/learning_pixels.md.

    python scripts/learning_pixels.py [--only NAME ...] [--out runs/learning_pixels] [--docs docs]
    python scripts/learning_pixels.py --report

DQN on three games of MinAtar in the fused loop, three seeds of each together, on one of them in torch on the host, and
on Atari's Pong in both backends; sticky actions in all. Extras gymnax, minatar, atari. One run after the other, each by
the command that the report shows. A run that was interrupted goes on where its last checkpoint stands; one whose result
is in docs/results/pixels is not run again. Reports what is there; ``--report`` trains nothing.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlpair.config import RunConfig
from rlpair.disk.layout import RunDir
from rlpair.presets import defaults
from rlpair.runs.saved_config import nested
from rlpair.system.interrupts import passing_on
from rlpair.train import train

COLOURS = {"jax": "#0072b2", "torch": "#d55e00"}
EPISODES = 20  # of each seed's evaluation at the end
FEW_STEPS: dict[str, Any] = {  # Pong in a twentieth of the published steps, an update every two
    "total_timesteps": 500_000,
    "num_envs": 8,
    "vectorization": "async",
    "algo.learning_rate": 1.5e-4,
    "algo.double_q": True,
    "algo.buffer_size": 100_000,
    "algo.learning_starts": 10_000,
    "algo.train_freq": 1,
    "algo.gradient_steps": 4,
    "algo.target_update_interval": 500,
    "algo.exploration_steps": 50_000,
    "algo.exploration_final_eps": 0.02,
    "eval_every": 100_000,
    "eval_episodes": 3,
    "checkpoint_every": 0,
}


class Run(NamedTuple):
    """One training, and what others reached."""

    env: str
    backend: str
    published: str
    settings: dict[str, Any]  # over those of the preset, by dotted key


def fused(env: str, published: str) -> Run:
    """Three seeds of a game of MinAtar, one compiled program."""
    settings = {"mode": "fused", "num_seeds": 3, "env_kwargs.sticky_action_prob": 0.1}
    return Run(f"gymnax/{env}-MinAtar", "jax", f"about {published} after 5M steps", settings)


ON_HOST = {"total_timesteps": 1_000_000, "checkpoint_every": 250_000}
RUNS = {
    "breakout": fused("Breakout", "10"),
    "asterix": fused("Asterix", "17"),
    "space-invaders": fused("SpaceInvaders", "44"),
    "breakout-torch": Run("MinAtar/Breakout-v1", "torch", "about 10 after 5M steps", ON_HOST),
    "pong-torch": Run("ALE/Pong-v5", "torch", "20.3 after 10M steps", FEW_STEPS | {"compile": True}),
    "pong-jax": Run("ALE/Pong-v5", "jax", "20.4 after 10M steps", FEW_STEPS),
}
PACKAGES = ("rlpair", "numpy", "gymnasium", "jax", "optax", "torch", "gymnax", "MinAtar", "ale-py")


def command(run: Run) -> str:
    """What trains it, for a shell."""
    words = [f"{key}={str(value).lower()}" for key, value in run.settings.items()]
    return " ".join(["python -m rlpair.train algo=dqn", f"backend={run.backend} env={run.env}", *words])


def train_one(name: str, folder: Path, results: Path) -> None:
    """Train, here, or go on where an interrupted run stands; the result is written last."""
    run, run_dir = RUNS[name], folder / name
    settings = defaults("dqn", run.env) | {"algo.name": "dqn", "eval_episodes": EPISODES, **run.settings}
    config = RunConfig.from_dict(nested(settings) | {"backend": run.backend, "run_dir": str(run_dir)})
    if RunDir(run_dir).checkpoints.is_dir() and any(RunDir(run_dir).checkpoints.iterdir()):
        config = RunConfig.from_dict(nested(settings) | {"backend": run.backend, "resume": str(run_dir)})
    outcome = train(config)
    if outcome.evaluation is None:
        raise SystemExit(f"{name} was interrupted: the same command goes on with it")
    lines = [json.loads(line) for line in RunDir(run_dir).metrics.read_text().splitlines()]
    returns = outcome.evaluation.returns.reshape(config.num_seeds, -1).mean(axis=1)
    result = {"returns": returns.tolist(), "curve": curve(lines), "seconds": lines[-1]["seconds"]}
    result |= {"steps": config.total_timesteps, "random": first_return(lines, config.algo.learning_starts)}
    result |= {"machine": f"{os.cpu_count()} cores", "versions": {name: version(name) for name in PACKAGES}}
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def curve(lines: list[dict[str, Any]]) -> list[list[float]]:
    """(env steps, return, lowest, highest) of each evaluation; of one seed there is no range."""
    points = []
    for line in lines:
        if "eval/iqm" in line:
            points.append([line[tag] for tag in ("env_steps", "eval/iqm", "eval/iqm_low", "eval/iqm_high")])
        elif "eval/mean_return" in line:
            points.append([line["env_steps"]] + [line["eval/mean_return"]] * 3)
    return points


def first_return(lines: list[dict[str, Any]], steps: int) -> float | None:
    """The mean return of the episodes of random actions."""
    tags = ("rollout/iqm", "rollout/episodic_return")
    found = [line[tag] for line in lines if line["env_steps"] <= steps for tag in tags if tag in line]
    return float(np.mean(found)) if found else None


def report(results: dict[str, dict[str, Any]]) -> str:
    """The text of docs/learning_pixels.md."""
    heads = "| | backend | steps of each seed | return of each seed | mean | random | published | seconds of all | on |"
    lines = [
        "# Learning from images\n",
        f"DQN. Each number is the mean score of {EPISODES} whole greedy episodes after the last step of training, or",
        "of as many as the command says. Actions stick: with probability 0.1 in MinAtar, 0.25 in ALE/Pong-v5. What is",
        "published of MinAtar was read off a figure of Young & Tian (2019), who update after every step; what is of",
        "Pong is CleanRL's, with updates after every four steps and no sticky actions. The machines had",
        "other work too: the seconds say no more than how long it may take.\n",
        heads,
        "|---" * (heads.count("|") - 1) + "|",
    ]
    for name, result in results.items():
        run, returns = RUNS[name], result["returns"]
        cells = [f"DQN, {run.env}", run.backend, f"{result['steps']:,}", ", ".join(f"{x:.1f}" for x in returns)]
        cells += [f"**{np.mean(returns):.1f}**", "" if result["random"] is None else f"{result['random']:.1f}"]
        lines.append("| " + " | ".join([*cells, run.published, f"{result['seconds']:,.0f}", result["machine"]]) + " |")
    lines += [
        "",
        *(f"{RUNS[name].env}, {RUNS[name].backend}: {x['note']}\n" for name, x in results.items() if "note" in x),
    ]
    lines += ["![Greedy return during training](learning_pixels.png)"]
    lines += ["![Greedy return during training, on the host](learning_pixels_host.png)\n"]
    lines += ["Curves: of several seeds the interquartile mean and its 95 % bootstrap interval. Raw numbers:"]
    lines += ["[results/pixels](results/pixels); of the fused games only the returns of the table were kept.\n", "```"]
    lines += [command(RUNS[name]) for name in results]
    return "\n".join([*lines, "```\n", "Written by `python scripts/learning_pixels.py --report`.\n"])


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """The evaluation curves, a panel for each game."""
    import matplotlib.pyplot as plt

    games = dict.fromkeys(name.split("-torch")[0].split("-jax")[0] for name in results)
    figure, panels = plt.subplots(1, len(games), figsize=(3.4 * len(games), 3.2), layout="constrained", squeeze=False)
    for axes, game in zip(panels.flat, games, strict=True):
        for name, result in results.items():
            if name.startswith(game):
                run = RUNS[name]
                steps, middle, low, high = np.array(result["curve"]).T
                label = f"{run.backend} fused" if run.settings.get("mode") == "fused" else f"{run.backend} host"
                axes.plot(steps, middle, color=COLOURS[run.backend], label=label)
                axes.fill_between(steps, low, high, color=COLOURS[run.backend], alpha=0.15, linewidth=0)
        axes.set(title=game, xlabel="environment steps of a seed", ylabel="greedy return")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(6, 6))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def code_of(command: list[str]) -> int:
    """Run a command, with the signals that end this one passed on; return its exit code."""
    with subprocess.Popen(command, process_group=0) as process, passing_on(lambda n, _: process.send_signal(n)):
        return process.wait()


def main() -> None:
    """Run what is missing, then write table and figure of what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/learning_pixels"), help="the runs, kept between calls")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page, figure and results/pixels go")
    parser.add_argument("--train", choices=RUNS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.docs / "results" / "pixels"
    if arguments.train:
        train_one(arguments.train, arguments.out, folder)
        return
    for name in () if arguments.report else arguments.only:
        if not (folder / f"{name}.json").exists():
            print(command(RUNS[name]), file=sys.stderr)
            places = ["--out", str(arguments.out), "--docs", str(arguments.docs)]
            if code := code_of([sys.executable, __file__, *places, "--train", name]):
                sys.exit(code)
    found = {name: folder / f"{name}.json" for name in RUNS}
    results = {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}
    drawn = {name: result for name, result in results.items() if result["curve"]}
    for file, mode in (("learning_pixels.png", "fused"), ("learning_pixels_host.png", "host")):
        if some := {name: x for name, x in drawn.items() if RUNS[name].settings.get("mode", "host") == mode}:
            draw(some, arguments.docs / file)
    (arguments.docs / "learning_pixels.md").write_text(report(results))
    print(report(results))


if __name__ == "__main__":
    main()
