"""Env steps per second of one of CleanRL's published scripts at the work of bench_peers.py.

    python bench_peer_cleanrl.py CLEANRL/cleanrl/dqn_jax.py ENV STEPS

Run it with the Python of an environment that the script works in: gymnasium 0.29.1, numpy < 2, jax < 0.5, flax < 0.10.3
and stable-baselines3 2.3 for dqn_jax.py, ale-py 0.9 too for those of Atari. The rate is read from the SPS that the
script prints every 100 steps, which is the mean since its start: two of them give the rate in between.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EVERY = 100
SETTINGS = {
    "learning-rate": "1e-3",
    "buffer-size": "100000",
    "batch-size": "128",
    "learning-starts": "500",
    "train-frequency": "1",
    "target-network-frequency": "500",
}
ATARI = {"buffer-size": "10000", "learning-starts": "500"}  # the rest is as published


def main(script: str, env: str, steps: int) -> None:
    """Train and print the rate."""
    is_atari = "atari" in script
    settings, from_step = (ATARI, 1_000) if is_atari else (SETTINGS, 2_000)
    flags = [f"--{key}={value}" for key, value in (settings | {"env-id": env, "total-timesteps": str(steps)}).items()]
    start = "import ale_py, runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    paths = str(Path(script).resolve().parents[1])  # of cleanrl_utils
    with tempfile.TemporaryDirectory() as folder:  # it writes its TensorBoard events here
        command = [sys.executable, *(["-c", start] if is_atari else []), script, *flags]
        environ = os.environ | {"PYTHONPATH": paths}
        printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=environ).stdout
    speeds = [int(speed) for speed in re.findall(r"^SPS: (\d+)", printed, re.MULTILINE)]
    seconds = [(steps - EVERY * (len(speeds) - i)) / speed for i, speed in enumerate(speeds)]  # when each was printed
    first = len(speeds) - (steps - from_step) // EVERY
    print((len(speeds) - 1 - first) * EVERY / (seconds[-1] - seconds[first]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
