"""Gymnasium environments on the host: N at once, every step N true transitions, whatever resets them."""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import iterate

from rlpair.envs.spec import env_name, env_spec, is_flattened
from rlpair.envs.tape import RESTORED
from rlpair.errors import CheckpointError, EnvError, NonFiniteError
from rlpair.seeding import integer
from rlpair.types import EnvSpec


class Step(NamedTuple):
    """One step of N environments. The arrays are the caller's: no later step writes into them."""

    obs: np.ndarray  # (N, *obs_shape) what to act on next: of the new episode where one ended
    reward: np.ndarray  # (N,) float32
    next_obs: np.ndarray  # (N, *obs_shape) the true successor, also where an episode ended
    terminated: np.ndarray  # (N,) bool
    truncated: np.ndarray  # (N,) bool


class Playable(Protocol):
    """What of HostEnvs an evaluation needs."""

    spec: EnvSpec
    num_envs: int

    def reset(self, seed: int) -> np.ndarray:
        """See HostEnvs."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """See HostEnvs."""
        ...

    def close(self) -> None:
        """See HostEnvs."""
        ...


class HostEnvs:
    """N environments behind one step that resets what ended, in every AutoresetMode to the same effect.

    SAME_STEP gives the last observation of an episode in its infos; in NEXT_STEP and DISABLED the rows that ended are
    reset at once, so that no step is spent on a reset.
    """

    spec: EnvSpec
    num_envs: int

    def __init__(self, envs: VectorEnv[Any, Any, Any], *, taped: bool = False) -> None:
        """``taped``: each of the environments is an EpisodeTape. Raises EnvError as ``env_spec``."""
        self.spec, self.num_envs = env_spec(envs), envs.num_envs
        self._envs: Any = envs
        self._taped, self._seed = taped, 0
        self._resets_rows = _resets_rows(envs)
        self._obs_space, self._obs_dtype = envs.single_observation_space, np.dtype(self.spec.obs_dtype)
        self._is_flattened = is_flattened(self._obs_space)
        self._action_shape = (self.num_envs, *(envs.single_action_space.shape or ()))
        self._action_dtype = envs.single_action_space.dtype

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode in every environment, seeded by seed, seed + 1, ... Returns obs (N, *obs_shape)."""
        self._seed = seed
        return self._observe(self._envs.reset(seed=seed)[0])

    def step(self, action: np.ndarray) -> Step:
        """(N,) or (N, action_dim), in the environment's own units.

        Raises:
            NonFiniteError: an observation or a reward is not a finite number; says which environment's.
        """
        action = action.astype(self._action_dtype).reshape(self._action_shape)
        env_obs, env_reward, env_terminated, env_truncated, infos = self._envs.step(action)
        terminated, truncated = np.array(env_terminated, bool), np.array(env_truncated, bool)
        reward = _cast(env_reward, np.float32)
        _check_finite("reward", reward)
        obs = next_obs = self._observe(env_obs)
        ended = terminated | truncated
        if np.count_nonzero(ended):
            if self._resets_rows:
                obs = self._observe(self._envs.reset(options={"reset_mask": ended})[0])
            else:
                next_obs = self._final_obs(next_obs, ended, infos)
        return Step(obs, reward, next_obs, terminated, truncated)

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        """Uniform over the action space: (N,) int32, or (N, action_dim) float32."""
        spec = self.spec
        if spec.discrete:
            return rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)
        size = (self.num_envs, spec.action_dim)
        return rng.uniform(spec.action_low, spec.action_high, size).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Where every environment stands in its episode, as JSON can hold it exactly."""
        episodes = list(self._envs.call("state_dict")) if self._taped else []
        return {"seed": integer(self._seed, "envs"), "episodes": episodes}  # the seed: of what cannot be restored

    def load_state_dict(self, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Play every environment's episode back to where it stood; where that fails, begin one.

        Environments that rlpair did not put together (a VectorEnv that was handed in) always begin episodes.

        Returns:
            obs (N, *obs_shape), and restored (N,) bool.

        Raises:
            CheckpointError: the state is of another number of environments.
        """
        if self._taped:
            if (saved := len(state["episodes"])) != self.num_envs:
                raise CheckpointError(f"the state is of {saved} environments, and here are {self.num_envs}")
            self._envs.set_attr("pending_state", state["episodes"])
        self._seed = state["seed"]
        obs, infos = self._envs.reset(seed=self._seed)
        restored = infos.get(RESTORED, np.zeros(self.num_envs, bool))
        return self._observe(obs), restored

    def close(self) -> None:
        """Close the environments, and end their processes."""
        self._envs.close()

    def _observe(self, obs: Any) -> np.ndarray:
        """(N, *obs_shape), a copy, of a batch of the environments' own observations."""
        if self._is_flattened:
            obs = [self._flatten(row) for row in iterate(self._envs.observation_space, obs)]
        own = _cast(obs, self._obs_dtype)
        _check_finite("observation", own)
        return own

    def _flatten(self, row: Any) -> Any:  # one environment's observation
        return spaces.flatten(self._obs_space, row) if self._is_flattened else row

    def _final_obs(self, obs: np.ndarray, ended: np.ndarray, infos: dict[str, Any]) -> np.ndarray:
        """``obs`` with the last observation of the episode in the rows that ended, from SAME_STEP's infos."""
        if "final_obs" not in infos:
            raise EnvError(f"env={env_name(self._envs)}: SAME_STEP, but its infos have no final_obs where episodes end")
        next_obs = obs.copy()
        for row in np.flatnonzero(ended):
            next_obs[row] = _cast(self._flatten(infos["final_obs"][row]), self._obs_dtype)
        _check_finite("observation", next_obs)
        return next_obs


@np.errstate(over="ignore")  # what is beyond float32 becomes infinite: reported as such, not as a warning
def _cast(values: Any, dtype: Any) -> np.ndarray:
    return np.array(values, dtype)


def _check_finite(name: str, values: np.ndarray) -> None:  # (N, ...)
    if values.dtype.kind != "f" or math.isfinite(np.vdot(values, values)):
        return  # several times faster than isfinite, which has the last word: the square of a huge number is infinite
    rows, *_ = np.nonzero(~np.isfinite(values))
    if rows.size:
        value = values[rows[0]][~np.isfinite(values[rows[0]])].flat[0]
        raise NonFiniteError(f"{name} of environment {rows[0]} is {value}")


def _resets_rows(envs: VectorEnv[Any, Any, Any]) -> bool:
    """Whether rows that ended are ours to reset. Raises EnvError where the true next observation cannot be had."""
    mode = envs.metadata.get("autoreset_mode")
    what = f"env={env_name(envs)} with autoreset_mode={mode}"
    if mode == AutoresetMode.SAME_STEP:
        return False
    if not isinstance(envs, SyncVectorEnv | AsyncVectorEnv):
        advice = "make it with AutoresetMode.SAME_STEP, or use a bare SyncVectorEnv or AsyncVectorEnv"
        raise EnvError(f"{what} does not give the last observation of an episode: {advice}")
    if mode == AutoresetMode.NEXT_STEP and isinstance(envs, AsyncVectorEnv) and not envs.shared_memory:
        advice = "make it with shared_memory=True, or with AutoresetMode.SAME_STEP"
        raise EnvError(f"{what} and shared_memory=False resets every episode twice: {advice}")
    return True
