"""The host loop: Gymnasium environments, a replay and an agent, step by step, as a generator of records.

    warm-up:  random actions until learning_starts
    then:     act, step, add; after every train_freq vector steps, gradient_steps updates on fresh minibatches, and
              their TD errors to the replay, all at once

It knows the agent's contract only. Every random choice of its own comes from numpy generators of the seed, so that the
same data reach every backend.
"""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from rlpair.config import LoopConfig
from rlpair.envs.host import HostEnvs, Playable
from rlpair.errors import CheckpointError, ConfigError, EnvFailedError, NonFiniteError, RLPairWarning
from rlpair.loops.rows import Rows
from rlpair.loops.schedule import Schedule
from rlpair.seeding import integer, stream
from rlpair.types import Agent, Evaluation, Record, Replay, Transition

LONGEST_EPISODE = 100_000  # steps, of an evaluation: Atari's, the longest of the usual ones, end after 27,000


def evaluate(agent: Agent, envs: Playable, episodes: int, seed: int) -> Evaluation:
    """Play greedy episodes, ``num_envs`` at a time; every one counts, however long it takes, up to LONGEST_EPISODE.

    Args:
        agent: acts without exploring.
        envs: environments that no training goes on in: they are reset.
        episodes: how many.
        seed: of the resets: the same seed plays the same episodes.

    Raises:
        EnvFailedError, NonFiniteError: an environment fails; says at which step.
    """
    returns, lengths = np.zeros(0), np.zeros(0, np.int64)
    for first in range(0, episodes, envs.num_envs):
        total, length = _play(agent, envs, integer(seed, "evaluation", first), min(envs.num_envs, episodes - first))
        returns, lengths = np.append(returns, total), np.append(lengths, length)
    return Evaluation(returns, lengths)


