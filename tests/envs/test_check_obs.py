"""Observations that are none of their space: what each is refused with, before it is stored or learned from."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlpair.envs.failures import FAILURE, Guard, WrongReturnError, check_obs


@pytest.mark.parametrize(
    ("space", "obs", "expected"),
    [
        (spaces.Box(0, 1, (2,)), [0, 1], None),
        (spaces.Box(0, 1, (2,)), np.zeros(2), None),
        (spaces.Box(0, 255, (2,), np.uint8), np.zeros(2), "an observation of dtype float64: its space says uint8"),
        (spaces.Box(0, 1, (2, 1)), np.zeros(2), "an observation of shape (2,): its space says (2, 1)"),
        *((spaces.Discrete(3, start=-1), number, None) for number in (-1, 1)),
        (spaces.Discrete(3, start=-1), 2, "observation=2: its space is Discrete(3, start=-1)"),
        (spaces.Discrete(3), 1.0, "an observation of dtype float64: its space says int64"),
        (spaces.MultiDiscrete([2, 3]), [1, 2], None),
        (spaces.MultiDiscrete([2, 3]), [2, 2], "observation=[2 2]: its space is MultiDiscrete([2 3])"),
        (spaces.MultiBinary(2), [True, False], None),
        (spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(2)), {"a": 1, "b": 0, "c": 5}, None),
        (spaces.Dict(a=spaces.Discrete(2)), {"b": 1}, "observation=dict(...): its space is a Dict of a"),
        (spaces.Dict(a=spaces.Discrete(2)), {"a": None}, "observation['a']=None: its space is Discrete(2)"),
        (spaces.Tuple([spaces.Discrete(2)]), (1,), None),
        *(
            (spaces.Tuple([spaces.Discrete(2)]), obs, "observation=tuple(...): its space is a Tuple of 1")
            for obs in ((), (1, 0))
        ),
        (spaces.Tuple([spaces.Discrete(2)]), (7,), "observation[0]=7: its space is Discrete(2)"),
    ],
)
def test_check_obs(space: spaces.Space[Any], obs: Any, expected: str | None) -> None:
    if expected is None:
        return check_obs(space, obs)
    with pytest.raises(WrongReturnError) as error:
        check_obs(space, obs)
    assert str(error.value) == expected
    return None


def test_a_step_whose_index_is_none_of_the_space() -> None:
    """An array of the right shape and dtype is not enough where its numbers become one-hot vectors."""

    class Outside(gym.Env[Any, Any]):
        observation_space, action_space = spaces.MultiDiscrete([2, 3]), spaces.Discrete(2)

        def step(self, action: Any) -> Any:
            return np.array([2, 2], self.observation_space.dtype), 0.0, False, False, {}

    *_, info = Guard(Outside()).step(0)
    assert (info[FAILURE].what, info[FAILURE].text) == (
        "returned observation=[2 2]",
        "its space is MultiDiscrete([2 3])",
    )
