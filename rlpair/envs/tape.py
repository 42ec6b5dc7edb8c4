"""What it takes to stand in the middle of an episode again: the generator at its start, and the actions since."""

import base64
import copy
import hashlib
import math
import struct
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlpair.errors import CheckpointError

RESTORED = "episode_restored"  # in the info of a reset that went on with an episode
ROOM = 2**25  # bytes of actions that all environments of a run remember together


class EpisodeTape(gym.Wrapper[Any, Any, Any, Any]):
    """Remembers an environment's current episode, so that another process can play it again, to the bit.

    The outermost wrapper of one environment. ``state_dict()`` is the episode so far. A state that is put into
    ``pending_state`` is played back by the next ``reset``, if it leads to the same observation and the same return;
    that reset's info then has ``episode_restored``. Else (randomness of its own, another version, another machine's
    rounding) it is a reset like any other.
    """

    def __init__(self, env: gym.Env[Any, Any], room: int = ROOM) -> None:
        """Remember at most ``room`` bytes of actions; an episode with more of them is not remembered."""
        super().__init__(env)
        self._room, self._is_full = room, False
        self.pending_state: dict[str, Any] | None = None
        self._seed: int | None = None  # of the reset that began the episode
        self._generator: dict[str, Any] | None = None  # its state before that reset
        self._actions = bytearray()
        self._return = 0.0
        self._obs: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env; plays the pending state back if there is one."""
        state, self.pending_state = self.pending_state, None
        if state is not None and self._play_back(state):
            return self._obs, {RESTORED: True}
        return self._begin(seed, options)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """See gymnasium.Env. ``action`` is a numpy array or scalar of the action space's dtype."""
        self._actions += action.tobytes()
        if len(self._actions) > self._room:
            self._actions.clear()
            self._is_full = True
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._obs = obs
        self._return += float(reward)
        if terminated or truncated:
            obs = copy.deepcopy(obs)  # the reset that follows may write into the environment's own array
        return obs, reward, terminated, truncated, info

    def state_dict(self) -> dict[str, Any] | None:
        """Return the episode so far, as JSON can hold it exactly; None before the first reset, or if it is too long."""
        if self._obs is None or self._is_full:
            return None
        return {
            "seed": self._seed,
            "generator": self._generator,
            "actions": base64.b64encode(self._actions).decode(),
            "digest": self._digest(),
        }

    def _begin(self, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        bits = self._bit_generator()
        self._seed, self._generator = seed, dict(bits.state) if bits and seed is None else None
        self._actions.clear()
        self._is_full = False
        self._return = 0.0
        self._obs, info = self.env.reset(seed=seed, options=options)
        return self._obs, info

    def _bit_generator(self) -> np.random.PCG64 | None:
        """Return Gymnasium's own kind; an environment that has put another in its place is not remembered."""
        bits = getattr(self.env.unwrapped.np_random, "bit_generator", None)
        return bits if isinstance(bits, np.random.PCG64) else None

    def _play_back(self, state: dict[str, Any]) -> bool:
        """Play a state back; return whether the environment now stands where it says."""
        if state["seed"] is None:
            bits = self._bit_generator()
            if bits is None or state["generator"] is None:
                return False
            bits.state = state["generator"]
        self._begin(state["seed"], None)
        for action in actions_of(state["actions"], self.action_space):
            _, _, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                return False
        return self._digest() == state["digest"]

    def _digest(self) -> str:
        """Return the digest of the observation and the return so far."""
        obs = np.asarray(spaces.flatten(self.observation_space, self._obs))
        return hashlib.sha256(obs.tobytes() + struct.pack("<d", self._return)).hexdigest()


def actions_of(text: str, space: spaces.Space[Any]) -> np.ndarray:
    """Return the actions in a state, (steps, *shape). Raises CheckpointError where they are not the action space's."""
    shape, dtype = space.shape or (), np.dtype(space.dtype)
    try:
        actions = np.frombuffer(base64.b64decode(text, validate=True), dtype).reshape(-1, *shape).copy()
    except ValueError:
        size = dtype.itemsize * math.prod(shape)
        raise CheckpointError(f"actions are not base64 of {size} bytes an action") from None
    if isinstance(space, spaces.Discrete):
        inside = (actions >= space.start) & (actions < space.start + space.n)
    else:
        assert isinstance(space, spaces.Box)
        inside = (actions >= space.low) & (actions <= space.high)
    if not inside.all():
        raise CheckpointError(f"actions hold {actions[~inside][0]}, which is none of {space}")
    return actions
