"""The refusal of wrappers whose running statistics would silently differ between training and evaluation."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium import wrappers
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper

from rlpair.envs.spec import env_name
from rlpair.errors import EnvError

RUNNING = (
    wrappers.NormalizeObservation,
    wrappers.NormalizeReward,
    wrappers.vector.NormalizeObservation,
    wrappers.vector.NormalizeReward,
)
FLAG = "update_running_mean"  # what all of them have, and nothing else; False freezes one


def refuse_running_statistics(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> None:
    """Raise EnvError for a wrapper, anywhere in the chain, that goes on to normalize by what it has seen itself.

    An environment made for evaluation has seen something else, and a checkpoint does not hold it.
    """
    for wrapper in _normalizers(env):
        use = "TransformReward" if "Reward" in wrapper else "TransformObservation"
        raise EnvError(
            f"env={env_name(env)} is wrapped in {wrapper}, whose running statistics evaluation and checkpoints do not "
            f"share: normalize by fixed numbers with gymnasium.wrappers.{use}, or set its {FLAG} to False"
        )


def _normalizers(env: Any) -> Iterator[str]:
    """Return the names of such wrappers, from the outermost on."""
    while isinstance(env, gym.Wrapper | VectorWrapper):
        if isinstance(env, RUNNING) and getattr(env, FLAG):
            yield type(env).__name__
        env = env.env
    if isinstance(env, SyncVectorEnv):
        for row in env.envs:
            yield from _normalizers(row)
    elif isinstance(env, AsyncVectorEnv) and any(env.call("has_wrapper_attr", FLAG)) and any(env.get_attr(FLAG)):
        yield "NormalizeObservation" if any(env.call("has_wrapper_attr", "obs_rms")) else "NormalizeReward"
