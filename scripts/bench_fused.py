"""The fused loop beside Rejax's, side by side: writes docs/benchmarks_fused.md.

    python scripts/bench_fused.py --rejax VENV/bin/python [--repeats 5] [--write docs/benchmarks_fused.md]

The work, one environment an agent and one update per environment step after 512: DQN on CartPole-v1 (64-64, batch 128)
and SAC on Pendulum-v1 (256-256, batch 256, two critics), replays of 20,000. Rejax flattens images: MinAtar's Breakout
is measured so in both, and through convolutions in ours. Steps of all seeds are summed; compile time stands apart, and
only steps with an update count (Rejax's rate takes its warm-up as free). Every measurement is a process of its own
(with worker processes where rlpair spreads seeds over cores), and contestants take turns, A B A B; each cell is the
median.

``share``: the floating-point operations of the updates over the matrix products that numpy does in the same run, on as
many cores: those of the layers, forward and backward, as ``rlpair.compare`` counts them. It is a yardstick and no
ceiling: where it is over 100 %, XLA multiplies faster than numpy's OpenBLAS.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rlpair import DQNConfig, SACConfig
from rlpair.compare.roofline import update_flop
from rlpair.config import RunConfig
from rlpair.loops.fused import make_workers

COMMON: dict[str, Any] = {"buffer_size": 20_000, "learning_starts": 512, "train_freq": 1, "gradient_steps": 1}
DQN = DQNConfig(**COMMON, learning_rate=1e-3, batch_size=128, tau=1.0, target_update_interval=500, net_arch=(64, 64))
FLAT = replace(DQN, encoder="none")
CONV = replace(FLAT, encoder="minatar", net_arch=())
WORK = {  # name: environment, settings, steps per seed of one seed and of many, how many
    "dqn": ("CartPole-v1", DQN, (100_000, 40_000), 16),
    "sac": ("Pendulum-v1", SACConfig(**COMMON), (6_000, 2_000), 8),
    "minatar": ("gymnax/Breakout-MinAtar", FLAT, (20_000, 8_000), 4),
    "minatar-conv": ("gymnax/Breakout-MinAtar", CONV, (4_000, 1_500), 4),
}
REJAX_STEPS = {"dqn": (30_000, 10_000), "sac": (3_500, 1_500), "minatar": (8_000, 3_000)}
PRODUCT = 512  # rows of the square matrices that the peak is measured with


def measure(name: str, num_seeds: int) -> dict[str, float]:
    """Summed env steps/s after the first 1,000 of each seed, and the seconds until these were done."""
    env_id, config, (alone, many), _ = WORK[name]
    steps = alone if num_seeds == 1 else many
    began = time.perf_counter()
    workers = make_workers(RunConfig(algo=config, env=env_id, mode="fused", num_seeds=num_seeds))
    workers.call("run", 0, 1_000)
    start = time.perf_counter()
    workers.call("run", 1_000, 1_000 + steps)
    rate = num_seeds * steps / (time.perf_counter() - start)
    gflops = rate * update_flop(config, workers.call("get_spec")[0]) / 1e9
    workers.close()
    return {"env_steps_per_second": rate, "compile_seconds": start - began, "gflops": gflops}


def peak() -> float:
    """GFLOP/s of numpy's float32 matrix product, on all cores; the best of some."""
    a = np.ones((PRODUCT, PRODUCT), np.float32)
    seconds = []
    for _ in range(50):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * PRODUCT**3 / min(seconds) / 1e9


REJAX = """
import json, sys, time, jax, jax.numpy as jnp
from rejax import get_algo
algo, env, steps, seeds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
config = dict(buffer_size=20_000, fill_buffer=512, num_epochs=1, num_envs=1)
if algo == "dqn":
    config.update(batch_size=128, target_update_freq=500, learning_rate=1e-3)
else:
    config.update(hidden_layer_sizes=(256, 256), batch_size=256, learning_rate=3e-4)
agent = get_algo(algo).create(env=env, total_timesteps=steps, eval_freq=steps, skip_initial_evaluation=True, **config)
agent = agent.replace(eval_callback=lambda *_: jnp.zeros(()))
train = jax.jit(jax.vmap(agent.train) if seeds > 1 else agent.train)
key = jax.random.split(jax.random.key(0), seeds) if seeds > 1 else jax.random.key(0)
began = time.perf_counter()
compiled = train.lower(key).compile()
start = time.perf_counter()
jax.block_until_ready(compiled(key))
rate = (steps - 512) * seeds / (time.perf_counter() - start)
print(json.dumps({"env_steps_per_second": rate, "compile_seconds": start - began}))
"""


def call(command: list[str]) -> dict[str, float]:
    """The JSON that a command prints last; its errors are ours."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{result.stderr}")
    found: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def table(name: str, runs: dict[str, list[dict[str, float]]], machine_peak: float) -> str:
    """Markdown: medians, spread, ratios."""
    median = {who: statistics.median(run["env_steps_per_second"] for run in found) for who, found in runs.items()}
    ours = next(iter(runs.values()))[0]
    env_id, config, a_step = *WORK[name][:2], ours["gflops"] / ours["env_steps_per_second"]
    network = "-".join(map(str, config.net_arch)) or f"algo.encoder={config.encoder}"
    lines = [
        f"### {config.name.upper()}, {env_id}, {network}\n",
        "| | env steps/s of all seeds, median (min to max) | x Rejax | compile, s | GFLOP/s | share |",
        "|---|---|---|---|---|---|",
    ]
    for who, found in runs.items():
        rates = [run["env_steps_per_second"] for run in found]
        peer = median.get(who.replace("rlpair", "rejax"))
        ratio = f"{median[who] / peer:.2f}" if peer and who.startswith("rlpair") else ""
        gflops = median[who] * a_step
        seconds = statistics.median(run["compile_seconds"] for run in found)
        spread = f"{median[who]:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        lines.append(f"| {who} | {spread} | {ratio} | {seconds:.1f} | {gflops:.0f} | {gflops / machine_peak:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure in turns and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rejax", help="a Python that has rejax and gymnax<1.0")
    parser.add_argument("--work", nargs="+", default=list(WORK), choices=WORK)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    machine_peak, tables = peak(), []
    for work in args.work:
        env_id, config, _, many = WORK[work]
        commands: dict[str, list[str]] = {}
        for num_seeds, rejax_steps in zip((1, many), REJAX_STEPS.get(work, (0, 0)), strict=True):
            label = "1 seed" if num_seeds == 1 else f"{num_seeds} seeds"
            commands[f"rlpair, {label}"] = [sys.executable, __file__, "measure", work, str(num_seeds)]
            if args.rejax and rejax_steps:
                env = env_id.removeprefix("gymnax/")
                run = [args.rejax, "-c", REJAX, config.name, env, str(rejax_steps), str(num_seeds)]
                commands[f"rejax, {label}"] = run
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
        for repeat in range(args.repeats):
            for name, command in commands.items():
                runs[name].append(call(command))
                rate = runs[name][-1]["env_steps_per_second"]
                print(f"{work} {repeat + 1}/{args.repeats} {name}: {rate:,.0f}", file=sys.stderr)
        tables.append(table(work, runs, machine_peak))
        print(tables[-1])
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy"))
    machine = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}; {packages}"
    product = f"numpy's float32 product of {PRODUCT}x{PRODUCT}: {machine_peak:.0f} GFLOP/s on all cores"
    head = f"# The fused loop\n\n{__doc__.split(chr(10), 1)[1].strip()}\n\n{machine}; {product}.\n\n"
    if args.write:
        args.write.write_text(head + "\n".join(tables))


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
