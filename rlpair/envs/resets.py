"""What there is to know of a vector environment that was handed in: who resets it, and what it is made of."""

from typing import Any

from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from rlpair.envs.spec import env_name
from rlpair.errors import EnvError


def who_resets(envs: VectorEnv[Any, Any, Any]) -> str:
    """Return what resets rows that ended: "rlpair", or the environment in the "same step" or in the "next step".

    Gymnasium's own reset a row when they are told to; but Async without shared memory would in NEXT_STEP do it again.

    Raises:
        EnvError: the true last observation of an episode cannot be had.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode == AutoresetMode.SAME_STEP:
        return "same step"
    if isinstance(envs, SyncVectorEnv | AsyncVectorEnv) and (
        mode == AutoresetMode.DISABLED or getattr(envs, "shared_memory", True)
    ):
        return "rlpair"
    if mode == AutoresetMode.NEXT_STEP:
        return "next step"
    advice = "make it with AutoresetMode.NEXT_STEP or SAME_STEP, or use a bare SyncVectorEnv or AsyncVectorEnv"
    what = f"env={env_name(envs)} with autoreset_mode={mode}"
    raise EnvError(f"{what} does not give the last observation of an episode: {advice}")


def bare_objects(envs: VectorEnv[Any, Any, Any]) -> list[object]:
    """Return the environments beneath all wrappers, if they live in this process; else the vector environment."""
    members = getattr(envs.unwrapped, "envs", ())
    return [env.unwrapped for env in members] or [envs.unwrapped]
