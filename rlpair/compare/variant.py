"""One variant of ``rlpair.compare``: a process that builds one variant of the training loop and measures it when asked.

Reads a line of JSON, the variant, and then one for each request: {"measure": seconds} or {"check": fields of a Check}.
Answers each with a line of JSON. Clocks are read with the device idle, and what compiles has compiled before.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rlpair.algos.base import OffPolicyConfig
from rlpair.algos.registry import find
from rlpair.compare.checks import Check, best_return
from rlpair.compare.roofline import SIZE, numpy_product, product_rate, update_flop
from rlpair.config import LoopConfig, RunConfig
from rlpair.envs.make import make_envs
from rlpair.loops.fused import make_workers
from rlpair.loops.host import HostLoop, evaluate
from rlpair.make import backend_module, configure_process, make_agent
from rlpair.nets.encoders import ENCODERS
from rlpair.replay.buffer import make_replay
from rlpair.seeding import stream
from rlpair.system.workers import peak_memory
from rlpair.types import EnvSpec, Transition

Measured = dict[str, float | None]
ENDLESS = 2**30  # total_timesteps: a loop goes on as long as it is asked to
REPLAY = 100_000  # transitions
WARM_UP = 500  # env steps of random actions, as in all peers' benchmarks
EPISODES = 10  # of the learning check


class Variant(NamedTuple):
    """What is measured: one variant of one workload."""

    algo: str
    env: str
    backend: str
    mode: str  # eager, compiled (torch); host, fused, seeds (jax)
    device: str  # cpu or cuda
    num_envs: int
    batch_size: int
    net_arch: tuple[int, ...]
    num_seeds: int  # 1 but in mode seeds
    encoder: str = "none"  # that images go through

    @property
    def workload(self) -> tuple[Any, ...]:
        """What variants have in common that are compared."""
        return (self.algo, self.env, self.device, self.num_envs, self.batch_size, tuple(self.net_arch), self.encoder)

    @property
    def name(self) -> str:
        """The name of the variant: torch eager, jax fused."""
        return f"{self.backend} {self.mode}" + (f" {self.num_seeds}" if self.mode == "seeds" else "")

    @property
    def config(self) -> Any:
        """The algorithm's settings: an update for each ``train_freq`` environment steps."""
        base = benchmark_of(self.algo, self.encoder)
        changed = {"batch_size": self.batch_size, "net_arch": tuple(self.net_arch), "gradient_steps": self.num_envs}
        named = {"encoder": self.encoder} if self.encoder in ENCODERS else {}  # which threads are set by
        return type(base)(**(vars(base) | {"buffer_size": REPLAY, "learning_starts": WARM_UP} | changed | named))

    @property
    def network(self) -> str:
        """The layers, for people: 120-84, nature, minatar-128."""
        encoder = () if self.encoder == "none" else (self.encoder,)
        return "-".join(map(str, (*encoder, *self.net_arch))) or "linear"


def benchmark_of(algo: str, encoder: str) -> OffPolicyConfig:
    """Return what is measured of an algorithm, on observations that go through such an encoder."""
    algorithm = find(algo)
    return (None if encoder == "none" else algorithm.image_benchmark) or algorithm.benchmark


