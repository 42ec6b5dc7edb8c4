"""What an agent knows of an environment: one of discrete actions, the first of which is -1, and one of a skew box."""

from rlpair.types import EnvSpec

DISCRETE = EnvSpec((3,), "float32", True, 3, action_start=-1)
BOX = EnvSpec((3,), "float32", False, 2, (-2.0, 0.0), (2.0, 1.0))
