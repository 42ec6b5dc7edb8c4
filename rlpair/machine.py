"""What a measurement holds for: the processor, the GPU, the versions."""

import contextlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rlpair.workers import usable_cores

PACKAGES = ("rlpair", "numpy", "gymnasium", "torch", "jax", "jaxlib", "flax", "optax")


def has_gpu(backend: str) -> bool:
    """Asked in a process of its own, which takes its memory with it."""
    code = f"import sys; from rlpair import runtime_{backend} as r; sys.exit(not r.has_gpu('cuda'))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def machine() -> dict[str, Any]:
    """What the numbers hold for."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), model)
    return {"processor": model, "cores": len(usable_cores()), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
