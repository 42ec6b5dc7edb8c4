"""The fused loop's records: many seeds trained chunk by chunk in compiled programs, each core its share.

The programs are fused_jax.py's; here is what the host does between two chunks.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rlpair.aggregate import bootstrap_interval, interquartile_mean
from rlpair.config import RunConfig
from rlpair.disk.tensors import Tensors, check_contents, check_counts
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.loops.host import Stopwatch, warn_of_cut
from rlpair.loops.schedule import Schedule
from rlpair.make import backend_module, configure_process
from rlpair.replay.buffer import check_stored
from rlpair.system.workers import Workers, divide, usable_cores
from rlpair.types import EnvSpec, Evaluation, Record, State

RESAMPLES = 2_000  # of the bootstrap, once a record
SHORT = 0.5  # seconds of a chunk, during which the records of the one before it are made


def make_seeds(config: RunConfig, seeds: range) -> Any:
    """Make the seeds of one process."""
    configure_process("jax", config.algo, config.device)
    backend_module("agents.runtime", "jax").dispatch_ahead()
    return backend_module("loops.seeds", "jax").Seeds(config, seeds)


def make_workers(config: RunConfig) -> Workers:
    """Start one process for all seeds on a GPU; on a CPU one for each core, as far as there are seeds."""
    seeds = range(config.seed, config.seed + config.num_seeds)
    configure_process("jax", config.algo, config.device)
    if config.num_seeds == 1 or backend_module("agents.runtime", "jax").has_gpu(config.device):
        return Workers(make_seeds, [(config, seeds)], [usable_cores()])
    shares = divide(config.num_seeds, usable_cores())
    return Workers(make_seeds, [(config, seeds[part.start : part.stop]) for part, _ in shares], [c for _, c in shares])


class SeedState(NamedTuple):
    """All that the training of one seed goes on from."""

    agent: State  # by backend-free name
    run: dict[str, Any]  # the loop's own, as JSON can hold it exactly
    rest: State  # replay, environments, episodes so far


class FusedLoop:
    """The training loop of ``num_seeds`` agents; iterate over it for its records, as over a HostLoop.

    ``env_steps`` are those of one agent. A round, train_freq steps of every environment and the updates after them, is
    never cut: the loop ends with the one that reaches ``total_timesteps``.
    """

    def __init__(self, config: RunConfig, workers: Workers) -> None:
        self.config, self._workers = config, workers
        self.seeds = range(config.seed, config.seed + config.num_seeds)
        self._round_size = config.algo.train_freq * config.num_envs
        self._schedule = Schedule(config, self._round_size)
        self._running = deque[int]()  # of chunks that have begun: the round that each ends with
        self._collected = self._reported = 0  # rounds whose results are here, and those that are in records
        self._wait = math.inf  # seconds, for the last results
        self.best_return = np.full(config.num_seeds, -math.inf)
        self.improved = np.zeros(config.num_seeds, bool)  # whose last evaluation was its best
        self.ended = np.zeros((3, config.num_seeds))  # episodes since the last record, sums of returns and lengths
        self.metrics: dict[str, np.ndarray] = {}  # (S,) each
        self._stopped = False

    @property
    def _begun(self) -> int:
        """Rounds up to the end of the last chunk that runs or has run."""
        return self._running[-1] if self._running else self._collected

    @property
    def env_steps(self) -> int:
        """Steps of each agent's environments, to the end of the chunk that runs."""
        return self._begun * self._round_size

    @property
    def num_updates(self) -> int:
        """Gradient updates over all agents, to the end of the chunk that runs."""
        return self._updates(self._begun)

    def _updates(self, rounds: int) -> int:
        algo = self.config.algo
        a_round = self._round_size if algo.gradient_steps == -1 else algo.gradient_steps
        return max(0, rounds - algo.learning_starts // self._round_size) * a_round * len(self.seeds)

    def stop(self) -> None:
        """End after the chunks that have begun; safe in a signal handler."""
        self._stopped = True

    def __iter__(self) -> Iterator[Record]:
        stopwatch = Stopwatch(*self._work())
        while self._reported < self._begun or (self.env_steps < self.config.total_timesteps and not self._stopped):
            self._train()
            env_steps = self._reported * self._round_size
            due = self._schedule.due(env_steps)
            if due.log:
                yield Record(env_steps, self._log() | stopwatch.lap(*self._work()))
            if due.evaluation:
                with stopwatch.paused():
                    yield self._evaluate()
            if due.checkpoint:
                with stopwatch.paused():
                    yield Record(env_steps, {}, checkpoint=True)
        yield Record(self.env_steps, {}, checkpoint=True)

    def _work(self) -> tuple[int, int]:
        """Return the environment steps and updates of all agents that records have told of."""
        return self._reported * self._round_size * len(self.seeds), self._updates(self._reported)

    def _train(self) -> None:
        """Go on to where something is due next, its results collected."""
        if self._reported == self._collected:  # else a checkpoint has already waited for them
            if not self._running:
                self._begin()
            if self._may_run_ahead():
                self._begin()
            began = time.perf_counter()
            self._collect()
            self._wait = time.perf_counter() - began
        self._reported = self._collected

    def _may_run_ahead(self) -> bool:
        """Return whether the next chunk may begin before the records of this one are made, so that they cost nothing.

        Not where an evaluation or a checkpoint wants the agents as they are then, nor where a chunk takes so long that
        a signal would have to wait for two of them.
        """
        due, is_end = self._schedule.due(self.env_steps), self.env_steps >= self.config.total_timesteps
        return not (due.evaluation or due.checkpoint or is_end or self._stopped or self._wait > SHORT)

    def _begin(self) -> None:
        """Have the programs run the chunk up to where something is due."""
        stop = self._schedule.next_stop(self.env_steps) // self._round_size
        self._workers.call("begin", self._begun, stop)
        self._running.append(stop)

    def _collect(self) -> None:
        """Wait for the results of the chunk that began first. Raises NonFiniteError where a number is not finite."""
        chunks = self._workers.call("collect")
        self._collected = self._running.popleft()
        self.ended += [np.concatenate(x) for x in zip(*(chunk[:3] for chunk in chunks), strict=True)]
        self.metrics = {tag: np.concatenate([c.metrics[tag] for c in chunks]) for tag in chunks[0].metrics}
        finite = {"a reward or an observation": np.concatenate([chunk.finite for chunk in chunks])}
        finite |= {tag: np.isfinite(values) for tag, values in self.metrics.items()}
        for what, is_finite in finite.items():
            if not is_finite.all():
                seed, env_steps = self.seeds[int(np.argmin(is_finite))], self._collected * self._round_size
                raise NonFiniteError(f"{what} of seed {seed} was not finite before env step {env_steps}")

    def _log(self) -> dict[str, float]:
        """Return means over the seeds; where there are many, each one's return and their interquartile mean too."""
        count, return_sum, length_sum = self.ended
        self.ended = np.zeros_like(self.ended)
        learned = self.metrics if self._updates(self._reported) else {}
        metrics = {tag: float(values.mean()) for tag, values in learned.items()}
        if not count.any():
            return metrics
        has_ended = count > 0
        lengths = {"rollout/episodic_length": float((length_sum[has_ended] / count[has_ended]).mean())}
        returns = dict(
            zip(np.array(self.seeds)[has_ended].tolist(), return_sum[has_ended] / count[has_ended], strict=True)
        )
        return spread_over_seeds("rollout", "episodic_return", returns, len(self.seeds)) | lengths | metrics

    def evaluate(self) -> Evaluation:
        """Play greedy episodes of every agent, (S * episodes,)."""
        shares = zip(*self._workers.call("evaluate", self.env_steps), strict=True)
        returns, lengths, cut = (np.concatenate(share).ravel() for share in shares)
        if cut.any():
            warn_of_cut(self.config.env)
        return Evaluation(returns, lengths)

    def _evaluate(self) -> Record:
        returns = self.evaluate().returns.reshape(len(self.seeds), -1)
        means = returns.mean(axis=1)
        self.improved = means > self.best_return
        self.best_return = np.maximum(self.best_return, means)
        values = spread_over_seeds("eval", "mean_return", dict(zip(self.seeds, means, strict=True)), len(self.seeds))
        return Record(
            self.env_steps, values | {"eval/std_return": float(returns.std())}, best=bool(self.improved.any())
        )

    # States, of each seed in the order of ``seeds``

    @cached_property
    def spec(self) -> EnvSpec:
        """What the agents know of the environment."""
        spec: EnvSpec = self._workers.call("get_spec")[0]
        return spec

    @cached_property
    def shapes(self) -> tuple[Tensors, Tensors]:
        """Names, shapes and dtypes of a SeedState's ``agent`` and ``rest``."""
        shapes: tuple[Tensors, Tensors] = self._workers.call("get_shapes")[0]
        return shapes

    def agents(self) -> list[State]:
        """Return the state of each agent, by backend-free name."""
        return [agent for share in self._workers.call("save", False) for agent, _ in share]

    def state_dicts(self) -> list[SeedState]:
        """Return all that ``load_state_dicts`` goes on from; where a chunk is running, from its end."""
        while self._running:
            self._collect()
        saved = [seed for share in self._workers.call("save", True) for seed in share]
        return [SeedState(agent, self._own_state(k), rest) for k, (agent, rest) in enumerate(saved)]

    def _own_state(self, k: int) -> dict[str, Any]:
        best = float(self.best_return[k])
        return {
            "env_steps": self.env_steps,
            "best_return": best if math.isfinite(best) else None,
            "ended": self.ended[:, k].tolist(),
        }

    def check_env_steps(self, env_steps: int) -> None:
        """Raise CheckpointError unless a round ends there."""
        if env_steps % self._round_size:
            raise CheckpointError(f"env_steps={env_steps} is not a multiple of {self._round_size}, a round's")

    def check_contents(self, state: SeedState) -> None:
        """Raise CheckpointError where numbers of a state, whose ``shapes`` are right, cannot be gone on from."""
        check_contents(state.agent)
        check_stored(state.rest, self.spec, "replay.", state.run["env_steps"] // self.config.num_envs)
        check_counts(state.rest, "envs.steps", "episode_length")

    def load_state_dicts(self, states: Sequence[SeedState]) -> None:
        """Go on from where ``state_dicts`` was called; the states have passed the checks above."""
        for k, (_, run, _) in enumerate(states):
            best = run["best_return"]
            self.best_return[k], self.ended[:, k] = -math.inf if best is None else best, run["ended"]
            self._collected = self._reported = run["env_steps"] // self._round_size
        shares, begin = [], 0
        for size in self._workers.call("count"):
            shares.append([(agent, rest) for agent, _, rest in states[begin : begin + size]])
            begin += size
        self._workers.call("load", each=shares)


def spread_over_seeds(group: str, name: str, by_seed: dict[int, float], num_seeds: int) -> dict[str, float]:
    """Average over seeds; of many seeds tell also each one's, and the interquartile mean with its 95 % interval."""
    scores = np.array(list(by_seed.values()))
    values = {f"{group}/{name}": float(scores.mean())}
    if num_seeds == 1:
        return values
    low, high = bootstrap_interval(scores, interquartile_mean, RESAMPLES)
    values |= {f"{group}/iqm": float(interquartile_mean(scores)), f"{group}/iqm_low": low, f"{group}/iqm_high": high}
    return values | {f"seed_{seed}/{group}/{name}": float(score) for seed, score in by_seed.items()}
