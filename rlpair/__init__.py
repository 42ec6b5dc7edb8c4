"""rlpair: DQN and SAC twice, in eager PyTorch and in compiled JAX, behind one agent API.

Importing it loads neither framework.
"""

from rlpair.system import safe_path as safe_path  # first: it says where the others are looked for

# isort: split
from rlpair.system import startup as startup  # then: Ctrl-C while a command imports the rest

# isort: split
from rlpair.algos.dqn import DQNConfig
from rlpair.algos.registry import Algorithm, register
from rlpair.algos.sac import SACConfig
from rlpair.config import LoopConfig
from rlpair.envs.families import Family
from rlpair.envs.families import register as register_family
from rlpair.errors import RLPairError
from rlpair.load import load_agent
from rlpair.loops.training import Training, evaluate_agent, run
from rlpair.make import make_agent
from rlpair.presets import Preset, preset
from rlpair.types import Agent, EnvSpec, Evaluation, Record, Replay, Transition, UpdateInfo
from rlpair.version import __version__

__all__ = [
    "Agent",
    "Algorithm",
    "DQNConfig",
    "EnvSpec",
    "Evaluation",
    "Family",
    "LoopConfig",
    "Preset",
    "RLPairError",
    "Record",
    "Replay",
    "SACConfig",
    "Training",
    "Transition",
    "UpdateInfo",
    "__version__",
    "evaluate_agent",
    "load_agent",
    "make_agent",
    "preset",
    "register",
    "register_family",
    "run",
]
