"""Our loops against their parts and against peers, side by side: writes docs/benchmarks.md.

    python scripts/bench_peers.py --sb3 PYTHON --sbx PYTHON --skrl PYTHON --cleanrl PYTHON DQN_JAX.PY
        [--work dqn sac cheetah bursts dqn-64 sac-64 pong] [--train] [--repeats 3] [--write docs/benchmarks.md]

PYTHON is that of an environment which holds the peer; one that is not given is left out. The work: DQN on CartPole-v1
(120-84, batch 128) and SAC on Pendulum-v1 and HalfCheetah-v5 (256-256, batch 256, two critics), one environment, one
update per environment step after 500 steps (``bursts``: eight after every eight), the clock from step 2000 on. ``pong``
is DQN on PongNoFrameskip-v4 as published: the network of Mnih et al., batch 32, an update every four steps, each
library with its own wrappers; 10,000 transitions, the clock from step 1000 on; CleanRL's script stands beside
dqn_jax.py, dqn_atari_jax.py and dqn_atari.py.
Every measurement is a process of its own, and all contestants take turns, A B C A B C: a drift of the machine hits all
alike. Each cell is the median. Torch runs with as many threads as it says, and where it does not with those that rlpair
sets. Rejax stands in benchmarks_fused.md, beside our compiled loop.

act, env, sample and update are each measured alone, many calls in a row. ``sequence`` is what the four take one after
the other with nothing around them: more than their sum, since each finds the caches full of the others. ``share`` is
the loop's rate over the rate that the sequence allows, all in the same process; also with 64 environments and as many
updates after each vector step. All parts are microseconds an environment step. ``logged`` is the rate of
``rlpair.train`` (logging, progress bar, evaluation, checkpoints; their time counted) over that of the bare loop, with
``--train``.
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
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rlpair import DQNConfig, LoopConfig, SACConfig, Transition, make_agent
from rlpair.algos import dqn
from rlpair.disk.layout import RunDir
from rlpair.envs.make import make_envs
from rlpair.loops.host import HostLoop
from rlpair.make import configure_process
from rlpair.replay.buffer import make_replay
from rlpair.seeding import stream
from rlpair.system.machine import machine as this_machine

COMMON: dict[str, Any] = {"buffer_size": 100_000, "learning_starts": 500}
CONFIGS: dict[str, Any] = {
    "dqn": DQNConfig(
        learning_rate=1e-3,
        batch_size=128,
        tau=1.0,
        target_update_interval=500,
        net_arch=(120, 84),
        exploration_steps=5_000,
        **COMMON,
    ),
    "sac": SACConfig(**COMMON),
    "pong": replace(dqn.IMAGE_BENCHMARK, encoder="nature", buffer_size=10_000, learning_starts=500),
}


class Work(NamedTuple):
    """What all contestants do."""

    title: str
    algo: str
    env: str
    updates: int  # after as many environment steps
    steps: int
    threads: tuple[int, ...]  # that torch is tried with
    num_envs: int = 1
    round_size: int | None = None  # environment steps before the updates; None: as many
    from_step: int = 2_000  # of the clock


WORK = {
    "dqn": Work("DQN, CartPole-v1", "dqn", "CartPole-v1", 1, 10_000, (1, 2)),
    "sac": Work("SAC, Pendulum-v1", "sac", "Pendulum-v1", 1, 4_000, (2,)),
    "cheetah": Work("SAC, HalfCheetah-v5", "sac", "HalfCheetah-v5", 1, 4_000, (2,)),
    "bursts": Work("SAC, Pendulum-v1, eight updates after every eight steps", "sac", "Pendulum-v1", 8, 4_000, (2,)),
    "dqn-64": Work(
        "DQN, CartPole-v1, 64 environments, 64 updates a vector step", "dqn", "CartPole-v1", 64, 12_000, (), 64
    ),
    "sac-64": Work(
        "SAC, Pendulum-v1, 64 environments, 64 updates a vector step", "sac", "Pendulum-v1", 64, 4_000, (), 64
    ),
    "pong": Work("DQN, PongNoFrameskip-v4", "dqn", "PongNoFrameskip-v4", 1, 2_000, (2,), 1, 4, 1_000),
}
PARTS = ("act", "env", "sample", "update", "sequence")
OURS: dict[str, dict[str, Any]] = {"jax": {}, "torch": {}, "torch compiled": {"compile": True}}


def measure(work: Work, variant: str) -> dict[str, float]:
    """The loop's env steps/s, and the microseconds an env step of each of its parts alone."""
    backend, num_envs, round_size = variant.split()[0], work.num_envs, work.round_size or work.updates
    config = CONFIGS["pong" if work.round_size else work.algo]
    config = replace(config, train_freq=round_size // num_envs, gradient_steps=work.updates)
    configure_process(backend, config)
    envs = make_envs(work.env, num_envs)
    agent = make_agent(work.algo, backend=backend, env=envs.spec, config=config, **OURS[variant])
    replay = make_replay(config, num_envs, envs.spec)
    loop = HostLoop(agent, envs, replay, LoopConfig(total_timesteps=work.steps, log_every=250))
    start, first = 0.0, 0
    for record in loop:
        if not first and record.env_steps >= work.from_step:
            agent.synchronize()
            start, first = time.perf_counter(), record.env_steps
    agent.synchronize()
    rate = (work.steps - first) / (time.perf_counter() - start)

    rng, obs = stream(0, "bench"), envs.reset(0)
    actions = [envs.sample_actions(rng) for _ in range(1_000)]
    batch, _ = replay.sample(config.batch_size, work.updates, rng)
    rounds = 10 if work.round_size else max(5, (1_000 if work.algo == "dqn" else 200) // round_size)
    a_step = {
        "act": microseconds(lambda i: agent.act(obs, env_steps=i), 1_000) / num_envs,
        "env": microseconds(lambda i: envs.step(actions[i % 1_000]), 1_000) / num_envs,
    }
    a_round = {
        "sample": microseconds(lambda i: replay.sample(config.batch_size, work.updates, rng), rounds),
        "update": microseconds(lambda i: (agent.update(batch), agent.synchronize()), rounds),
        "sequence": microseconds(in_sequence(agent, envs, replay), rounds),
    }
    parts = a_step | {name: value / round_size for name, value in a_round.items()}
    return {"env_steps_per_second": rate, "share": rate * parts["sequence"] / 1e6, **parts}


def in_sequence(agent: Any, envs: Any, replay: Any) -> Callable[[int], None]:
    """One round of a loop that does nothing else."""
    rng, obs, config = stream(0, "bench"), envs.reset(0), agent.config

    def a_round(i: int) -> None:
        nonlocal obs
        for _ in range(config.train_freq):
            action = agent.act(obs, env_steps=i)
            result = envs.step(action)
            replay.add(Transition(obs, action, result.reward, result.next_obs, result.terminated), result.truncated)
            obs = result.obs
        agent.update(replay.sample(config.batch_size, config.gradient_steps, rng)[0])

    return a_round


def microseconds(function: Any, count: int) -> float:
    """Median over five rounds of a call's mean time."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for i in range(count):
            function(i)
        rounds.append((time.perf_counter() - start) / count * 1e6)
    return statistics.median(rounds)


def train_rate(work: Work, backend: str) -> dict[str, float]:
    """Env steps/s of rlpair.train with all that it writes, between its first log record by the clock and its last."""
    config, steps = CONFIGS[work.algo], 4 * work.steps  # enough for what it does only once to count as in practice
    keys = (*COMMON, "learning_rate", "batch_size", "target_update_interval", "net_arch")
    settings = {k: str(getattr(config, k)).replace(" ", "") for k in keys}
    overrides = [f"algo.{k}={v.replace('(', '[').replace(')', ']')}" for k, v in settings.items()]
    overrides += ["algo.train_freq=1", "algo.gradient_steps=1", f"total_timesteps={steps}"]
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = ["-m", "rlpair.train", f"algo={work.algo}", f"backend={backend}", f"env={work.env}"]
        call([sys.executable, *command, f"run_dir={run_dir}", *overrides])
        lines = [json.loads(line) for line in RunDir(run_dir).metrics.read_text().splitlines()]
    logged = [line for line in lines if line["env_steps"] >= work.from_step]
    first, last = logged[0], logged[-1]
    return {"env_steps_per_second": (last["env_steps"] - first["env_steps"]) / (last["seconds"] - first["seconds"])}


def call(command: list[str]) -> str:
    """What a command prints last; its errors are ours."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr}")
    return result.stdout.strip().splitlines()[-1]


def contestants(name: str, args: argparse.Namespace) -> dict[str, list[str]]:
    """The command of each contestant; all print one line, a number or JSON."""
    work, here = WORK[name], Path(__file__)
    commands = {f"rlpair {variant}": [sys.executable, __file__, "measure", name, variant] for variant in OURS}
    if args.train and name in ("dqn", "sac"):
        commands |= {f"rlpair.train {b}": [sys.executable, __file__, "train", name, b] for b in ("jax", "torch")}
    if work.num_envs > 1:
        return commands
    what = [work.algo, work.env, str(work.steps), str(work.round_size or work.updates)]
    peer, skrl = str(here.with_name("bench_peer.py")), str(here.with_name("bench_peer_skrl.py"))
    if args.sb3:
        for count in work.threads:
            commands[f"SB3, {count} torch threads"] = [args.sb3, peer, "sb3", *what, str(count)]
    if args.sbx:
        commands["SBX"] = [args.sbx, peer, "sbx", *what, "2"]
    if args.skrl and name == "dqn":  # its SAC does not squash actions: another algorithm
        for backend in ("torch", "jax"):
            commands[f"skrl {backend}"] = [args.skrl, skrl, backend, *what, str(work.threads[-1])]
    scripts = {"dqn": ["dqn_jax.py"], "pong": ["dqn_atari_jax.py", "dqn_atari.py"]}
    for script in scripts.get(name, ()) if args.cleanrl else ():
        python, path = args.cleanrl[0], Path(args.cleanrl[1]).with_name(script)
        peer = str(here.with_name("bench_peer_cleanrl.py"))
        commands[f"CleanRL {script}"] = [python, peer, str(path), *what[1:3]]
    return commands


def report(work: Work, rows: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: medians, spread, ratios, parts."""
    medians = {name: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for name, runs in rows.items()}
    peers = {name: m["env_steps_per_second"] for name, m in medians.items() if not name.startswith("rlpair")}
    best_sb3 = max((rate for name, rate in peers.items() if name.startswith("SB3")), default=None)
    against = {"x SB3": best_sb3, "x SBX": peers.get("SBX")}
    against |= {f"x {name}": rate for name, rate in peers.items() if name.startswith("CleanRL")}
    ratios = {title: rate for title, rate in against.items() if rate}
    heads = ["", "env steps/s, median (min to max)", *ratios, *PARTS, "share"]
    if any(name.startswith("rlpair.train") for name in rows):
        heads.append("logged")
    lines = [f"## {work.title}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, m in medians.items():
        rates, rate = [run["env_steps_per_second"] for run in rows[name]], m["env_steps_per_second"]
        cells = [name, f"{rate:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"]
        cells += [f"{rate / peer:.2f}" for peer in ratios.values()]
        cells += [f"{m[k]:.0f}" if k in m else "" for k in PARTS]
        bare = medians.get(name.replace("rlpair.train", "rlpair"), m)["env_steps_per_second"]
        cells += [f"{m['share']:.0%}" if "share" in m else ""]
        if "logged" in heads:
            cells.append(f"{rate / bare:.0%}" if name.startswith("rlpair.train") else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def versions(args: argparse.Namespace) -> str:
    """Of what took part."""
    ours = ", ".join(f"{name} {version(name)}" for name in ("torch", "jax", "gymnasium", "numpy"))
    names = {"sb3": "stable-baselines3", "sbx": "sbx-rl", "skrl": "skrl", "cleanrl": "jax"}
    told = []
    for key, package in names.items():
        if python := (getattr(args, key) or [None])[0] if key == "cleanrl" else getattr(args, key):
            code = f"from importlib.metadata import version; print(version({package!r}))"
            told.append(f"{'CleanRL with jax' if key == 'cleanrl' else package} {call([python, '-c', code])}")
    return "; ".join([ours, *([", ".join(told)] if told else [])])


def main() -> None:
    """Measure in turns and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in ("sb3", "sbx", "skrl"):
        parser.add_argument(f"--{peer}", metavar="PYTHON")
    parser.add_argument("--cleanrl", nargs=2, metavar=("PYTHON", "DQN_JAX.PY"))
    parser.add_argument("--work", nargs="+", default=list(WORK), choices=WORK)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", action="store_true", help="rlpair.train, too")
    parser.add_argument("--write", type=Path)
    args, tables = parser.parse_args(), []
    for name in args.work:
        rows: dict[str, list[dict[str, float]]] = {}
        for repeat in range(args.repeats):
            for contestant, command in contestants(name, args).items():
                value = json.loads(call(command))
                run = value if isinstance(value, dict) else {"env_steps_per_second": value}
                rows.setdefault(contestant, []).append(run)
                rate = f"{run['env_steps_per_second']:,.0f}"
                print(f"{name} {repeat + 1}/{args.repeats} {contestant}: {rate}", file=sys.stderr, flush=True)
        tables.append(report(WORK[name], rows))
        print(tables[-1], flush=True)
    date, cores = time.strftime("%Y-%m-%d"), os.cpu_count()
    machine = f"{date}, {this_machine()['processor']}, {cores} cores, Python {platform.python_version()}"
    head = f"# Benchmarks\n\n{__doc__.split(chr(10), 1)[1].strip()}\n\n{machine}; {versions(args)}.\n\n"
    if args.write:
        args.write.write_text(head + "\n".join(tables))


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(WORK[sys.argv[2]], sys.argv[3])))
    elif sys.argv[1:2] == ["train"]:
        print(json.dumps(train_rate(WORK[sys.argv[2]], sys.argv[3])))
    else:
        main()
