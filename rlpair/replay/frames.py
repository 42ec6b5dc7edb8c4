"""Where transitions of images are kept on the host: each frame once, in numpy.

Every environment has a stream of frames: those of the stack that an episode begins with, then one a step, the final one
too. A transition is a position in it, and no stack and no next_obs is stored:

    window = stream[position - k + 1 : position + 2]      obs = window[:k], next_obs = window[1:]

An observation that is not the last next_obs begins an episode, whatever led to it (an end, a resume).
The streams are rings. A row of transitions whose oldest frame is overwritten in one of them is not drawn any more.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rlpair.disk.tensors import Tensor, Tensors, check_fit, check_within
from rlpair.errors import CheckpointError, ConfigError, EnvError
from rlpair.replay.span import Span
from rlpair.replay.storage import Ring, allocate, ring_bytes
from rlpair.types import Array, EnvSpec, State, Transition

EPISODE = 20  # steps for each frame of an episode's first stack; of shorter ones, on average, fewer are kept
FRAMES, HEAD = "frames", "head"  # in the state, beside the transitions


def has_frames(spec: EnvSpec) -> bool:
    """Return whether observations are kept as frames: images of uint8 or bool, with at least two axes."""
    return spec.obs_dtype in ("uint8", "bool") and len(spec.obs_shape) > 1


def positions_of(spec: EnvSpec) -> EnvSpec:
    """Return the spec of transitions whose observations are positions in a stream."""
    return spec._replace(obs_shape=(), obs_dtype="int32", frame_stack=1)


class Streams(NamedTuple):
    """The streams of N environments, in numbers."""

    stack: int  # k, frames in an observation
    frame: tuple[int, ...]  # shape of one: (H, W, C)
    size: int  # F, frames in a stream: more than there are rows

    @property
    def turn(self) -> int:
        """Positions are counted modulo this: a multiple of the size, and more than rows of any episodes come to."""
        return (self.stack + 2) * self.size

    def is_lost(self, position: Array, head: Array) -> Array:
        """Return whether a frame of the window at a position is overwritten; ``head`` is the next to be written."""
        return (head - position + self.stack - 1) % self.turn > self.size


def streams_of(capacity: int, num_envs: int, spec: EnvSpec) -> Streams:
    """Return what ``capacity`` transitions need. Raises ConfigError where positions do not fit int32."""
    stack, rows = spec.frame_stack, capacity // num_envs
    *axes, channels = spec.obs_shape
    streams = Streams(stack, (*axes, channels // stack), rows + stack + rows // EPISODE)
    if streams.turn >= 2**30:
        raise ConfigError("algo.buffer_size", capacity, "less: positions of so many frames do not fit int32")
    return streams


def frames_bytes(capacity: int, num_envs: int, spec: EnvSpec) -> int:
    """Return the bytes that Frames take once they are full; nothing is allocated."""
    streams, item = streams_of(capacity, num_envs, spec), np.dtype(spec.obs_dtype).itemsize
    frames = streams.size * math.prod(streams.frame) + math.prod(spec.obs_shape)
    return num_envs * (frames * item + 4) + ring_bytes(capacity, num_envs, positions_of(spec))


class Frames:
    """The newest ``capacity`` transitions, rounded down to a multiple of ``num_envs``; fewer of short episodes."""

    def __init__(
        self, capacity: int, num_envs: int, spec: EnvSpec, *, transitions: Callable[[int, int, EnvSpec], Ring] = Ring
    ) -> None:
        """Begin empty: memory is taken as it fills. Raises ConfigError unless ``num_envs`` transitions fit.

        Args:
            capacity: transitions, over all environments.
            num_envs: N.
            spec: of the environments, whose observations are images.
            transitions: makes the storage of transitions whose observations are positions.
        """
        self.streams = streams = streams_of(capacity, num_envs, spec)
        self.transitions = transitions(capacity, num_envs, positions_of(spec))
        self.num_envs, self.rows, self._spec = num_envs, self.transitions.rows, spec
        shapes = {FRAMES: ((streams.size, num_envs, *streams.frame), spec.obs_dtype)}
        self.frames = allocate(capacity, shapes)[FRAMES]
        self._flat = self.frames.reshape(streams.size * num_envs, -1)
        self.head = np.full(num_envs, streams.stack, np.int32)  # next position; before the first lies a stack of zeros
        self.written = streams.stack  # frames of every stream that are more than zeros, at most
        self.held = 0  # rows, the newest ones, of which no frame is overwritten
        self.next_obs = np.zeros((num_envs, *spec.obs_shape), spec.obs_dtype)  # of the newest row
        self._envs = np.arange(num_envs)

    def __len__(self) -> int:
        return self.held * self.num_envs

    def add(self, transition: Transition, truncated: np.ndarray) -> int:
        """Store a step of every environment, in place of the oldest where there is no room. Returns its row.

        Raises:
            EnvError: an observation is no stack of frames.
            ValueError: the transition has a discount or a weight: there is no place for them here.
        """
        streams, obs, next_obs = self.streams, transition.obs, transition.next_obs
        begins = (obs != self.next_obs).reshape(self.num_envs, -1).any(axis=1)
        envs, stacks = begins.nonzero()[0], self._unstacked(obs[begins])
        if not np.array_equal(stacks[:, 1:], self._unstacked(next_obs[begins])[:, :-1]):
            raise EnvError(f"frame_stack={streams.stack}: next_obs is not obs with one frame more and its oldest less")
        following = (self.head + streams.stack * begins.astype(np.int32)) % streams.turn  # position of next_obs's frame
        position = (following - 1) % streams.turn
        row = self.transitions.add(transition._replace(obs=position, next_obs=following), truncated)
        slots = (self.head[envs, None] + np.arange(streams.stack)) % streams.size
        self.frames[slots, envs[:, None]] = stacks
        self.frames[following % streams.size, self._envs] = self._unstacked(next_obs)[:, -1]
        self.next_obs[:], self.head = next_obs, (following + 1) % streams.turn
        self.written = max(self.written, min(int(self.head.max()), streams.size))
        self.held = min(self.held + 1, self.rows)
        while self._is_lost((row - self.held + 1) % self.rows):
            self.held -= 1
        return row

    def _is_lost(self, row: int) -> bool:
        return bool(self.streams.is_lost(self.transitions.data["obs"][row], self.head).any())

    def span(self) -> Span:
        """Return what the transitions' own storage offers of the rows whose frames are there."""
        span, lost = self.transitions.span(), len(self.transitions) - len(self)
        if not lost:
            return span
        start = (self.transitions.position - self.held) % self.rows * self.num_envs
        return Span(max(0, span.length - lost), span.size, start)

    def take(self, indices: np.ndarray) -> Transition:
        """Return the transitions (*indices.shape, ...): copies. The observations are views of the frames of both."""
        batch, envs = self.transitions.take(indices), indices % self.num_envs
        if (batch.next_obs - batch.obs == 1).all():  # one window shows both
            window = self._window(batch.next_obs, envs, self.streams.stack + 1)
            obs, next_obs = window[..., :-1, :], window[..., 1:, :]
        else:
            obs, next_obs = (self._window(x, envs, self.streams.stack) for x in (batch.obs, batch.next_obs))
        return batch._replace(obs=self._stacked(obs), next_obs=self._stacked(next_obs))

    def _window(self, position: np.ndarray, envs: np.ndarray, count: int) -> np.ndarray:
        """Return the frames (..., count, size of one) of streams up to a position."""
        slots = (position[..., None] + np.arange(1 - count, 1)) % self.streams.size
        # mode="clip": all indices are within, and numpy need not make sure before it copies
        return self._flat.take(slots * self.num_envs + envs[..., None], axis=0, mode="clip")

    def _stacked(self, frames: np.ndarray) -> np.ndarray:
        """Shape frames (..., k, size of one) as an observation (..., *obs_shape): a view if a frame has one channel."""
        before, channels = frames.shape[:-2], self.streams.frame[-1]
        pixels = frames.reshape(*before, self.streams.stack, frames.shape[-1] // channels, channels)
        return pixels.swapaxes(-3, -2).reshape(*before, *self._spec.obs_shape)

    def _unstacked(self, obs: np.ndarray) -> np.ndarray:
        """Shape observations (N, *obs_shape) as frames (N, k, *frame): a view."""
        *axes, channels = self.streams.frame
        return np.moveaxis(obs.reshape(len(obs), *axes, self.streams.stack, channels), -2, 1)

    def state_dict(self) -> State:
        """Return the transitions' own state, the frames (F, N, *frame) that are written, and the heads. No copies."""
        return self.transitions.state_dict() | {FRAMES: self.frames[: self.written], HEAD: self.head}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; from there on adding and taking are as they would have been.

        Raises:
            CheckpointError: it does not fit, or holds a transition of no such environment. Then nothing has changed.
        """
        self.check(state)
        check_within(state, self.streams.turn, "obs", "next_obs", HEAD)
        written, most = len(state[FRAMES]), int(state[HEAD].max())
        if written not in (most, self.streams.size):
            raise CheckpointError(f"the replay's state, {written} frames with the next at {most}, does not fit here")
        self.transitions.load_state_dict({name: x for name, x in state.items() if name not in (FRAMES, HEAD)})
        self.frames[:written], self.written = state[FRAMES], written
        self.head[:] = state[HEAD]
        self.next_obs[:] = self._stacked(self._window(self.head - 1, self._envs, self.streams.stack))
        self.held = self._count_held()

    def _count_held(self) -> int:
        filled = len(self.transitions) // self.num_envs
        rows = (self.transitions.position - 1 - np.arange(filled)) % self.rows  # the newest first
        lost = self.streams.is_lost(self.transitions.data["obs"][rows], self.head).any(axis=1)
        return int(lost.argmax()) if lost.any() else filled

    def check(self, state: Tensors) -> None:
        """Raise CheckpointError unless a state, or what is said of one, has names, shapes and dtypes that fit here."""
        self.transitions.check({name: x for name, x in state.items() if name not in (FRAMES, HEAD)})
        written: tuple[int, ...] = state[FRAMES].shape[:1] if FRAMES in state else ()
        own: dict[str, Any] = {
            FRAMES: Tensor((*written, *self.frames.shape[1:]), self.frames.dtype),
            HEAD: Tensor(self.head.shape, self.head.dtype),
        }
        check_fit({name: x for name, x in state.items() if name in own}, own, "this replay")
        if written > (self.streams.size,):
            raise CheckpointError(f"the replay's state has {written[0]} frames, and here are {self.streams.size}")
