"""The contract between environments, replay, loop and learners. Backend-free: read it first.

Axes: N environments, B batch, U updates, A actions. Names and units are the same in every room.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

Array = Any  # a numpy array at the edge; a jax.Array or torch.Tensor inside a backend
State = dict[str, np.ndarray]  # by backend-free name
DTYPES = ("float32", "float64")  # of parameters and computation


class EnvSpec(NamedTuple):
    """All that a learner may know of an environment. Hashable: it can be a static fact of a compiled function."""

    obs_shape: tuple[int, ...]
    obs_dtype: str  # "float32", or of images "uint8" or "bool"
    discrete: bool  # a Discrete action space, else a Box
    action_dim: int  # number of actions if discrete, else the size of the (flattened) action
    action_low: tuple[float, ...] = ()  # (action_dim,) of a Box
    action_high: tuple[float, ...] = ()
    action_start: int = 0  # the first action of a Discrete space
    frame_stack: int = 1  # frames along the last axis of a channel-last image, the newest last; 1: no stack
    parts: tuple[tuple[int, ...], ...] = ()  # shapes of what lies in a flattened observation with images, in order


class Transition(NamedTuple):
    """What an environment did. Leading axes: (N,) when stored, (B,) or (U, B) when learned from."""

    obs: Array  # (..., *obs_shape) of the EnvSpec's obs_dtype
    action: Array  # (...,) int32 | (..., action_dim) float32, in the environment's own units
    reward: Array  # (...,) float32
    next_obs: Array  # as obs: the true successor, never the observation of a reset
    terminated: Array  # (...,) float32: 1.0 only at a true terminal state; a time limit never stops the bootstrap
    discount: Array | None = None  # (...,) replaces gamma * (1 - terminated) when given (n-step returns)
    weight: Array | None = None  # (...,) importance weight of each sample (prioritized replay)


class UpdateInfo(NamedTuple):
    """What an update tells, on the device until someone looks."""

    metrics: dict[str, Array]  # by TensorBoard tag: () or (U,)
    td_error: Array  # (B,) or (U, B)


class Replay(Protocol):
    """What a training loop learns from: ``rlpair.run`` takes any object with these methods.

    One that has a method ``feedback(which, td_error)`` too is given, after each round of updates, what ``sample`` said
    of the batches and their TD errors, (U, B), on the device: to look at them at once would be to wait for it.
    """

    def add(self, transition: Transition, truncated: np.ndarray) -> None:
        """Store a step of every environment, (N, ...); ``truncated`` (N,) bool: where a time limit ended an episode."""
        ...

    def sample(self, batch_size: int, num_batches: int, rng: np.random.Generator) -> tuple[Transition, Any]:
        """Draw transitions (U, B, ...), and anything that says which they are. All randomness comes from ``rng``."""
        ...

    def state_dict(self) -> State:
        """Return all that it holds, by name: for who writes it to a disk."""
        ...

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state."""
        ...


class Agent(Protocol):
    """A learner with a state: numpy in, numpy out, one device. The same for every algorithm and backend."""

    spec: EnvSpec
    config: Any  # DQNConfig | SACConfig

    @property
    def num_updates(self) -> int:
        """Gradient updates so far."""
        ...

    def act(
        self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None, noise: Any = None
    ) -> np.ndarray:
        """Choose actions: (N, *obs_shape) -> (N,) or (N, action_dim); for one observation, () or (action_dim,).

        ``env_steps`` drives schedules; None means their final value. ``noise`` is all that is random in exploring:
        given, it advances no generator. Raises ObservationError for another shape.
        """
        ...

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        """Make a gradient step on (B, ...), or U in order on (U, B, ...). Given noise advances no generator."""
        ...

    def state_dict(self) -> State:
        """Return parameters, targets, optimizer moments, counters and generator, by backend-free name."""
        ...

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; where it does not fit, raise CheckpointError and change nothing."""
        ...

    def reseed(self, seed: int) -> None:
        """Start the generator anew: for a state that comes from the other backend."""
        ...

    def save(self, path: str | Path) -> None:
        """Write a checkpoint folder that ``rlpair.load_agent`` reads, in either backend."""
        ...

    def synchronize(self) -> None:
        """Wait until the device is idle: for stopwatches."""
        ...


class Evaluation(NamedTuple):
    """Greedy episodes, in the order of their seeds."""

    returns: np.ndarray  # (episodes,) float64, undiscounted
    lengths: np.ndarray  # (episodes,) int64


class Record(NamedTuple):
    """What the training loop says."""

    env_steps: int
    values: dict[str, float]  # by TensorBoard tag
    checkpoint: bool = False  # the loop stands at a step where a checkpoint is due
    best: bool = False  # the evaluation in ``values`` is the best so far
