"""All four agents learn from pixels: what only a stack of frames tells apart, and to catch a ball.

DQN learns the exact value of both actions. Of SAC only that of the better one is: its policy stops trying the other.
"""

from typing import Any

import numpy as np
import pytest
from devices import DEVICE
from images import compute
from pixel_games import SIDE, Catch, MovingDot, dot

from rlpair import DQNConfig, LoopConfig, SACConfig, evaluate_agent, make_agent, run
from rlpair.algos.registry import find
from rlpair.envs.frames import StackFrames
from rlpair.types import Agent

COMMON: dict[str, Any] = {"learning_rate": 2e-3, "gamma": 0.5, "batch_size": 64, "net_arch": (64,), "tau": 0.05}
COMMON |= {"learning_starts": 500, "train_freq": 100, "gradient_steps": 100, "target_update_interval": 1}
COMMON |= {"buffer_size": 4_000}
CONFIGS = {"dqn": DQNConfig(**COMMON), "sac": SACConfig(**COMMON, ent_coef=0.02)}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


agents = pytest.mark.parametrize("backend", ["torch", "jax"])
algos = pytest.mark.parametrize("algo", ["dqn", "sac"])


def moved(direction: int) -> list[np.ndarray]:
    """Every stack (SIDE, SIDE, 2) of a pixel before and after a step to the left, 0, or to the right, 1."""
    places = [(row, column) for row in range(SIDE) for column in range(2, SIDE - 2)]
    return [np.stack([dot(r, c), dot(r, c + 2 * direction - 1)], axis=-1) for r, c in places]


def q_values(agent: Agent, images: list[np.ndarray]) -> np.ndarray:
    """(B, 2): the learned value of the actions 0 and 1, in plain numpy."""
    algorithm = find(agent.config.name)
    networks, state = algorithm.networks(agent.config, agent.spec), agent.state_dict()

    def output(net: str, k: int, x: np.ndarray) -> np.ndarray:
        name = f"{net}.{k}."
        params = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        return compute(networks[net][k].layers, params, x)

    x = np.stack(images).reshape(len(images), -1) / 255
    if agent.spec.discrete:
        return output("q", 0, x)
    features = output("encoder", 0, x)
    inputs = [np.hstack([features, np.full((len(x), 1), 2.0 * action - 1)]) for action in (0, 1)]  # [0, 1] -> [-1, 1]
    return np.hstack([np.minimum(output("critic", 0, each), output("critic", 1, each)) for each in inputs])


@agents
@algos
def test_values_of_what_only_two_frames_tell(algo: str, backend: str) -> None:
    env = StackFrames(MovingDot(discrete=algo == "dqn"), 2)
    agent = make_agent(algo, backend=backend, env=env, config=CONFIGS[algo], device=DEVICE)
    for _ in run(agent, env, LoopConfig(total_timesteps=4_000)):
        pass
    for direction in (0, 1):
        images = moved(direction)
        right, wrong = q_values(agent, images).mean(axis=0)[[direction, 1 - direction]]
        assert abs(right - 1) <= 0.05
        if algo == "dqn":
            assert abs(wrong - 0.5) <= 0.05
        else:  # its policy no longer tries the wrong action, whose value is what generalizing has made of it
            assert wrong < 0.75
        actions = agent.act(np.stack(images), explore=False)
        # The best soft policy is exp(-a^2 / 2 / ent_coef), half of a normal one: 0.11 from the end in the mean
        assert np.abs(actions - direction).mean() <= (0 if algo == "dqn" else 0.2)
    first = np.stack([np.stack([dot(r, c)] * 2, axis=-1) for r in range(SIDE) for c in range(2, SIDE - 2)])
    np.testing.assert_allclose(q_values(agent, list(first)).mean(axis=0), [0.5, 0.5], rtol=0, atol=0.05)


@agents
@algos
def test_catch(algo: str, backend: str) -> None:
    env = Catch(discrete=algo == "dqn")
    changes: dict[str, Any] = {"gamma": 0.9, "train_freq": 4, "gradient_steps": 4, "learning_rate": 1e-3}
    if algo == "dqn":
        changes |= {"exploration_steps": 2_000}
    config = type(CONFIGS[algo])(**{**vars(CONFIGS[algo]), **changes})
    agent = make_agent(algo, backend=backend, env=env, config=config, device=DEVICE, seed=1)
    for _ in run(agent, env, LoopConfig(total_timesteps=5_000, seed=1)):
        pass
    returns = evaluate_agent(agent, Catch(discrete=algo == "dqn"), episodes=50).returns
    assert returns.mean() >= 0.8  # at random -0.75
