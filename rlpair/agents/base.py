"""What the agents of both backends share: how a state is checked and written. Backend-free."""

import dataclasses
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlpair.disk.checkpoint import save_checkpoint
from rlpair.disk.tensors import Tensors, check_contents, check_fit
from rlpair.errors import CheckpointError, ObservationError
from rlpair.seeding import integer
from rlpair.types import EnvSpec, State, Transition, UpdateInfo
from rlpair.version import __version__

FINAL_STEP = 2**31 - 1  # env_steps of act when none are given: every schedule has ended
FOREIGN_SIZE = 2**16  # of what is read and left alone


class Identity(NamedTuple):
    """What an agent is, apart from its state."""

    spec: EnvSpec
    config: Any  # DQNConfig | SACConfig
    seed: int
    dtype: str


class BaseAgent(ABC):
    """An agent of either backend; a subclass adds the learner, the device and the generator."""

    backend: str
    rng_name: str  # of the generator in the state: rng.jax, rng.torch.cpu or rng.torch.cuda

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.spec, self.config, self.seed, self.dtype = identity

    @property
    @abstractmethod
    def num_updates(self) -> int:
        """Gradient updates so far."""

    def act(
        self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None, noise: Any = None
    ) -> np.ndarray:
        """See rlpair.types.Agent."""
        shape, step = getattr(obs, "shape", None), FINAL_STEP if env_steps is None else min(env_steps, FINAL_STEP)
        if shape and shape[0] and shape[1:] == self.spec.obs_shape:
            return self._act(obs, explore, step, noise)
        if shape == self.spec.obs_shape:
            return self._act(obs[None], explore, step, noise)[0]
        found = f"is a {type(obs).__name__}" if shape is None else f"has shape {tuple(shape)}"
        batch = ", ".join(["N", *map(str, self.spec.obs_shape)])
        raise ObservationError(f"obs {found}, and this agent takes an array of {self.spec.obs_shape} or ({batch})")

    @abstractmethod
    def _act(self, obs: np.ndarray, explore: bool, env_steps: int, noise: Any) -> np.ndarray:
        """Choose actions: (N, *obs_shape) -> (N,) or (N, action_dim)."""

    @abstractmethod
    def act_noise(self, num_envs: int) -> tuple[np.ndarray, ...]:
        """Draw what the next ``act`` of so many environments would draw: to give it to an agent of either backend.

        DQN's is a coin, uniform in [0, 1), and any action, from 0, (N,) each; SAC's a standard normal (N, action_dim).
        """

    @abstractmethod
    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        """See rlpair.types.Agent."""

    @abstractmethod
    def state_dict(self) -> State:
        """See rlpair.types.Agent."""

    @abstractmethod
    def _take_over(self, state: State) -> None:
        """Load a state that has been checked; without ``rng_name`` the generator stays as it is."""

    @abstractmethod
    def reseed(self, seed: int) -> None:
        """See rlpair.types.Agent."""

    @abstractmethod
    def synchronize(self) -> None:
        """See rlpair.types.Agent."""

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state of either backend.

        Where it lacks this agent's generator, which is that of a backend and a kind of device, the generator is seeded
        anew from the agent's seed and the number of updates, so that it does not repeat what it gave at the beginning.

        Raises:
            CheckpointError: a name, shape or dtype is off, or a number is none that training can have led to. Then
                nothing has changed.
        """
        arrays = {name: np.asarray(value) for name, value in state.items()}
        self.check_fit(arrays)
        check_contents(arrays)
        self._take_over({name: array for name, array in arrays.items() if not self._is_foreign(name)})
        if self.rng_name not in state:
            self.reseed(integer(self.seed, "noise", self.num_updates))

    def check_fit(self, state: Tensors) -> None:
        """Raise CheckpointError unless a state, or what is said of one, has names, shapes and dtypes of this agent."""
        own = self.state_dict()
        if self.rng_name not in state:
            del own[self.rng_name]
        foreign = sum(math.prod(state[name].shape) for name in filter(self._is_foreign, state))
        if foreign > FOREIGN_SIZE:
            raise CheckpointError(f"the state has {foreign:,} numbers of other backends' generators: at most 65,536")
        check_fit({name: x for name, x in state.items() if not self._is_foreign(name)}, own)

    def _is_foreign(self, name: str) -> bool:
        """Return whether it is a generator of another backend or device."""
        return name.startswith("rng.") and name != self.rng_name

    def save(self, path: str | Path) -> None:
        """Write a checkpoint folder that ``rlpair.load_agent`` reads, in either backend.

        Where ``path`` is a link, what it leads to is written.
        """
        save_checkpoint(os.path.realpath(path), self.state_dict(), self.description())

    def description(self) -> dict[str, Any]:
        """Return what ``agent.json`` says: all that ``load_agent`` needs beside the state."""
        return describe(self.identity, self.backend)


def describe(identity: Identity, backend: str) -> dict[str, Any]:
    """Return what ``agent.json`` says of such an agent."""
    return {
        "rlpair_version": __version__,
        "algo": identity.config.name,
        "backend": backend,
        "dtype": identity.dtype,
        "seed": identity.seed,
        "spec": identity.spec._asdict(),
        "config": dataclasses.asdict(identity.config),
    }
