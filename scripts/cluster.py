"""The jobs of a benchmark as jobs of Hydra, whose launchers take them to a cluster.

    python scripts/cluster.py 'benchmark="suite=mujoco seeds=5 out=/shared/mujoco"'      # says what jobs there are
    python scripts/cluster.py -m hydra/launcher=ray 'benchmark="..."' 'job=range(0,80)'  # as that printed it
    python -m rlpair.benchmark suite=mujoco seeds=5 out=/shared/mujoco                   # collects them, and reports

``out`` is a folder that all nodes see, by its whole path. A job that is finished is not run again, and one that was
killed goes on from its last checkpoint, wherever it is begun next. docs/benchmark_suites.md.
"""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore

from rlpair.benchmark.plan import BenchmarkConfig, jobs_of
from rlpair.benchmark.pool import Pool
from rlpair.cli.arguments import resolve
from rlpair.errors import ConfigError, RLPairError
from rlpair.settings.overrides import split


@dataclass
class ClusterConfig:
    """What Hydra is asked for. It is to write nothing by itself, but for what it keeps of a sweep: multirun/."""

    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"override hydra/job_logging": "none"}])
    hydra: Any = field(default_factory=lambda: {"run": {"dir": "."}, "output_subdir": None})
    benchmark: str = ""  # arguments of python -m rlpair.benchmark
    job: int | None = None  # number of the one to run; None: say which there are


def benchmark_of(arguments: str) -> BenchmarkConfig:
    """Its settings. Raises ConfigError, also for a folder that another node would look for elsewhere."""
    values, _ = resolve(split(shlex.split(arguments))[0], BenchmarkConfig, has_algo=False)
    config = BenchmarkConfig(**values)
    if not Path(config.out).is_absolute():
        raise ConfigError("out", config.out, "the whole path of a folder that all nodes see, such as /shared/mujoco")
    return config


def run(config: BenchmarkConfig, number: int) -> None:
    """Train one job to its end. Raises RLPairError where it fails."""
    jobs = jobs_of(config)
    if not 0 <= number < len(jobs):
        raise ConfigError("job", number, f"a whole number from 0 to {len(jobs) - 1}")
    causes: list[str] = []
    Pool([jobs[number]], 1, config.threads, causes.append).run(lambda ended: None)
    if causes:
        raise RLPairError(causes[0])


def show(arguments: str) -> None:
    """Print which jobs there are, and the command that trains them."""
    jobs = jobs_of(benchmark_of(arguments))
    for i, job in enumerate(jobs):
        print(f"{i}: {job.name}{', finished' if job.is_finished() else ''}")
    pasted = [f'benchmark="{arguments}"', f"job=range(0,{len(jobs)})"]
    print(f"python scripts/cluster.py -m hydra/launcher=ray {shlex.join(pasted)}")


@hydra.main(version_base=None, config_name="cluster")
def main(cluster: ClusterConfig) -> None:
    """Run the job, whose errors are its launcher's to tell, or say which there are."""
    if cluster.job is not None:
        run(benchmark_of(cluster.benchmark), cluster.job)
        return
    try:
        show(cluster.benchmark)
    except RLPairError as error:
        raise SystemExit(f"rlpair: {error}") from error


if __name__ == "__main__":
    ConfigStore.instance().store("cluster", ClusterConfig)
    main()
