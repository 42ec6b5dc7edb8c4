"""An algorithm that has a model state: DQN, which sees observations less the mean of those it has learned from.

An update sees the mean before it, and then counts its minibatch in. The learners are beside this file.
"""

from dataclasses import dataclass
from typing import ClassVar

from rlpair import Algorithm, DQNConfig
from rlpair.algos import dqn


@dataclass(frozen=True)
class CentredConfig(DQNConfig):
    """DQN's settings."""

    name: ClassVar[str] = "centred"


RECORD = Algorithm(__name__, CentredConfig, dqn.hyperparameters, dqn.networks, benchmark=CentredConfig(), parity={})
