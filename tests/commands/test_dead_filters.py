"""scripts/dead_filters.py: what it counts, in either backend."""

import sys
from pathlib import Path

import numpy as np
import pytest

from rlpair import DQNConfig, EnvSpec, make_agent

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import dead_filters


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_filters_that_give_anything_are_counted(backend: str) -> None:
    config, spec = DQNConfig(encoder="nature", net_arch=(), batch_size=2), EnvSpec((84, 84, 4), "uint8", True, 6)
    agent = make_agent("dqn", backend=backend, env=spec, config=config, device="cpu")
    frames = np.random.default_rng(0).integers(256, size=(3, 84, 84, 4), dtype=np.uint8)
    state = agent.state_dict()
    state["q.0.0.bias"][:] = -1e3
    state["q.0.0.bias"][[3, 17, 20]] = 1e3
    agent.load_state_dict(state)
    assert dead_filters.alive(agent, frames)[0] == 3
    assert dead_filters.alive(agent, frames)[1] > 0
    assert dead_filters.alive(agent, frames[[0, 0]])[1] == 0
