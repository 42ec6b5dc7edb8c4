"""rlpair: DQN and SAC twice, in eager PyTorch and in compiled JAX, behind one agent API.

Importing it loads neither framework.
"""

__version__ = "0.1.0"
