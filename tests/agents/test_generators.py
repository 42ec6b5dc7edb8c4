"""States of torch's generator on a CPU, which torch itself takes as they come: which are taken, which refused."""

import numpy as np
import pytest
import torch

from rlpair import DQNConfig, EnvSpec, make_agent
from rlpair.agents.agent_torch import check_mersenne_twister
from rlpair.errors import CheckpointError

FOUR_ACTIONS = EnvSpec((3,), "float32", True, 4)
SMALL = DQNConfig(net_arch=(8,), batch_size=8)


def test_a_generator_is_taken_wherever_it_stands_among_its_624_words() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(700):
        check_mersenne_twister(generator.get_state().numpy())
        torch.rand(1, generator=generator)  # of a word


def test_a_state_whose_generator_is_none_changes_nothing() -> None:
    agent = make_agent("dqn", backend="torch", env=FOUR_ACTIONS, config=SMALL)
    before, other = (
        agent.state_dict(),
        make_agent("dqn", backend="torch", env=FOUR_ACTIONS, config=SMALL, seed=1),
    )
    with pytest.raises(CheckpointError):
        agent.load_state_dict(other.state_dict() | {"rng.torch.cpu": np.zeros_like(before["rng.torch.cpu"])})
    for name, array in agent.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
