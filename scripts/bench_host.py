"""The host loop against its parts and against peers, side by side: writes docs/benchmarks.md.

    python scripts/bench_host.py --sb3 VENV/bin/python --sbx VENV/bin/python [--repeats 5] [--write docs/benchmarks.md]

The work: DQN on CartPole-v1 (120-84, batch 128) and SAC on Pendulum-v1 (256-256, batch 256, two critics), one
environment, one update per environment step after 500 steps, the clock from step 2000 on. Every measurement is a
process of its own, and all contestants take turns, A B C A B C: a drift of the machine hits all alike. Each cell is the
median.

act, env, sample and update are each measured alone, many calls in a row. ``sequence`` is what the four take one after
the other with nothing around them: more than their sum, since each finds the caches full of the others. ``share`` is
the loop's rate over the rate that the sequence allows, all in the same process. ``logged`` is the rate of
``rlpair.train`` with its defaults (logging, progress bar, evaluation, checkpoints; their time counted) over that of the
bare loop.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rlpair import DQNConfig, LoopConfig, SACConfig, Transition, make_agent
from rlpair.envs.host import make_envs
from rlpair.loop import HostLoop
from rlpair.make import configure_process
from rlpair.replay import ReplayBuffer
from rlpair.seeding import stream

FROM_STEP = 2_000
COMMON = {"buffer_size": 100_000, "learning_starts": 500, "train_freq": 1, "gradient_steps": 1}
DQN = DQNConfig(
    learning_rate=1e-3,
    batch_size=128,
    target_update_interval=500,
    net_arch=(120, 84),
    exploration_steps=5_000,
    **COMMON,
)
WORK = {  # algorithm: environment, settings, steps of peers, torch threads that they are tried with
    "dqn": ("CartPole-v1", DQN, 12_000, (1, 2)),
    "sac": ("Pendulum-v1", SACConfig(**COMMON), 6_000, (1, 2)),
}
OUR_STEPS = {"dqn": 50_000, "sac": 12_000}  # enough for what rlpair.train does only once to count as in practice


def measure(algo: str, backend: str) -> dict[str, float]:
    """The loop's env steps/s, and the microseconds of each of its parts alone."""
    env_id, config, *_ = WORK[algo]
    steps = OUR_STEPS[algo]
    configure_process(backend, config)
    envs = make_envs(env_id)
    agent = make_agent(algo, backend=backend, env=envs.spec, config=config)
    replay = ReplayBuffer(config.buffer_size, envs.num_envs, envs.spec)
    loop = HostLoop(agent, envs, replay, LoopConfig(total_timesteps=steps, log_every=250))
    start = None
    for record in loop:
        if start is None and record.env_steps >= FROM_STEP:
            agent.synchronize()
            start, first = time.perf_counter(), record.env_steps
    agent.synchronize()
    rate = (steps - first) / (time.perf_counter() - start)

    rng, obs = stream(0, "bench"), envs.reset(0)
    actions = [envs.sample_actions(rng) for _ in range(1_000)]
    batch, _ = replay.sample(config.batch_size, 1, rng)
    count = 1_000 if algo == "dqn" else 300
    parts = {
        "act": microseconds(lambda i: agent.act(obs, env_steps=i), count),
        "env": microseconds(lambda i: envs.step(actions[i]), 1_000),
        "sample": microseconds(lambda i: replay.sample(config.batch_size, 1, rng), 1_000),
        "update": microseconds(lambda i: (agent.update(batch), agent.synchronize()), count),
    }
    sequence = microseconds(in_sequence(agent, envs, replay, config.batch_size), count)
    return {"env_steps_per_second": rate, "share": rate * sequence / 1e6, "sequence": sequence, **parts}


def in_sequence(agent: Any, envs: Any, replay: Any, batch_size: int) -> Callable[[int], None]:
    """One step of a loop that does nothing else."""
    rng, obs = stream(0, "bench"), envs.reset(0)

    def step(i: int) -> None:
        nonlocal obs
        action = agent.act(obs, env_steps=i)
        result = envs.step(action)
        replay.add(Transition(obs, action, result.reward, result.next_obs, result.terminated), result.truncated)
        obs = result.obs
        agent.update(replay.sample(batch_size, 1, rng)[0])

    return step


