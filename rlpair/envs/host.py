"""Gymnasium environments on the host: N at once, every step N true transitions, whatever resets them."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, VectorEnv
from gymnasium.vector.utils import iterate

from rlpair.envs import processes
from rlpair.envs.failures import FAILURE, WrongReturnError, failure_of, is_ours
from rlpair.envs.frames import with_frames_last
from rlpair.envs.resets import bare_objects, who_resets
from rlpair.envs.spec import env_name, env_spec, image_shapes, is_flattened, pixel_scale
from rlpair.envs.tape import RESTORED, actions_of
from rlpair.errors import CheckpointError, EnvError, EnvFailedError, NonFiniteError, RLPairError
from rlpair.seeding import integer
from rlpair.types import EnvSpec


class Step(NamedTuple):
    """One step of N environments. The arrays are the caller's: no later step writes into them."""

    obs: np.ndarray  # (N, *obs_shape) what to act on next: of the new episode where one ended
    reward: np.ndarray  # (N,) float32
    next_obs: np.ndarray  # (N, *obs_shape) the true successor, also where an episode ended
    terminated: np.ndarray  # (N,) bool
    truncated: np.ndarray  # (N,) bool
    happened: np.ndarray | None = None  # (N,) bool: False where nothing but a reset did; None: a transition in each


