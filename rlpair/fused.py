"""The fused loop's records: many seeds trained chunk by chunk in compiled programs, each core its share.

The programs are fused_jax.py's; here is what the host does between two chunks.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rlpair import atomic
from rlpair.agent import Identity, describe
from rlpair.checkpoint import load_checkpoint, load_run, save_checkpoint
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.loop import Evaluation, Stopwatch
from rlpair.make import backend_module, configure_process
from rlpair.statistics import bootstrap_interval, interquartile_mean
from rlpair.types import Record
from rlpair.workers import Workers, spread, usable_cores

RESAMPLES = 2_000  # of the bootstrap, once a record


def make_seeds(config: RunConfig, seeds: range) -> Any:
    """The seeds of one process."""
    configure_process("jax", config.algo, config.device)
    return backend_module("seeds", "jax").Seeds(config, seeds)


def make_workers(config: RunConfig) -> Workers:
    """One process for all seeds on a GPU; on a CPU one for each core, as far as there are seeds."""
    seeds = range(config.seed, config.seed + config.num_seeds)
    configure_process("jax", config.algo, config.device)
    if config.num_seeds == 1 or backend_module("runtime", "jax").has_gpu(config.device):
        return Workers(make_seeds, [(config, seeds)], [usable_cores()])
    shares = spread(config.num_seeds, usable_cores())
    return Workers(make_seeds, [(config, seeds[part.start : part.stop]) for part, _ in shares], [c for _, c in shares])


class FusedLoop:
    """The training loop of ``num_seeds`` agents; iterate over it for its records, as over a HostLoop.

    ``env_steps`` are those of one agent. A round, train_freq steps of every environment and the updates after them, is
    never cut: the loop ends with the one that reaches ``total_timesteps``.
    """

    def __init__(self, config: RunConfig, workers: Workers) -> None:
        self.config, self._workers = config, workers
        self.seeds = range(config.seed, config.seed + config.num_seeds)
        self._round, self._round_size = 0, config.algo.train_freq * config.num_envs
        self.best_return = np.full(config.num_seeds, -math.inf)
        self.improved = np.zeros(config.num_seeds, bool)  # whose last evaluation was its best
        self.ended = np.zeros((3, config.num_seeds))  # episodes since the last record, sums of returns and lengths
        self.metrics: dict[str, np.ndarray] = {}  # (S,) each
        self._stopped = False

    @property
    def env_steps(self) -> int:
        """Steps of each agent's environments so far."""
        return self._round * self._round_size

    @property
    def num_updates(self) -> int:
        """Gradient updates so far, over all agents."""
        algo = self.config.algo
        a_round = self._round_size if algo.gradient_steps == -1 else algo.gradient_steps
        return max(0, self._round - algo.learning_starts // self._round_size) * a_round * len(self.seeds)

    def stop(self) -> None:
        """End after the current chunk; safe in a signal handler."""
        self._stopped = True

    def __iter__(self) -> Iterator[Record]:
        config, stopwatch = self.config, Stopwatch(len(self.seeds) * self.env_steps, self.num_updates)
        while self.env_steps < config.total_timesteps and not self._stopped:
            self._train()
            if self._due(config.log_every):
                rates = stopwatch.lap(len(self.seeds) * self.env_steps, self.num_updates)
                yield Record(self.env_steps, self._log() | rates)
            if self._due(config.eval_every):
                with stopwatch.paused():
                    yield self._evaluate()
            if self._due(config.checkpoint_every) and self.env_steps < config.total_timesteps:
                with stopwatch.paused():
                    yield Record(self.env_steps, {}, checkpoint=True)
        yield Record(self.env_steps, {}, checkpoint=True)

    def _due(self, every: int) -> bool:  # whether this round reached a multiple
        return every > 0 and self.env_steps % every < self._round_size

    def _next_round(self) -> int:
        """The first one after this at whose end something is due."""
        config, size = self.config, self._round_size
        periods = [every for every in (config.log_every, config.eval_every, config.checkpoint_every) if every]
        due = [(self.env_steps // every + 1) * every for every in periods]
        return min(-(-steps // size) for steps in (*due, config.total_timesteps))

    def _train(self) -> None:
        """The chunk up to where something is due. Raises NonFiniteError where a number in it is not finite."""
        stop = self._next_round()
        chunks = self._workers.call("run", self._round, stop)
        self._round = stop
        self.ended += [np.concatenate(x) for x in zip(*(chunk[:3] for chunk in chunks), strict=True)]
        self.metrics = {tag: np.concatenate([c.metrics[tag] for c in chunks]) for tag in chunks[0].metrics}
        finite = {"a reward or an observation": np.concatenate([chunk.finite for chunk in chunks])}
        finite |= {tag: np.isfinite(values) for tag, values in self.metrics.items()}
        for what, is_finite in finite.items():
            if not is_finite.all():
                seed = self.seeds[int(np.argmin(is_finite))]
                raise NonFiniteError(f"{what} of seed {seed} was not finite before env step {self.env_steps}")

    def _log(self) -> dict[str, float]:
        """Means over the seeds; where there are many, each one's return and their interquartile mean too."""
        count, return_sum, length_sum = self.ended
        self.ended = np.zeros_like(self.ended)
        metrics = {tag: float(values.mean()) for tag, values in self.metrics.items()} if self.num_updates else {}
        if not count.any():
            return metrics
        told = count > 0
        lengths = {"rollout/episodic_length": float((length_sum[told] / count[told]).mean())}
        returns = dict(zip(np.array(self.seeds)[told].tolist(), return_sum[told] / count[told], strict=True))
        return spread_over_seeds("rollout", "episodic_return", returns, len(self.seeds)) | lengths | metrics

    def evaluate(self) -> Evaluation:
        """Greedy episodes of every agent, (S * episodes,)."""
        returns, lengths = zip(*self._workers.call("evaluate", self.env_steps), strict=True)
        return Evaluation(np.concatenate(returns).ravel(), np.concatenate(lengths).ravel())

    def _evaluate(self) -> Record:
        returns = self.evaluate().returns.reshape(len(self.seeds), -1)
        means = returns.mean(axis=1)
        self.improved = means > self.best_return
        self.best_return = np.maximum(self.best_return, means)
        values = spread_over_seeds("eval", "mean_return", dict(zip(self.seeds, means, strict=True)), len(self.seeds))
        return Record(
            self.env_steps, values | {"eval/std_return": float(returns.std())}, best=bool(self.improved.any())
        )

    # Checkpoints: of one seed the folder itself, of many a folder each in it

    def save(self, path: Path) -> None:
        """All that ``load`` goes on from."""
        saved = [seed for share in self._workers.call("save", True) for seed in share]
        self._write(path, {k: (agent, self._own_state(k), rest) for k, (agent, rest) in enumerate(saved)})

    def save_best(self, path: Path) -> None:
        """The agents whose last evaluation was their best."""
        saved = [seed for share in self._workers.call("save", False) for seed in share]
        for k in np.flatnonzero(self.improved):
            folder = path if len(self.seeds) == 1 else path / f"seed_{self.seeds[k]}"
            save_checkpoint(folder, saved[k].agent, self._description(int(k)))

    def _write(self, path: Path, seeds: dict[int, tuple[Any, Any, Any]]) -> None:
        def fill(folder: Path) -> None:
            for k, (agent, run, rest) in seeds.items():
                save_checkpoint(folder / f"seed_{self.seeds[k]}", agent, self._description(k), run, rest)

        if len(self.seeds) > 1:
            atomic.write_folder(path, fill)
            return
        agent, run, rest = seeds[0]
        save_checkpoint(path, agent, self._description(0), run, rest)

    def _description(self, k: int) -> dict[str, Any]:
        return describe(Identity(self._workers.call("get_spec")[0], self.config.algo, self.seeds[k], "float32"), "jax")

    def _own_state(self, k: int) -> dict[str, Any]:
        best = float(self.best_return[k])
        return {
            "env_steps": self.env_steps,
            "best_return": best if math.isfinite(best) else None,
            "ended": self.ended[:, k].tolist(),
        }

    def load(self, path: Path) -> None:
        """Go on from where ``save`` was called. Raises CheckpointError."""
        folders = [path] if len(self.seeds) == 1 else [path / f"seed_{seed}" for seed in self.seeds]
        saved = []
        for k, folder in enumerate(folders):
            run, rest = load_run(folder)
            if run.keys() != self._own_state(k).keys() or run["env_steps"] % self._round_size:
                raise CheckpointError(f"{folder} is not of a run with mode=fused and these settings")
            best = run["best_return"]
            self.best_return[k], self.ended[:, k] = -math.inf if best is None else best, run["ended"]
            self._round = run["env_steps"] // self._round_size
            saved.append((load_checkpoint(folder)[1], rest))
        shares, begin = [], 0
        for size in self._workers.call("count"):
            shares.append(saved[begin : begin + size])
            begin += size
        self._workers.call("load", each=shares)


def spread_over_seeds(group: str, name: str, by_seed: dict[int, float], num_seeds: int) -> dict[str, float]:
    """The mean over seeds; of many seeds also each one's, and the interquartile mean with its 95 % interval."""
    scores = np.array(list(by_seed.values()))
    values = {f"{group}/{name}": float(scores.mean())}
    if num_seeds == 1:
        return values
    low, high = bootstrap_interval(scores, interquartile_mean, RESAMPLES)
    values |= {f"{group}/iqm": float(interquartile_mean(scores)), f"{group}/iqm_low": low, f"{group}/iqm_high": high}
    return values | {f"seed_{seed}/{group}/{name}": float(score) for seed, score in by_seed.items()}


def open_fused(config: RunConfig, stack: ExitStack) -> FusedLoop:
    """The loop of a run; the stack ends its processes. Raises RLPairError."""
    workers = make_workers(config)
    stack.callback(workers.close)
    return FusedLoop(config, workers)
