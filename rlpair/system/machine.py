"""What a measurement holds for: the processor, the GPU, the versions."""

import contextlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rlpair.errors import RLPairError
from rlpair.system.workers import usable_cores
from rlpair.version import __version__

PACKAGES = ("numpy", "gymnasium", "torch", "jax", "jaxlib", "flax", "optax")


def has_gpu(backend: str) -> bool:
    """Return whether the backend finds a GPU; asked in a process of its own, which takes its memory with it.

    Raises RLPairError where that process fails.
    """
    code = f"from rlpair.agents import runtime_{backend} as runtime; print(runtime.has_gpu('cuda'))"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or [f"exit code {asked.returncode}"])[-1]
        raise RLPairError(f"backend={backend} could not say whether there is a GPU: {reason}")
    return asked.stdout.strip() == "True"


def machine() -> dict[str, Any]:
    """Describe the machine that the numbers hold for: processor, cores, GPU."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), model)
    return {"processor": model, "cores": len(usable_cores()), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version(), "rlpair": __version__}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
