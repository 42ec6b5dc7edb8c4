"""A storage and a sampler such as a user would bring to the host loop, and what they have to do, in plain loops."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from rlpair.errors import CheckpointError
from rlpair.replay.buffer import ReplayBuffer
from rlpair.replay.samplers import fetch
from rlpair.replay.span import Span
from rlpair.replay.storage import Ring
from rlpair.types import Array, EnvSpec, State, Transition

WALK = EnvSpec((2,), "float32", True, 3)  # of test environments: where, and how many steps into the episode


class NStep(Ring):
    """n-step returns, cut at the first end of an episode."""

    def __init__(self, capacity: int, num_envs: int, spec: EnvSpec, *, n: int, gamma: float) -> None:
        super().__init__(capacity, num_envs, spec)
        self.n, self.gamma = n, gamma

    def span(self) -> Span:
        """Not the newest n - 1 rows, whose windows would run beyond the newest."""
        oldest = (self.position - self.filled) % self.rows
        length = max(0, self.filled - self.n + 1)
        return Span(length * self.num_envs, self.rows * self.num_envs, oldest * self.num_envs)

    def take(self, indices: np.ndarray) -> Transition:
        reward, steps = np.zeros(indices.shape, np.float32), np.zeros(indices.shape, np.int64)
        goes_on, last = np.ones(indices.shape, bool), indices
        ends = (self.data["terminated"] > 0) | self.data["truncated"]
        for k in range(self.n):
            at = (indices + k * self.num_envs) % ends.size
            reward += np.where(goes_on, self.gamma**k * self.data["reward"].ravel()[at], 0)
            steps, last = steps + goes_on, np.where(goes_on, at, last)
            goes_on = goes_on & ~ends.ravel()[at]
        first, end = super().take(indices), super().take(last)
        discount = self.gamma**steps * (1 - end.terminated)
        return Transition(first.obs, first.action, reward, end.next_obs, end.terminated, discount)


class Prioritized:
    """Proportional to (|td| + 1e-6)^alpha; new transitions have the largest priority so far."""

    def __init__(self, rows: int, num_envs: int, *, alpha: float, beta: float) -> None:
        self.alpha, self.beta = alpha, beta
        self.priorities, self.largest = np.zeros((rows, num_envs)), 1.0

    def add(self, row: int) -> None:
        self.priorities[row] = self.largest

    def sample(
        self, span: Span, batch_size: int, num_batches: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        there = span.holds(np.arange(span.size))
        p = np.where(there, self.priorities.ravel() ** self.alpha, 0)
        p /= p.sum()
        indices = np.searchsorted(np.cumsum(p), rng.random((num_batches, batch_size)), side="right")
        weights = (span.length * p[indices]) ** -self.beta
        return indices, weights / weights.max(axis=-1, keepdims=True)

    def feedback(self, indices: np.ndarray, td_error: Array) -> None:
        for index, error in zip(indices, fetch(td_error), strict=True):  # update by update: the last word counts
            self.priorities.reshape(-1)[index] = np.abs(error) + 1e-6
            self.largest = max(self.largest, float(np.abs(error).max()) + 1e-6)

    def state_dict(self) -> State:
        return {"priorities": self.priorities, "largest": np.array(self.largest)}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        if not (state["priorities"] >= 0).all():
            raise CheckpointError("priorities holds a number below 0")
        self.priorities[:], self.largest = state["priorities"], float(state["largest"])


class Model:
    """A prioritized n-step replay that keeps everything in lists. T vector steps, N environments."""

    def __init__(self, rows: int, num_envs: int, *, n: int, gamma: float, alpha: float, beta: float) -> None:
        self.rows, self.num_envs, self.n, self.gamma, self.alpha, self.beta = rows, num_envs, n, gamma, alpha, beta
        self.history: list[list[Any]] = []  # by vector step and environment: obs, action, reward, next_obs, two ends
        self.priority: dict[tuple[int, int], float] = {}  # likewise
        self.largest = 1.0

    def add(self, step: list[Any]) -> None:
        """``step``: of each environment."""
        self.priority |= {(len(self.history), env): self.largest for env in range(self.num_envs)}
        self.history.append(step)

    def sample(self, uniform: Any) -> tuple[list[Any], list[Any]]:
        """Of numbers (B,) in [0, 1): which transitions, and what each is learned from, its weight at the end."""
        now = len(self.history)
        there = [(t, env) for t in range(max(0, now - self.rows), now - self.n + 1) for env in range(self.num_envs)]
        there.sort(key=lambda which: (which[0] % self.rows, which[1]))  # as they lie in the storage
        powers = [self.priority[which] ** self.alpha for which in there]
        ends = [sum(powers[: k + 1]) / sum(powers) for k in range(len(powers))]
        chosen = [next(k for k, end in enumerate(ends) if number < end) for number in uniform]
        weights = [(len(there) * powers[k] / sum(powers)) ** -self.beta for k in chosen]
        which = [there[k] for k in chosen]
        return which, [(*self.window(*at), w / max(weights)) for at, w in zip(which, weights, strict=True)]

    def window(self, t: int, env: int) -> tuple[Any, ...]:
        """What an agent learns from the n steps from vector step ``t`` on."""
        obs, action, *_ = self.history[t][env]
        total = 0.0
        for k in range(self.n):
            _, _, reward, next_obs, terminated, truncated = self.history[t + k][env]
            total += self.gamma**k * reward
            if terminated or truncated:
                break
        return obs, action, total, next_obs, 0.0 if terminated else self.gamma ** (k + 1)

    def feedback(self, which: list[tuple[int, int]], td_error: Any) -> None:
        """(B,) of an update."""
        for transition, error in zip(which, td_error, strict=True):
            self.priority[transition] = abs(error) + 1e-6
            self.largest = max(self.largest, abs(error) + 1e-6)


def td_error_of(reward: Any, discount: Any) -> Any:
    """What a learner of these tests makes of a transition: anything that tells them apart, of both signs."""
    return 40 * discount - reward


def literal_steps() -> tuple[list[tuple[float, bool, bool]], list[Any]]:
    """Rewards and ends of eight steps and two more, of which three-step windows with gamma = 0.5 are computed by hand.

    Step k has observation k, and its true successor is 100 + k. Returns the steps, and by the number of the first step
    (reward, successor, discount).
    """
    steps = [(2.0**k, k == 2, k == 4) for k in range(10)]
    windows = [
        (1 + 1 + 1, 102, 0),
        (2 + 2, 102, 0),
        (4, 102, 0),
        (8 + 8, 104, 0.25),
        (16, 104, 0.5),
        (32 + 32 + 32, 107, 0.125),
        (64 + 64 + 64, 108, 0.125),
        (128 + 128 + 128, 109, 0.125),
    ]
    return steps, windows


STORAGE = partial(NStep, n=3, gamma=0.5)
SAMPLER = partial(Prioritized, alpha=0.6, beta=0.4)


def walked(replay: ReplayBuffer, steps: Any, first: int) -> None:
    """Put them in, of one environment: step k is from k to 100 + k."""
    for k, (reward, terminated, truncated) in enumerate(steps, first):
        ends = np.array([terminated], np.float32)
        rest = (np.zeros(1, np.int32), np.array([reward], np.float32), np.full((1, 2), 100 + k), ends)
        replay.add(Transition(np.full((1, 2), k), *rest), np.array([truncated]))
