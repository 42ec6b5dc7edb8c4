"""Where the tests compute: on the CPU, or on what RLPAIR_TEST_DEVICE says, such as cuda (docs/gpu.md)."""

import os
from typing import Any

import numpy as np

from rlpair import make_agent
from rlpair.parity import Case

DEVICE = os.environ.get("RLPAIR_TEST_DEVICE", "cpu")


def agent_of(case: Case, backend: str, dtype: str = "float64", device: str = DEVICE, **options: Any) -> Any:
    """The agent of a case, there; ``options`` as make_agent takes them."""
    options |= {"config": case.config, "seed": case.seed, "dtype": dtype, "device": device}
    return make_agent(case.config.name, backend=backend, env=case.spec, **options)


def host(x: Any) -> np.ndarray:
    """An array or a tensor of either backend, on the host."""
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)
