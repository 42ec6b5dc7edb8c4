"""Where the tests compute: on the CPU, or on what RLPAIR_TEST_DEVICE says, such as cuda (docs/gpu.md)."""

import os
from typing import Any

import numpy as np

from rlpair.parity import Case
from rlpair.parity import agent_of as agent_on

DEVICE = os.environ.get("RLPAIR_TEST_DEVICE", "cpu")


def agent_of(case: Case, backend: str, dtype: str = "float64", device: str = DEVICE) -> Any:
    """The agent of a case, there."""
    return agent_on(case, backend, dtype, device)


def host(x: Any) -> np.ndarray:
    """An array or a tensor of either backend, on the host."""
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)
