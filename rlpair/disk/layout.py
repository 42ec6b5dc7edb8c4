"""What stands where in the folder of a run, and in that of a checkpoint. Nothing here touches the disk.

RUN_DIR/config.yaml            its settings
        metrics.jsonl          its records; TensorBoard's events.out.tfevents.* beside it
        result.json            the score, once it is complete
        error.txt              the traceback of an environment's failure
        .lock                  held by the process that writes
        checkpoints/step_N     one of each N env steps; in a run of many seeds a seed_K each in it
                    best       the agent of the best evaluation; likewise
"""

import re
from pathlib import Path

CONFIG, METRICS, RESULT, ERROR, LOCK = "config.yaml", "metrics.jsonl", "result.json", "error.txt", ".lock"
CHECKPOINTS, BEST = "checkpoints", "best"
STEP, SEED = "step_[0-9]+", "seed_[0-9]+"  # patterns of the folders' names
AGENT, TENSORS, RUN, REPLAY = "agent.json", "agent.safetensors", "run.json", "replay.safetensors"  # of a checkpoint


class RunDir:
    """The paths in the folder of a run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.metrics, self.result = self.path / CONFIG, self.path / METRICS, self.path / RESULT
        self.error, self.lock = self.path / ERROR, self.path / LOCK
        self.checkpoints = self.path / CHECKPOINTS
        self.best = self.checkpoints / BEST

    def step(self, env_steps: int) -> Path:
        """Return where the checkpoint of that step is."""
        return self.checkpoints / f"step_{env_steps}"


def seed_folder(checkpoint: Path, seed: int) -> Path:
    """Return where the agent of that seed is, in a checkpoint of many."""
    return checkpoint / f"seed_{seed}"


def step_of(name: str) -> int | None:
    """Return the env steps that a folder's name tells of; None if it is not that of a step."""
    return int(name.removeprefix("step_")) if re.fullmatch(STEP, name) else None
