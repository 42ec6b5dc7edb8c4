"""The replay of the host loop: a storage times a sampler."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlpair.disk.tensors import Tensors, check_fit, check_transitions, check_within
from rlpair.replay.frames import Frames, Streams, frames_bytes, has_frames
from rlpair.replay.samplers import Sampler, Uniform
from rlpair.replay.storage import Ring, Storage, ring_bytes
from rlpair.types import Array, EnvSpec, State, Transition

PREFIX = "sampler."  # of a sampler's names in the state


def make_replay(config: Any, num_envs: int, spec: EnvSpec) -> "ReplayBuffer":
    """Make the replay that an algorithm's settings ask for. Raises ConfigError."""
    return ReplayBuffer(config.buffer_size, num_envs, spec)


def default_storage(spec: EnvSpec) -> Callable[[int, int, EnvSpec], Storage]:
    """Choose a storage: images are kept frame by frame, all else transition by transition."""
    return Frames if has_frames(spec) else Ring


def replay_bytes(capacity: int, num_envs: int, spec: EnvSpec) -> int:
    """Return the bytes that a replay of the default storage takes once it is full; nothing is allocated."""
    return (frames_bytes if has_frames(spec) else ring_bytes)(capacity, num_envs, spec)


def row_prefix(spec: EnvSpec) -> str:
    """Return what the names of transitions begin with in the state of the fused loop's default replay."""
    return "transitions." if has_frames(spec) else ""


def check_stored(state: Mapping[str, np.ndarray], spec: EnvSpec, prefix: str, vector_steps: int) -> None:
    """Raise CheckpointError where a state of the fused loop's default replay holds what no run can have led to.

    Names, shapes and dtypes are right; ``prefix``: of the names; after so many steps, further rows are still empty.
    """
    rows = prefix + row_prefix(spec)
    names = (f"{rows}action", f"{rows}terminated")
    check_transitions({name: state[name][:vector_steps] for name in names}, spec, rows)
    if has_frames(spec):
        streams = Streams(spec.frame_stack, (), len(state[f"{prefix}frames"]))
        check_within(state, streams.turn, f"{rows}obs", f"{rows}next_obs", f"{prefix}head")
        check_within(state, len(state[f"{rows}reward"]) + 1, f"{prefix}held")


class ReplayBuffer:
    """The newest ``capacity`` transitions (rounded down to a multiple of ``num_envs``), sampled uniformly.

    Storage and sampler of one's own go in the place of the defaults. ``len()``: transitions that it holds.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        spec: EnvSpec,
        *,
        storage: Callable[[int, int, EnvSpec], Storage] | None = None,
        sampler: Callable[[int, int], Sampler] = Uniform,
    ) -> None:
        """Begin empty: memory is taken as it fills. Raises ConfigError unless ``num_envs`` transitions fit.

        Args:
            capacity: transitions, over all environments.
            num_envs: N.
            spec: of the environments.
            storage: makes one of (capacity, num_envs, spec); None: that of ``default_storage``.
            sampler: makes one of (rows, num_envs).
        """
        self.num_envs = num_envs
        self.storage = (storage or default_storage(spec))(capacity, num_envs, spec)
        self.sampler = sampler(self.storage.rows, num_envs)
        self._unread: tuple[np.ndarray, Array] | None = None  # feedback, not looked at while the device computes it
        self._added: list[int] = []  # rows since then

    def __len__(self) -> int:
        return len(self.storage)

    def add(self, transition: Transition, truncated: np.ndarray) -> None:
        """Store one step of every environment, in place of the oldest where there is no room.

        Args:
            transition: leading axis (N,).
            truncated: (N,) bool, where a time limit ended the episode.
        """
        row = self.storage.add(transition, truncated)
        if self._unread is None:
            self.sampler.add(row)
        else:
            self._added.append(row)

    def sample(self, batch_size: int, num_batches: int, rng: np.random.Generator) -> tuple[Transition, np.ndarray]:
        """Return what the sampler draws: transitions (U, B, ...) and their indices (U, B) int64.

        Raises:
            ValueError: there is nothing to sample from.
        """
        self._tell_sampler()
        span = self.storage.span()
        if span.length < 1:
            raise ValueError("the replay has nothing to draw from: add transitions before sampling")
        indices, weights = self.sampler.sample(span, batch_size, num_batches, rng)
        batch = self.storage.take(indices)
        return batch if weights is None else batch._replace(weight=weights), indices

    def feedback(self, indices: np.ndarray, td_error: Array) -> None:
        """Hear the TD errors (U, B) of the updates on a sample; they may be on a device, and are looked at later."""
        self._tell_sampler()
        self._unread = indices, td_error

    def _tell_sampler(self) -> None:
        """Tell the sampler what it has not heard of, in order."""
        if self._unread is not None:
            self.sampler.feedback(*self._unread)
            self._unread = None
            for row in self._added:
                self.sampler.add(row)
            self._added.clear()

    def state_dict(self) -> State:
        """Return the storage's state, and the sampler's under ``sampler.``, after waiting for feedback. No copies."""
        self._tell_sampler()
        sampler = {f"{PREFIX}{name}": array for name, array in self.sampler.state_dict().items()}
        return self.storage.state_dict() | sampler

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; from there on adding and sampling are as they would have been.

        Raises:
            CheckpointError: it does not fit, or holds a transition of no such environment. Then nothing has changed.
        """
        self.check_fit(state)
        self._tell_sampler()
        stored, sampler = self._split(state)
        before = {name: array.copy() for name, array in self.sampler.state_dict().items()}
        self.sampler.load_state_dict(sampler)
        try:
            self.storage.load_state_dict(stored)
        except Exception:
            self.sampler.load_state_dict(before)
            raise

    def check_fit(self, state: Tensors) -> None:
        """Raise CheckpointError unless a state, or what is said of one, has names, shapes and dtypes that fit here."""
        stored, sampler = self._split(state)
        self.storage.check(stored)
        check_fit(sampler, self.sampler.state_dict(), "this replay's sampler")

    def _split(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is the storage's, and what is the sampler's."""
        sampler = {name.removeprefix(PREFIX): x for name, x in state.items() if name.startswith(PREFIX)}
        return {name: x for name, x in state.items() if not name.startswith(PREFIX)}, sampler