def microseconds(function: Any, count: int) -> float:
    """Median over five rounds of a call's mean time."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for i in range(count):
            function(i)
        rounds.append((time.perf_counter() - start) / count * 1e6)
    return statistics.median(rounds)


def train_rate(algo: str, backend: str) -> dict[str, float]:
    """Env steps/s of rlpair.train with all that it writes, between its first and last log record after FROM_STEP."""
    env_id, config, *_ = WORK[algo]
    settings = {k: getattr(config, k) for k in (*COMMON, "learning_rate", "batch_size", "target_update_interval")}
    settings["net_arch"] = "[" + ",".join(map(str, config.net_arch)) + "]"
    overrides = [f"algo.{key}={value}" for key, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = ["-m", "rlpair.train", f"algo={algo}", f"backend={backend}", f"env={env_id}", f"run_dir={run_dir}"]
        call([sys.executable, *command, f"total_timesteps={OUR_STEPS[algo]}", *overrides])
        lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if line["env_steps"] >= FROM_STEP]
    first, last = logged[0], logged[-1]
    return {"env_steps_per_second": (last["env_steps"] - first["env_steps"]) / (last["seconds"] - first["seconds"])}


def call(command: list[str]) -> str:
    """What a command prints last; its errors are ours."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr}")
    return result.stdout.strip().splitlines()[-1]


def contestants(algo: str, peers: dict[str, str]) -> dict[str, list[str]]:
    """The command of each contestant; all print one line, a number or JSON."""
    env_id, _, steps, threads = WORK[algo]
    commands = {f"rlpair {b}": [sys.executable, __file__, "measure", algo, b] for b in ("jax", "torch")}
    commands |= {f"rlpair.train {b}": [sys.executable, __file__, "train", algo, b] for b in ("jax", "torch")}
    peer_script = str(Path(__file__).with_name("bench_peer.py"))
    for library, python in peers.items():
        for count in threads if library == "sb3" else threads[-1:]:
            name = f"{library} {count} threads" if library == "sb3" else library
            commands[name] = [python, peer_script, library, algo, env_id, str(steps), str(count)]
    return commands


def report(algo: str, rows: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: medians, spread, ratios, parts."""
    medians = {name: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for name, runs in rows.items()}
    peers = {n: m["env_steps_per_second"] for n, m in medians.items() if not n.startswith("rlpair")}
    best_sb3 = max((r for n, r in peers.items() if n.startswith("sb3")), default=float("nan"))
    sbx = peers.get("sbx", float("nan"))
    lines = [
        f"### {algo.upper()}, {WORK[algo][0]}\n",
        "| | env steps/s, median (min to max) | x SB3 | x SBX | act | env | sample | update | sequence, us | share "
        "| logged |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, m in medians.items():
        rates = [run["env_steps_per_second"] for run in rows[name]]
        rate = m["env_steps_per_second"]
        parts = [f"{m[k]:.0f}" if k in m else "" for k in ("act", "env", "sample", "update", "sequence")]
        share = f"{m['share']:.0%}" if "share" in m else ""
        bare = medians.get(name.replace("rlpair.train", "rlpair"))
        logged = f"{rate / bare['env_steps_per_second']:.0%}" if name.startswith("rlpair.train") else ""
        cells = [
            name,
            f"{rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
            f"{rate / best_sb3:.2f}",
            f"{rate / sbx:.2f}",
        ]
        lines.append("| " + " | ".join([*cells, *parts, share, logged]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure in turns and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sb3", help="a Python that has stable-baselines3")
    parser.add_argument("--sbx", help="a Python that has sbx-rl")
    parser.add_argument("--algo", nargs="+", default=list(WORK))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    peers = {name: python for name in ("sb3", "sbx") if (python := getattr(args, name))}
    tables = []
    for algo in args.algo:
        rows: dict[str, list[dict[str, float]]] = {}
        for repeat in range(args.repeats):
            for name, command in contestants(algo, peers).items():
                value = json.loads(call(command))
                run = value if isinstance(value, dict) else {"env_steps_per_second": value}
                rows.setdefault(name, []).append(run)
                print(f"{algo} {repeat + 1}/{args.repeats} {name}: {run['env_steps_per_second']:,.0f}", file=sys.stderr)
        tables.append(report(algo, rows))
        print(tables[-1])
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "jax", "gymnasium", "numpy"))
    machine = (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    head = f"# Benchmarks\n\n{__doc__.split(chr(10), 1)[1].strip()}\n\n{machine}; {packages}.\n\n"
    if args.write:
        args.write.write_text(head + "\n".join(tables))


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(*sys.argv[2:4])))
    elif sys.argv[1:2] == ["train"]:
        print(json.dumps(train_rate(*sys.argv[2:4])))
    else:
        main()
