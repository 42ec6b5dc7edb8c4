"""rlpair: DQN and SAC twice, in eager PyTorch and in compiled JAX, behind one agent API.

Importing it loads neither framework.
"""

__version__ = "0.1.0"

from rlpair.system import safe_path as safe_path  # first: it says where the others are looked for

# isort: split
from rlpair.system import startup as startup  # then: Ctrl-C while a command imports the rest

# isort: split
from rlpair.algos.dqn import DQNConfig
from rlpair.algos.sac import SACConfig
from rlpair.config import LoopConfig
from rlpair.errors import RLPairError
from rlpair.loops.host import Evaluation
from rlpair.loops.training import Training, evaluate_agent, run
from rlpair.make import load_agent, make_agent
from rlpair.presets import Preset, preset
from rlpair.types import Agent, EnvSpec, Record, Replay, Transition, UpdateInfo

__all__ = [
    "Agent",
    "DQNConfig",
    "EnvSpec",
    "Evaluation",
    "LoopConfig",
    "Preset",
    "RLPairError",
    "Record",
    "Replay",
    "SACConfig",
    "Training",
    "Transition",
    "UpdateInfo",
    "evaluate_agent",
    "load_agent",
    "make_agent",
    "preset",
    "run",
]
