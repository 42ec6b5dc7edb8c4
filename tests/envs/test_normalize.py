"""Wrappers that normalize by what they have seen are refused wherever they are, unless they are frozen."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, RescaleObservation, vector
from toy_envs import Counter

from rlpair.envs.make import as_envs, make_envs
from rlpair.envs.normalize import refuse_running_statistics
from rlpair.errors import EnvError


def deep() -> gym.Env[Any, Any]:
    """The wrapper in the middle of others."""
    inner = NormalizeReward(gym.make("toy/Counter-v0"))
    return RescaleObservation(inner, np.zeros(2, np.float32), np.ones(2, np.float32))


def sync(make: Callable[[], Any]) -> SyncVectorEnv:
    return SyncVectorEnv([Counter, make], autoreset_mode=AutoresetMode.NEXT_STEP)


gym.register("toy/Normalized-v0", "test_normalize:deep")
REST = "whose running statistics evaluation and checkpoints do not share: normalize by fixed numbers with "


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (lambda: NormalizeObservation(Counter()), "env=Counter is wrapped in NormalizeObservation, "),
        (lambda: deep, "env=toy/Counter-v0 is wrapped in NormalizeReward, "),
        (lambda: "toy/Normalized-v0", "env=toy/Normalized-v0 is wrapped in NormalizeReward, "),
        (lambda: sync(lambda: NormalizeReward(Counter())), "env=Counter is wrapped in NormalizeReward, "),
        (lambda: vector.NormalizeObservation(sync(Counter)), "env=Counter is wrapped in NormalizeObservation, "),
        (lambda: vector.NormalizeReward(sync(Counter)), "env=Counter is wrapped in NormalizeReward, "),
    ],
    ids=["single", "deep", "by id", "in a vector", "around a vector", "rewards around a vector"],
)
def test_running_statistics_are_refused(env: Callable[[], Any], line: str) -> None:
    with pytest.raises(EnvError) as error:
        as_envs(env())
    assert str(error.value).startswith(line + REST)
    transform = "TransformReward" if "Reward" in line else "TransformObservation"
    assert str(error.value).endswith(f"gymnasium.wrappers.{transform}, or set its update_running_mean to False")


@pytest.mark.parametrize("wrapper", [NormalizeObservation, NormalizeReward])
def test_in_worker_processes_too(wrapper: Any) -> None:
    def make() -> gym.Env[Any, Any]:
        return wrapper(Counter())

    envs = AsyncVectorEnv([make], context="spawn", autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(EnvError, match=f"^env=AsyncVectorEnv is wrapped in {wrapper.__name__}, {REST}"):
        as_envs(envs)
    envs.close()


class Workers(AsyncVectorEnv):
    """Says what workers would, of which there are none: whether each one's statistics run."""

    def __init__(self, *running: bool) -> None:
        self.running, self.closed, self.spec = running, True, None

    def call(self, method: str, name: str) -> tuple[bool, ...]:  # type: ignore[override]
        return (method == "has_wrapper_attr",) * len(self.running)

    def get_attr(self, name: str) -> tuple[bool, ...]:
        return self.running if name == "update_running_mean" else ()


def test_one_worker_whose_statistics_run_is_enough() -> None:
    refuse_running_statistics(Workers(False, False))
    for running in ((True, True), (False, True), (True, False)):
        with pytest.raises(EnvError, match=f"^env=Workers is wrapped in NormalizeObservation, {REST}"):
            refuse_running_statistics(Workers(*running))


def test_frozen_statistics_are_fixed_numbers() -> None:
    env = NormalizeObservation(Counter())
    env.reset(seed=0)
    env.update_running_mean = False
    assert as_envs(env).reset(0).shape == (1, 2)


def test_async_by_id_is_refused_before_a_process_starts() -> None:
    with pytest.raises(EnvError, match=r"^env=toy/Normalized-v0 is wrapped in NormalizeReward, "):
        make_envs("toy/Normalized-v0", vectorization="async")
