"""One measurement of scripts/gpu.py, in a process of its own; prints a line of JSON.

python scripts/gpu_measure.py card DEVICE
python scripts/gpu_measure.py updates DEVICE WORK VARIANT SECONDS
python scripts/gpu_measure.py fused DEVICE ALGO SEEDS SECONDS
python scripts/gpu_measure.py seeds DEVICE
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from bench_fused import WORK

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, make_agent
from rlpair.compare.roofline import update_flop
from rlpair.config import RunConfig
from rlpair.errors import RLPairError
from rlpair.loops.fused import make_workers
from rlpair.make import backend_module, configure_process
from rlpair.parity import Case, data, errors

CHEETAH = EnvSpec((17,), "float32", False, 6, (-1.0,) * 6, (1.0,) * 6)  # HalfCheetah's shapes
ATARI = EnvSpec((84, 84, 4), "uint8", True, 6)  # Pong's
NATURE = DQNConfig(batch_size=32, encoder="nature", net_arch=())
UPDATES = {
    "sac": (CHEETAH, SACConfig(), 64),
    "pixels": (ATARI, NATURE, 16),
}  # the last: updates handed over in one call
# Of an update: backend, torch.compile, a CUDA graph. The last of torch's is what compile=true does on a GPU.
VARIANTS = {
    "torch eager": ("torch", False, False),
    "torch eager, as a CUDA graph": ("torch", False, True),
    "torch compiled": ("torch", True, False),
    "torch compiled, as a CUDA graph": ("torch", True, True),
    "jax": ("jax", False, False),
}


def card(device: str) -> dict[str, Any]:
    """What both frameworks see of the device."""
    import jax
    import torch

    theirs = jax.devices(device)
    if device == "cpu":
        return {"name": "no GPU: the CPU", "gpus": 0, "jax": theirs[0].device_kind, "cuda": None}
    seen = {"name": torch.cuda.get_device_name(0), "gpus": torch.cuda.device_count(), "cuda": torch.version.cuda}
    return seen | {"jax": theirs[0].device_kind, "bytes": torch.cuda.get_device_properties(0).total_memory}


def rate(function: Callable[[int], Any], synchronize: Callable[[], Any], seconds: float, each: int = 1) -> float:
    """Calls per second, times ``each``: as many calls as take so long, to the end of the last, after three others."""
    calls = 10 if each == 1 else 1  # between two looks at the clock
    for i in range(3):
        function(i)
    synchronize()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for i in range(calls):
            function(i)
        synchronize()
        count += calls
    return each * count / (time.perf_counter() - start)


def updates(device: str, work: str, variant: str, seconds: float) -> dict[str, Any]:
    """Updates per second on batches that lie there, from the host, in bursts."""
    backend, compiled, recorded = VARIANTS[variant]
    spec, config, burst_size = UPDATES[work]
    configure_process(backend, config, device)
    began = time.perf_counter()
    agent: Any = make_agent(config.name, backend=backend, env=spec, config=config, device=device, compile=False)
    if backend == "torch":
        decorate(agent, compiled, recorded)
    batches, _ = data(Case(config, spec, 0, config.batch_size), burst_size)
    rows = [Transition(*(None if x is None else x[u] for x in batches)) for u in range(burst_size)]
    to_device = backend_module("agents.runtime", backend).to_device
    there, burst = [to_device(row, device) for row in rows], to_device(batches, device)
    agent.update(there[0])
    agent.synchronize()
    first = time.perf_counter() - began
    return {
        "updates_per_second": rate(lambda i: agent.update(there[i % burst_size]), agent.synchronize, seconds),
        "from_host": rate(lambda i: agent.update(rows[i % burst_size]), agent.synchronize, seconds),
        "in_bursts": rate(lambda _: agent.update(burst), agent.synchronize, seconds, burst_size),
        "first_update_seconds": first,
        "device_bytes": backend_module("agents.runtime", backend).device_memory(device),
    }


def decorate(agent: Any, compiled: bool, recorded: bool) -> None:
    """torch.compile and a CUDA graph around the learner's update, each by itself."""
    import torch

    from rlpair.algos.compile_torch import check_compiler, counting
    from rlpair.algos.cuda_graph_torch import Recorded

    learner, program = agent.learner, agent.learner.update
    if compiled:
        check_compiler()
        program = torch.compile(torch.no_grad()(program), fullgraph=True, dynamic=False)
    if recorded:
        program = Recorded(program, learner.state)
    if compiled or recorded:
        learner.update = counting(program, agent.device)


def fused(device: str, algo: str, num_seeds: int, seconds: float) -> dict[str, Any]:
    """Env steps per second of the fused loop, summed over the seeds, one update for each step."""
    env, config, *_ = WORK[algo]
    began = time.perf_counter()
    run = RunConfig(algo=config, env=env, mode="fused", num_seeds=num_seeds, device=device, total_timesteps=10**9)
    workers = make_workers(run)
    now = config.learning_starts + 10
    workers.call("run", 0, now)
    compiled = time.perf_counter() - began
    rounds, elapsed = 5, 0.0
    while elapsed < seconds:
        rounds *= 2
        start = time.perf_counter()
        workers.call("run", now, now + rounds)
        elapsed, now = time.perf_counter() - start, now + rounds
    found = num_seeds * rounds / elapsed
    memory = backend_module("agents.runtime", "jax").device_memory(device)
    flop = found * update_flop(config, workers.call("get_spec")[0])
    workers.close()
    return {"env_steps_per_second": found, "flop": flop, "compile_seconds": compiled, "device_bytes": memory}


def seeds(device: str) -> dict[str, Any]:
    """Whether seeds that are spread over all GPUs are those of one; on one GPU there is nothing to spread."""
    module, runtime = backend_module("loops.seeds", "jax"), backend_module("agents.agent", "jax")
    found = module.find_devices(device)
    count = len(found)
    if count == 1:
        return {"devices": 1, "note": f"there is one {found[0].device_kind}: seeds are spread over several only"}
    env, config, *_ = WORK["dqn"]
    run = RunConfig(algo=config, env=env, mode="fused", num_seeds=2 * count, device=device, total_timesteps=10**6)
    spread, alone = (module.Seeds(run, range(2 * count), "float64", some) for some in (found, found[:1]))
    told = [one.run(0, 700) for one in (spread, alone)]
    worst = max(errors(told[0].metrics, told[1].metrics).values())
    if not worst <= 1e-9:
        raise RLPairError(f"seeds on {count} devices are {worst:.1e} from those on {runtime.find_device(device)}")
    return {"devices": count, "note": f"seeds on {count} devices are those on one, to {worst:.0e}"}


def main() -> None:
    """Measure what the arguments say."""
    kind, device, *arguments = sys.argv[1:]
    functions: dict[str, Callable[..., dict[str, Any]]] = {
        "card": card,
        "updates": lambda device, work, variant, seconds: updates(device, work, variant, float(seconds)),
        "fused": lambda device, algo, count, seconds: fused(device, algo, int(count), float(seconds)),
        "seeds": seeds,
    }
    print(json.dumps(functions[kind](device, *arguments)))


if __name__ == "__main__":
    main()