def _play(agent: Agent, envs: Playable, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Play an episode in each of the first ``count`` environments: returns and lengths, (count,) each."""
    obs = envs.reset(seed)
    returns, lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, np.int64)
    playing = np.ones(envs.num_envs, bool)
    for number in range(1, LONGEST_EPISODE + 1):
        try:
            step = envs.step(agent.act(obs, explore=False))
        except (EnvFailedError, NonFiniteError) as error:
            raise error.at(f"step {number} of an evaluation") from error.__cause__
        returns += step.reward * playing
        lengths += playing
        playing &= ~(step.terminated | step.truncated)
        if not playing[:count].any():
            break
        obs = step.obs
    else:
        warn_of_cut(envs.name)
    return returns[:count], lengths[:count]


def warn_of_cut(env: str) -> None:
    """Say that an evaluation on that environment has cut an episode."""
    advice = "it has no end of its own, and env_kwargs.max_episode_steps=N sets one"
    cut = f"episodes of an evaluation are cut at {LONGEST_EPISODE:,} steps"
    warnings.warn(f"env={env}: {cut}: {advice}", RLPairWarning, stacklevel=4)


@contextmanager
def saying_where(where: str) -> Iterator[None]:
    """Let the errors of environments inside say where they arose."""
    try:
        yield
    except (EnvFailedError, NonFiniteError) as error:
        raise error.at(where) from error.__cause__


class HostLoop(Iterator[Record]):
    """The training loop over N environments; an iterator of its records.

    ``stop()`` ends it after the step that it is in. The last record always has ``checkpoint`` set: what ``state_dict``
    gives then, with the agent's and the replay's, is what a later loop goes on from.

    An agent that has learned before, and whose clock is not given by ``go_on_from`` or ``load_state_dict``, explores by
    its own policy from the first step on, warm-up included, with its schedules at their end.
    """

    def __init__(
        self,
        agent: Agent,
        envs: HostEnvs,
        replay: Replay,
        config: LoopConfig,
        *,
        eval_envs: HostEnvs | None = None,
    ) -> None:
        """Put a loop together; ``eval_envs`` are needed where ``config.eval_every`` is not 0."""
        if config.eval_every and eval_envs is None:
            raise ConfigError("eval_every", config.eval_every, "0, or give the loop eval_envs to evaluate on")
        self.agent, self.envs, self.replay, self.config = agent, envs, replay, config
        self._eval_envs: Any = eval_envs
        self._feedback: Any = getattr(replay, "feedback", None)
        self.env_steps = 0
        self.best_return = -math.inf
        self.warm_up_rng, self.minibatch_rng = stream(config.seed, "warm-up"), stream(config.seed, "minibatch")
        self.episode_return, self.episode_length = np.zeros(envs.num_envs), np.zeros(envs.num_envs, np.int64)
        self.ended = np.zeros(3)  # episodes since the last record: how many, the sums of their returns and lengths
        self.metrics: dict[str, float] = {}
        self._info: Any = None  # of the newest updates; fetched from the device only when a record is due
        self._obs: Any = None  # (N, *obs_shape), once an episode has begun
        self._rows = Rows(envs.num_envs)
        self._stopped = False
        self._is_experienced = agent.num_updates > 0
        self._records = self._run()

    def stop(self) -> None:
        """End after the current step; safe in a signal handler."""
        self._stopped = True

    def go_on_from(self, earlier: "HostLoop") -> None:
        """Take the place of an earlier loop, which ends: its clock, its generators, its best evaluation; in the same
        environments its episodes too.
        """
        earlier.stop()
        self.env_steps, self.best_return = earlier.env_steps, earlier.best_return
        self.warm_up_rng, self.minibatch_rng = earlier.warm_up_rng, earlier.minibatch_rng
        self.ended, self.metrics, self._info = earlier.ended, earlier.metrics, earlier._info
        self._is_experienced = earlier._is_experienced
        if self.envs is earlier.envs:
            self._obs, self._rows = earlier._obs, earlier._rows
            self.episode_return, self.episode_length = earlier.episode_return, earlier.episode_length

    def __next__(self) -> Record:
        return next(self._records)

    def _run(self) -> Iterator[Record]:
        config, stopwatch = self.config, Stopwatch(self.env_steps, self.agent.num_updates)
        schedule = Schedule(config, self.envs.num_envs)
        if self._obs is None:
            with saying_where("env step 0"):
                self._obs = self.envs.reset(integer(config.seed, "envs"))
        while self.env_steps < config.total_timesteps and not self._stopped:
            if not self._interact():
                continue
            self._learn()
            due = schedule.due(self.env_steps)
            if due.log:
                rates = stopwatch.lap(self.env_steps, self.agent.num_updates)
                yield Record(self.env_steps, self._episodes() | self._fetch_metrics() | rates)
            if due.evaluation:
                with stopwatch.paused():
                    yield self._evaluate()
            if due.checkpoint:
                with stopwatch.paused():
                    yield self._checkpoint()
        yield self._checkpoint()

    def _interact(self) -> bool:
        """Step the environments. Whether that made a row of transitions whole, which counts and is stored."""
        if self._is_experienced:
            action = self.agent.act(self._obs)
        elif self.env_steps < self.agent.config.learning_starts:
            action = self.envs.sample_actions(self.warm_up_rng)
        else:
            action = self.agent.act(self._obs, env_steps=self.env_steps)
        try:
            step = self.envs.step(action)
        except (EnvFailedError, NonFiniteError) as error:
            raise error.at(f"env step {self.env_steps + self.envs.num_envs}") from error.__cause__
        transition = Transition(self._obs, action, step.reward, step.next_obs, step.terminated)
        row = self._rows.add(transition, step.truncated, step.happened)
        if row is not None:
            self.replay.add(*row)
            self.env_steps += self.envs.num_envs
        self._obs = step.obs
        self.episode_return += step.reward
        self.episode_length += 1 if step.happened is None else step.happened
        if (ended := step.terminated | step.truncated).any():
            self.ended += [ended.sum(), self.episode_return[ended].sum(), self.episode_length[ended].sum()]
            self.episode_return[ended] = 0
            self.episode_length[ended] = 0
        return row is not None

    def _learn(self) -> None:
        config, num_envs = self.agent.config, self.envs.num_envs
        vector_steps = self.env_steps // num_envs
        if self.env_steps <= config.learning_starts or vector_steps % config.train_freq:
            return
        updates = config.train_freq * num_envs if config.gradient_steps == -1 else config.gradient_steps
        batch, which = self.replay.sample(config.batch_size, updates, self.minibatch_rng)
        self._info = self.agent.update(batch)
        if self._feedback is not None:
            self._feedback(which, self._info.td_error)

    def _episodes(self) -> dict[str, float]:
        """Average over the episodes that ended since the last record; nothing where none did."""
        count, return_sum, length_sum = self.ended.tolist()
        self.ended[:] = 0
        if count == 0:
            return {}
        return {"rollout/episodic_return": return_sum / count, "rollout/episodic_length": length_sum / count}

    def _fetch_metrics(self) -> dict[str, float]:
        """Fetch the metrics of the newest update. Raises NonFiniteError where one is not a number."""
        if self._info is not None:
            self.metrics = {tag: float(value[-1]) for tag, value in self._info.metrics.items()}
            self._info = None
        for tag, value in self.metrics.items():
            if not math.isfinite(value):
                raise NonFiniteError(f"{tag} is {value} at env step {self.env_steps}: the learner has diverged")
        return self.metrics

    def _evaluate(self) -> Record:
        seed = integer(self.config.seed, "evaluation", self.env_steps)
        with saying_where(f"env step {self.env_steps}"):
            returns = evaluate(self.agent, self._eval_envs, self.config.eval_episodes, seed).returns
        values = {"eval/mean_return": float(returns.mean()), "eval/std_return": float(returns.std())}
        best = values["eval/mean_return"] > self.best_return
        self.best_return = max(self.best_return, values["eval/mean_return"])
        return Record(self.env_steps, values, best=best)

    def _checkpoint(self) -> Record:
        self._fetch_metrics()
        return Record(self.env_steps, {}, checkpoint=True)

    def state_dict(self) -> dict[str, Any]:
        """Return all of the loop's own state but the replay's, as JSON can hold it exactly."""
        return {
            "env_steps": self.env_steps,
            "best_return": self.best_return if math.isfinite(self.best_return) else None,
            "warm_up_rng": self.warm_up_rng.bit_generator.state,
            "minibatch_rng": self.minibatch_rng.bit_generator.state,
            "episode_return": self.episode_return.tolist(),
            "episode_length": self.episode_length.tolist(),
            "ended": self.ended.tolist(),
            "metrics": self._fetch_metrics(),
            "envs": self.envs.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> np.ndarray:
        """Go on from a state. Returns which environments (N,) bool stand where they stood; others start an episode.

        Raises:
            CheckpointError: the state does not fit these environments. Then nothing has changed.
        """
        self._check(state)
        self._obs, restored = self.envs.load_state_dict(state["envs"])
        self.env_steps, self._is_experienced = state["env_steps"], False
        self.best_return = -math.inf if state["best_return"] is None else state["best_return"]
        self.warm_up_rng.bit_generator.state = state["warm_up_rng"]
        self.minibatch_rng.bit_generator.state = state["minibatch_rng"]
        self.ended[:] = state["ended"]
        self.metrics = state["metrics"]
        self.episode_return = np.where(restored, state["episode_return"], 0.0)
        self.episode_length = np.where(restored, state["episode_length"], 0)
        return restored

    def _check(self, state: dict[str, Any]) -> None:
        num_envs = self.envs.num_envs
        for key in ("episode_return", "episode_length"):
            if len(state[key]) != num_envs:
                raise CheckpointError(f"the {key} is of {len(state[key])} environments, and here are {num_envs}")
        if state["env_steps"] % num_envs:
            raise CheckpointError(f"env_steps={state['env_steps']} is not a multiple of num_envs={num_envs}")


class Stopwatch:
    """Rates since the last lap, without the pauses."""

    def __init__(self, env_steps: int, num_updates: int) -> None:
        self.env_steps, self.num_updates, self.start = env_steps, num_updates, time.perf_counter()

    def lap(self, env_steps: int, num_updates: int) -> dict[str, float]:
        """Return environment steps and updates per second since the last lap."""
        now = time.perf_counter()
        seconds = now - self.start
        values = {
            "throughput/env_steps_per_second": (env_steps - self.env_steps) / seconds,
            "throughput/updates_per_second": (num_updates - self.num_updates) / seconds,
        }
        self.env_steps, self.num_updates, self.start = env_steps, num_updates, now
        return values

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time inside out: evaluation, writing a checkpoint."""
        began = time.perf_counter()
        yield
        self.start += time.perf_counter() - began
