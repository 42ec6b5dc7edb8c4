"""Env steps per second of one of CleanRL's published scripts at the work of bench_peers.py.

    python bench_peer_cleanrl.py CLEANRL/cleanrl/dqn_jax.py ENV STEPS

Run it with the Python of an environment that the script works in: gymnasium 0.29.1, numpy < 2, jax < 0.5, flax < 0.10.3
and stable-baselines3 2.3 for dqn_jax.py. The rate is read from the SPS that the script prints every 100 steps, which is
the mean since its start: two of them give the rate in between.
"""

import re
import subprocess
import sys
import tempfile

FROM_STEP, EVERY = 2_000, 100
SETTINGS = {
    "learning-rate": "1e-3",
    "buffer-size": "100000",
    "batch-size": "128",
    "learning-starts": "500",
    "train-frequency": "1",
    "target-network-frequency": "500",
}


def main(script: str, env: str, steps: int) -> None:
    """Train and print the rate."""
    flags = [f"--{key}={value}" for key, value in (SETTINGS | {"env-id": env, "total-timesteps": str(steps)}).items()]
    with tempfile.TemporaryDirectory() as folder:  # it writes its TensorBoard events here
        command = [sys.executable, script, *flags]
        printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    speeds = [int(speed) for speed in re.findall(r"^SPS: (\d+)", printed, re.MULTILINE)]
    seconds = [(steps - EVERY * (len(speeds) - i)) / speed for i, speed in enumerate(speeds)]  # when each was printed
    first = len(speeds) - (steps - FROM_STEP) // EVERY
    print((len(speeds) - 1 - first) * EVERY / (seconds[-1] - seconds[first]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
