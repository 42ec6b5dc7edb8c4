"""Environments that show stacked frames, and a replay of them that keeps every stack for ever."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from rlpair.types import EnvSpec, Transition

ATARI = EnvSpec((84, 84, 4), "uint8", True, 6, frame_stack=4)
STACKS = EnvSpec((2, 2, 6), "uint8", True, 3, frame_stack=3)  # of two channels


class Film(NamedTuple):
    """What N environments show, and how their episodes end."""

    spec: EnvSpec
    num_envs: int
    ends: float  # how likely a step ends an episode, by either flag or both
    cuts: float  # how likely an episode is left for another one, and no flag says it
    padding: str  # of the first stack: "first" frame, "zeros", or "none", as in mid-episode
    colors: int  # of pixels: of few, frames repeat
    seed: int

    def play(self, steps: int) -> list[tuple[Transition, np.ndarray]]:
        """Every step's transition (N, ...) and truncated (N,)."""
        rng, n = np.random.default_rng(self.seed), self.num_envs
        stacks, played = [self._first(rng) for _ in range(n)], []
        for _ in range(steps):
            stacks = [self._first(rng) if rng.random() < self.cuts else stack for stack in stacks]
            after = [[*stack[1:], self._frame(rng)] for stack in stacks]
            terminated, truncated = rng.random((2, n)) < self.ends
            action, reward = rng.integers(0, 3, n).astype(np.int32), rng.random(n).astype(np.float32)
            obs, next_obs = ([np.concatenate(x, -1) for x in stacks_] for stacks_ in (stacks, after))
            transition = Transition(np.stack(obs), action, reward, np.stack(next_obs), np.float32(terminated))
            played.append((transition, truncated))
            ended = terminated | truncated
            stacks = [self._first(rng) if over else stack for over, stack in zip(ended, after, strict=True)]
        return played

    def _first(self, rng: np.random.Generator) -> list[np.ndarray]:
        frame, older = self._frame(rng), self.spec.frame_stack - 1
        padding = {"first": lambda: frame, "zeros": lambda: np.zeros_like(frame), "none": lambda: self._frame(rng)}
        return [*(padding[self.padding]() for _ in range(older)), frame]

    def _frame(self, rng: np.random.Generator) -> np.ndarray:
        *axes, channels = self.spec.obs_shape
        shape = (*axes, channels // self.spec.frame_stack)
        return rng.integers(0, self.colors, shape).astype(self.spec.obs_dtype)


@st.composite
def films(draw: st.DrawFn, most_envs: int = 3) -> Film:
    """Any number of environments, of frames in a stack, of channels and of axes; any ends."""
    stack, axes = draw(st.integers(1, 4)), draw(st.sampled_from([(2,), (2, 1), (1, 3)]))
    channels = draw(st.integers(1, 2)) * stack
    spec = EnvSpec((*axes, channels), draw(st.sampled_from(["uint8", "bool"])), True, 3, frame_stack=stack)
    chances = st.sampled_from([0.0, 0.03, 0.2, 1.0])
    return Film(
        spec,
        draw(st.integers(1, most_envs)),
        draw(chances),
        draw(st.sampled_from([0.0, 0.1])),
        draw(st.sampled_from(["first", "zeros", "none"])),
        draw(st.sampled_from([2, 200])),
        draw(st.integers(0, 2**16)),
    )


class Archive:
    """A replay that keeps everything, and knows how many rows a storage with room for so many frames still has."""

    def __init__(self, film: Film, rows: int, frames: int) -> None:
        self.rows, self.frames, self.stack = rows, frames, film.spec.frame_stack
        self.history: list[tuple[Transition, np.ndarray]] = []
        self.last = np.zeros((film.num_envs, *film.spec.obs_shape), film.spec.obs_dtype)
        self.count = np.full(film.num_envs, self.stack)  # of frames in each stream; it begins with a stack of zeros
        self.first: list[np.ndarray] = []  # by step: (N,) which frame of the stream is the oldest of its stack

    def add(self, transition: Transition, truncated: np.ndarray) -> None:
        """A step."""
        for env, (obs, last) in enumerate(zip(transition.obs, self.last, strict=True)):
            self.count[env] += 0 if np.array_equal(obs, last) else self.stack
        self.first.append(self.count - self.stack)
        self.count += 1
        self.last = transition.next_obs
        self.history.append((transition, truncated))

    def held(self) -> range:
        """The steps, up to the newest, of which every frame is among the newest ``frames`` of its stream."""
        steps = range(max(0, len(self.history) - self.rows), len(self.history))
        return next((steps[k:] for k, t in enumerate(steps) if (self.first[t] >= self.count - self.frames).all()))

    def batch(self, steps: Any, envs: Any) -> Transition:
        """Transitions (B, ...) as they went in."""
        rows = [[x[env] for x in self.history[t][0][:5]] for t, env in zip(steps, envs, strict=True)]
        return Transition(*map(np.stack, zip(*rows, strict=True)))
