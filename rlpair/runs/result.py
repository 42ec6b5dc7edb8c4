"""result.json: how good a run's agent is at its end. A run that is complete has it in its folder, no other."""

import json
from pathlib import Path
from typing import Any

from rlpair.config import RunConfig
from rlpair.disk import files
from rlpair.disk.layout import RunDir
from rlpair.runs import formats
from rlpair.runs.loading import read_json
from rlpair.runs.record import FINAL
from rlpair.runs.strict import checked
from rlpair.system.machine import versions
from rlpair.types import Evaluation, Record

MEAN, STD, EPISODES = FINAL + "mean_return", FINAL + "std_return", FINAL + "episodes"


def final_record(env_steps: int, evaluation: Evaluation) -> Record:
    """Return the record of the evaluation at the end, for metrics.jsonl and TensorBoard."""
    returns = evaluation.returns
    values = {MEAN: float(returns.mean()), STD: float(returns.std()), EPISODES: float(len(returns))}
    return Record(env_steps, values)


def save_result(run_dir: Path, config: RunConfig, env_steps: int, evaluation: Evaluation, seconds: float) -> None:
    """Write result.json, whole. ``returns`` and ``lengths`` have a list for each seed, in the order of ``seeds``."""
    by_seed = (config.num_seeds, -1)
    result = {
        "algo": config.algo.name,
        "backend": config.backend,
        "env": config.env,
        "seeds": list(range(config.seed, config.seed + config.num_seeds)),
        "env_steps": env_steps,
        "mean": float(evaluation.returns.mean()),
        "std": float(evaluation.returns.std()),
        "returns": evaluation.returns.reshape(by_seed).tolist(),
        "lengths": evaluation.lengths.reshape(by_seed).tolist(),
        "seconds": round(seconds, 3),
        "versions": versions(),
    }
    files.write(RunDir(run_dir).result, (json.dumps(result, allow_nan=False) + "\n").encode())


def load_result(run_dir: Path) -> dict[str, Any]:
    """Read what ``save_result`` wrote. Raises CheckpointError where there is no such file, or another."""
    path = RunDir(run_dir).result
    result: dict[str, Any] = checked(path, formats.Result, read_json(path, most=formats.RESULT_VALUES))
    return result