class Playable(Protocol):
    """What of HostEnvs an evaluation needs."""

    name: str
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

    SAME_STEP gives the last observation of an episode in its infos; of Gymnasium's Sync and Async the rows that ended
    are reset at once. Any other vector environment in NEXT_STEP spends a step on a reset: there is no transition in it,
    which ``happened`` says. Whatever an environment raises or wrongly returns, and the end
    or the silence of its process, is an EnvFailedError; after one, no episode can be gone on with.
    """

    spec: EnvSpec
    num_envs: int

    def __init__(self, envs: VectorEnv[Any, Any, Any], *, taped: bool = False, name: str | None = None) -> None:
        """
        Args:
            envs: a vector environment.
            taped: each of its environments is an EpisodeTape.
            name: what errors call it; None: as it is registered, or its class.

        Raises:
            EnvError: as ``env_spec``, or two of the environments are one object.
        """
        envs = with_frames_last(envs)
        self.spec, self.num_envs = env_spec(envs), envs.num_envs
        self.name = env_name(envs) if name is None else name
        self.objects = bare_objects(envs)
        if len(set(map(id, self.objects))) < len(self.objects):
            raise EnvError(f"env={self.name} is one object in several rows: make an environment for each")
        self._envs: Any = envs
        self._reporting = _Reporting(self.name, envs)
        self._step_envs: Callable[..., Any] = envs.step
        self._reset_envs: Callable[..., Any] = envs.reset
        if isinstance(envs, AsyncVectorEnv):
            self._step_envs, self._reset_envs = partial(processes.step, envs), partial(processes.reset, envs)
        self._taped, self._seed = taped, 0
        self._resets = who_resets(envs)
        self._resetting = np.zeros(self.num_envs, bool)  # rows whose next step does nothing but reset them
        self._obs_space, self._obs_dtype = envs.single_observation_space, np.dtype(self.spec.obs_dtype)
        self.images = image_shapes(self._obs_space)  # whose pixels are among the observations' numbers
        self._row_shape, self._obs_shape = (self.num_envs,), (self.num_envs, *self.spec.obs_shape)
        self._is_flattened, self._pixel_scale = is_flattened(self._obs_space), pixel_scale(self._obs_space)
        self._action_shape = (self.num_envs, *(envs.single_action_space.shape or ()))
        self._action_dtype = envs.single_action_space.dtype

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode in every environment, seeded by seed, seed + 1, ... Returns obs (N, *obs_shape).

        Raises:
            EnvFailedError: one fails.
        """
        self._seed = seed
        return self._reset(seed=seed)[0]

    def step(self, action: np.ndarray) -> Step:
        """Step every environment: (N,) or (N, action_dim), in the environment's own units.

        Raises:
            NonFiniteError: an observation or a reward is not a finite number; says which environment's.
            EnvFailedError: an environment fails; says which, and how.
        """
        action = action.astype(self._action_dtype).reshape(self._action_shape)
        with self._reporting:
            env_obs, env_reward, env_terminated, env_truncated, infos = self._step_envs(action)
            self._check(infos)
            terminated = self._per_env("terminated", np.array(env_terminated, bool))
            truncated = self._per_env("truncated", np.array(env_truncated, bool))
            reward = self._per_env("reward", _cast(env_reward, np.float32))
            _check_finite("reward", reward)
            obs = next_obs = self._observe(env_obs)
            is_resetting = np.count_nonzero(self._resetting)  # ten times as fast as any()
            happened = self._without_resets(reward, terminated, truncated) if is_resetting else None
            ended = terminated | truncated
            if np.count_nonzero(ended):
                if self._resets == "rlpair":
                    obs, _ = self._reset(options={"reset_mask": ended})
                elif self._resets == "same step":
                    next_obs = self._final_obs(next_obs, ended, infos)
                else:
                    self._resetting = ended
        return Step(obs, reward, next_obs, terminated, truncated, happened)

    def _without_resets(self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
        """Return which rows made a transition, (N,) bool; in the others, reset now, nothing was paid or ended."""
        happened = ~self._resetting
        for values in (reward, terminated, truncated):
            values[self._resetting] = 0
        self._resetting = np.zeros(self.num_envs, bool)
        return happened

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        """Draw actions uniformly over the action space: (N,) int32, or (N, action_dim) float32."""
        spec = self.spec
        if spec.discrete:
            return rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)
        size = (self.num_envs, spec.action_dim)
        return rng.uniform(spec.action_low, spec.action_high, size).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Return where every environment stands in its episode, as JSON can hold it exactly; failed ones nowhere."""
        episodes: list[Any] = [None] * self.num_envs if self._taped else []
        if self._taped and not self._reporting.failed:
            with self._reporting:
                episodes = list(self._envs.call("state_dict"))
        return {"seed": integer(self._seed, "envs"), "episodes": episodes}  # the seed: of what cannot be restored

    def load_state_dict(self, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Play every environment's episode back to where it stood; where that fails, begin one.

        Environments that rlpair did not put together (a VectorEnv that was handed in) always begin episodes.

        Returns:
            obs (N, *obs_shape), and restored (N,) bool.

        Raises:
            CheckpointError: the state is of another number of environments, or holds actions that are none.
            EnvFailedError: one fails to begin an episode.
        """
        if self._taped:
            if (saved := len(state["episodes"])) != self.num_envs:
                raise CheckpointError(f"the state is of {saved} environments, and here are {self.num_envs}")
            self._check_actions(state["episodes"])
            with self._reporting:
                self._envs.set_attr("pending_state", state["episodes"])
        self._seed = state["seed"]
        obs, infos = self._reset(seed=self._seed)
        return obs, infos.get(RESTORED, np.zeros(self.num_envs, bool))

    def _check_actions(self, episodes: list[dict[str, Any] | None]) -> None:
        for row, episode in enumerate(episodes):
            if episode is None:
                continue
            try:
                actions_of(episode["actions"], self._envs.single_action_space)
            except CheckpointError as error:
                raise CheckpointError(f"envs.episodes[{row}]: {error}") from None

    def close(self) -> None:
        """Close the environments, and end their processes, also those that are stuck.

        Raises:
            EnvFailedError: one fails to close.
        """
        with self._reporting:
            if isinstance(self._envs, AsyncVectorEnv):
                processes.end(self._envs)
            else:
                self._envs.close()

    def _reset(self, **arguments: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset every environment: returns observations and infos."""
        with self._reporting:
            obs, infos = self._reset_envs(**arguments)
            self._resetting[:] = False
            self._check(infos)
            return self._observe(obs), infos

    def _check(self, infos: dict[str, Any]) -> None:
        """Raise EnvFailedError where the infos say that an environment failed."""
        if FAILURE in infos:
            index, failure = next((i, x) for i, x in enumerate(infos[FAILURE]) if x is not None)
            what = f": environment {index} {failure.what}"
            raise self._reporting.error(what, failure.text, failure.details) from failure.cause

    def _per_env(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return the values, of which there is one for each environment."""
        if values.shape != self._row_shape:
            raise WrongReturnError(f"a {name} of shape {values.shape}", f"there are {self.num_envs} environments")
        return values

    def _observe(self, obs: Any) -> np.ndarray:
        """Return a copy of a batch of the environments' own observations, (N, *obs_shape)."""
        if self._is_flattened:
            obs = [self._flatten(row) for row in iterate(self._envs.observation_space, obs)]
        own = _cast(obs, self._obs_dtype)
        if own.shape != self._obs_shape:
            raise WrongReturnError(f"observations of shape {own.shape}", f"their space says {self._obs_shape}")
        _check_finite("observation", own)
        return own

    def _flatten(self, row: Any) -> Any:  # one environment's observation
        if not self._is_flattened:
            return row
        flat = spaces.flatten(self._obs_space, row)
        return flat if self._pixel_scale is None else flat * self._pixel_scale

    def _final_obs(self, obs: np.ndarray, ended: np.ndarray, infos: dict[str, Any]) -> np.ndarray:
        """Return ``obs`` with the last observation of an episode in the rows that ended, from SAME_STEP's infos."""
        if "final_obs" not in infos:
            raise EnvError(f"env={self.name}: SAME_STEP, but its infos have no final_obs where episodes end")
        next_obs = obs.copy()
        for row in np.flatnonzero(ended):
            final = _cast(self._flatten(infos["final_obs"][row]), self._obs_dtype)
            if final.shape != self.spec.obs_shape:
                raise WrongReturnError(f"final_obs of shape {final.shape}", f"its space says {self.spec.obs_shape}")
            next_obs[row] = final
        _check_finite("observation", next_obs)
        return next_obs


class _Reporting:
    """Makes an EnvFailedError of whatever comes out of the environments; remembers that there was one."""

    def __init__(self, name: str, envs: VectorEnv[Any, Any, Any]) -> None:
        self._name, self._envs, self.failed = name, envs, False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, RLPairError) or is_ours(error):
            return
        failure = failure_of(error)
        silent = processes.who_failed(self._envs, error) if isinstance(self._envs, AsyncVectorEnv) else None
        what, text = (f": {silent}", "") if silent else (f" {failure.what}", failure.text)
        raise self.error(what, text, failure.details) from error

    def error(self, what: str, text: str, details: str) -> EnvFailedError:
        """Return the error to raise."""
        self.failed = True
        return EnvFailedError(f"env={self._name}{what}", text, details)


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