class HostVariant:
    """The host loop, and its parts one by one."""

    def __init__(self, variant: Variant, seed: int = 0) -> None:
        self.variant, config = variant, variant.config
        self.envs, self.more_envs = (make_envs(variant.env, variant.num_envs, training=True) for _ in range(2))
        self.replay = make_replay(config, variant.num_envs, self.envs.spec)
        began = time.perf_counter()
        self.agent = make_agent(
            variant.algo,
            backend=variant.backend,
            env=self.envs.spec,
            config=config,
            seed=seed,
            device=variant.device,
            compile=variant.mode == "compiled",
        )
        self.agent.act(self.more_envs.reset(0), env_steps=0)
        fresh = self.agent.state_dict()
        self.agent.update(zeros(self.envs.spec, (variant.num_envs, variant.batch_size)))
        self.agent.synchronize()
        self.compile_seconds = time.perf_counter() - began
        self.agent.load_state_dict(fresh)
        every = 32 * variant.num_envs
        self.loop = HostLoop(self.agent, self.envs, self.replay, LoopConfig(ENDLESS, log_every=every, seed=seed))
        self.records = iter(self.loop)
        self._advance(WARM_UP + every)

    def _advance(self, env_steps: int) -> None:
        while self.loop.env_steps < env_steps:
            next(self.records)
        self.agent.synchronize()

    def measure(self, seconds: float) -> Measured:
        """Measure the rate of the loop, and the microseconds of what it is made of."""
        rate = self._rate(seconds)
        saved = self.agent.state_dict()  # the updates that are timed are not the loop's
        parts = self._parts(seconds / 8)
        self.agent.load_state_dict(saved)
        flop = update_flop(self.variant.config, self.envs.spec) / parts["update_us"] * 1e6
        updates = rate / self.variant.config.train_freq
        rates = {"env_steps_per_second": rate, "updates_per_second": updates, "flop_per_second": flop}
        return {**rates, "env_steps": float(self.loop.env_steps), **parts}

    def _rate(self, seconds: float) -> float:
        first, start = self.loop.env_steps, time.perf_counter()
        while time.perf_counter() - start < seconds:
            next(self.records)
        self.agent.synchronize()
        return (self.loop.env_steps - first) / (time.perf_counter() - start)

    def _parts(self, seconds: float) -> dict[str, float]:
        """Time the parts of a vector step, and one update of the num_envs that the loop hands over at a time."""
        variant, rng, agent, envs, replay = self.variant, stream(0, "compare"), self.agent, self.more_envs, self.replay
        size, updates, obs = variant.batch_size, variant.num_envs, self.more_envs.reset(0)
        actions = [envs.sample_actions(rng) for _ in range(100)]
        batches = [replay.sample(size, updates, rng)[0] for _ in range(max(1, 64 // updates))]
        there = [
            backend_module("agents.runtime", variant.backend).to_device(batch, variant.device) for batch in batches
        ]

        def update(i: int) -> None:
            agent.update(there[i % len(there)])
            agent.synchronize()

        def update_from_host(i: int) -> None:
            agent.update(batches[i % len(batches)])
            agent.synchronize()

        parts = {
            "env_us": microseconds(lambda i: envs.step(actions[i % 100]), seconds),
            "act_us": microseconds(lambda i: agent.act(obs, env_steps=i), seconds),
            "sample_us": microseconds(lambda i: replay.sample(size, updates, rng), seconds),
            "update_us": microseconds(update, seconds) / updates,
        }
        parts["samples_per_second"] = size * updates / parts["sample_us"] * 1e6
        if variant.device == "cuda":
            parts["transfer_us"] = max(0.0, microseconds(update_from_host, seconds) / updates - parts["update_us"])
        return parts

    def check(self, check: Check) -> float:
        """Return the best greedy return of the check's evaluations."""
        envs = make_envs(self.variant.env, EPISODES)

        def greedy() -> float:
            return float(evaluate(self.agent, envs, EPISODES, seed=0).returns.mean())

        return best_return(check, self.loop.env_steps, self._advance, greedy)

    def memory(self) -> int:
        """Return the bytes of the host that were taken at most."""
        return peak_memory()


class FusedVariant:
    """The fused loop, which has no parts to take out."""

    def __init__(self, variant: Variant) -> None:
        self.variant, began = variant, time.perf_counter()
        kind: dict[str, Any] = {"mode": "fused", "num_seeds": variant.num_seeds, "device": variant.device}
        config = RunConfig(
            algo=variant.config, env=variant.env, num_envs=variant.num_envs, eval_episodes=EPISODES, **kind
        )
        self.workers = make_workers(config)
        self.round, self.rounds_per_second = 0, 0.0  # a round is train_freq steps of every environment
        self._run(1)
        self.compile_seconds = time.perf_counter() - began
        self.advance(2 * WARM_UP)
        start, first = time.perf_counter(), self.round
        self.advance(3 * WARM_UP)
        self.rounds_per_second = (self.round - first) / (time.perf_counter() - start)

    @property
    def env_steps(self) -> int:
        """Environment steps of each seed so far."""
        return self.round * self.round_size

    @property
    def round_size(self) -> int:
        """Environment steps of each seed in a round."""
        return int(self.variant.num_envs * self.variant.config.train_freq)

    def advance(self, env_steps: int) -> None:
        """Train up to so many steps of each seed; not at all where they lie behind."""
        self._run(max(0, -(-env_steps // self.round_size) - self.round))

    def _run(self, rounds: int) -> None:
        self.workers.call("run", self.round, self.round + rounds)
        self.round += rounds

    def measure(self, seconds: float) -> Measured:
        """Measure the rates, summed over the seeds."""
        rounds, start = max(1, round(seconds * self.rounds_per_second)), time.perf_counter()
        self._run(rounds)
        rate = self.variant.num_seeds * self.round_size * rounds / (time.perf_counter() - start)
        updates = rate / self.variant.config.train_freq
        flop = update_flop(self.variant.config, self.workers.call("get_spec")[0]) * updates
        rates = {"env_steps_per_second": rate, "updates_per_second": updates, "flop_per_second": flop}
        return {**rates, "env_steps": float(self.env_steps)}

    def check(self, check: Check) -> float:
        """Return the best greedy return of the check's evaluations, each the mean over the seeds."""

        return best_return(check, self.env_steps, self.advance, lambda: float(self.greedy_returns().mean()))

    def greedy_returns(self) -> np.ndarray:
        """Evaluate for the check: return the mean return of each seed, (S,)."""
        return np.concatenate([returns.mean(axis=1) for returns, *_ in self.workers.call("evaluate", 0)])

    def memory(self) -> int:
        """Return the bytes of the host that all processes took at most."""
        ours = self.workers.call("peak_memory")
        return int(ours[0] if len(ours) == 1 else sum(ours) + peak_memory())


def zeros(spec: EnvSpec, shape: tuple[int, int]) -> Transition:
    """Return transitions (U, B, ...) of zeros, for what is to be compiled."""
    obs = np.zeros((*shape, *spec.obs_shape), spec.obs_dtype)
    box = np.zeros((*shape, spec.action_dim), np.float32)
    action = np.full(shape, spec.action_start, np.int32) if spec.discrete else box
    return Transition(obs, action, np.zeros(shape, np.float32), obs, np.zeros(shape, np.float32))


def microseconds(function: Callable[[int], Any], seconds: float) -> float:
    """Time a call, in microseconds: the median over some rounds of its mean, after a call that does not count."""
    function(0)
    means, end, count = list[float](), time.perf_counter() + seconds, 1
    while time.perf_counter() < end or len(means) < 3:
        start = time.perf_counter()
        for i in range(count):
            function(i)
        elapsed = time.perf_counter() - start
        means.append(elapsed / count * 1e6)
        if elapsed < seconds / 20:
            means.clear()
            count *= 2
    return statistics.median(means)


def serve(variant: Variant) -> None:
    """Build the variant, tell what there is to say of it, and answer requests until there are no more."""
    settings = configure_process(variant.backend, variant.config, variant.device)
    runtime = backend_module("agents.runtime", variant.backend)
    built = (FusedVariant if variant.mode in ("fused", "seeds") else HostVariant)(variant)
    answer({"compile_seconds": built.compile_seconds, "settings": settings})
    products = [runtime.matrix_product(variant.device, SIZE)] + [numpy_product()] * (variant.device == "cpu")
    for line in sys.stdin:
        request = json.loads(line)
        if "measure" in request:
            seconds = request["measure"]
            measured = built.measure(seconds) | {"peak_flop_per_second": max(product_rate(p) for p in products)}
            measured["host_bytes"] = built.memory()
            answer(measured | {"device_bytes": runtime.device_memory(variant.device)})
        else:
            answer({"return": built.check(Check(**request["check"]))})


def answer(values: dict[str, Any]) -> None:
    """Write an answer, a line, to who asked."""
    print(json.dumps(values), flush=True)


def main() -> None:
    """Run the process python -m rlpair.compare.variant, which is spoken to on its standard input."""
    serve(Variant(**json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
