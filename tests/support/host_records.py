"""What a replay holds after so many steps of environments, to be compared."""

import numpy as np

from rlpair.envs.host import HostEnvs
from rlpair.loops.rows import Rows
from rlpair.replay.buffer import ReplayBuffer
from rlpair.types import State, Transition


def policy(obs: np.ndarray) -> np.ndarray:  # a function of the observation, and nothing else
    return (obs[:, 0] % 3).astype(np.int32)


def record(envs: HostEnvs, steps: int, seed: int) -> State:
    """What is in the replay after so many steps: (steps, N, ...)."""
    replay = ReplayBuffer(steps * envs.num_envs, envs.num_envs, envs.spec)
    obs, rows = envs.reset(seed), Rows(envs.num_envs)
    while steps:
        action = policy(obs)
        step = envs.step(action)
        transition = Transition(obs, action, step.reward, step.next_obs, step.terminated)
        if (row := rows.add(transition, step.truncated, step.happened)) is not None:
            replay.add(*row)
            steps -= 1
        obs = step.obs
    envs.close()
    return replay.state_dict()


def assert_equal(a: State, b: State) -> None:
    for name in a.keys() | b.keys():
        np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)
