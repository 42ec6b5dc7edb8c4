"""rlpair: DQN and SAC twice, in eager PyTorch and in compiled JAX, behind one agent API.

Importing it loads neither framework.
"""

__version__ = "0.1.0"

from rlpair.algos.dqn import DQNConfig
from rlpair.algos.sac import SACConfig
from rlpair.config import LoopConfig
from rlpair.errors import RLPairError
from rlpair.loop import run
from rlpair.make import load_agent, make_agent
from rlpair.presets import Preset, preset
from rlpair.types import Agent, EnvSpec, Record, Transition, UpdateInfo

__all__ = [
    "Agent",
    "DQNConfig",
    "EnvSpec",
    "LoopConfig",
    "Preset",
    "RLPairError",
    "Record",
    "SACConfig",
    "Transition",
    "UpdateInfo",
    "load_agent",
    "make_agent",
    "preset",
    "run",
]
