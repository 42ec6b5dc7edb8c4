"""What ``rlpair.benchmark`` is asked for, and the jobs that come of it: task x backend x seed."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rlpair.benchmark.results import JSON, Results
from rlpair.benchmark.suites import Task, tasks_of
from rlpair.cli.arguments import resolve
from rlpair.cli.help import written
from rlpair.config import RunConfig, check_choice, check_compile
from rlpair.disk import files
from rlpair.disk.atomic import remove_own, settled_folders
from rlpair.disk.checkpoint import find_step
from rlpair.disk.layout import RunDir
from rlpair.errors import CheckpointError, ConfigError
from rlpair.presets import defaults
from rlpair.runs.saved_config import flat, load_config
from rlpair.runs.saved_run import resolve_config
from rlpair.settings.overrides import Pair

EPISODES = 20  # greedy ones, of each evaluation
EVALUATIONS = 20  # along the way
CHECKPOINTS = 10  # at least: what a killed job loses is a tenth of it
MOST = {"seeds": 1_000, "jobs": 1_000, "threads": 1_000, "total_env_steps": 10**12}


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of ``python -m rlpair.benchmark``."""

    suite: tuple[str, ...] = ("classic",)
    """classic, box2d, mujoco, minatar, atari: a list."""
    only: tuple[str, ...] = ()
    """Of the suite's tasks these alone, by id or by id without version, such as Hopper: a list."""
    backend: tuple[str, ...] = ("torch", "jax")
    """Frameworks to train in, torch, jax: a list."""
    seeds: int = 3
    """Of each task in each backend: first_seed, first_seed + 1, ..."""
    first_seed: int = 0
    """Seed of each task's first training, >= 0; other seeds than those that chose a preset, for example."""
    jobs: int | None = None
    """Trainings at a time, each a process; null: as many as there are cores for."""
    threads: int = 1
    """Of a training."""
    total_env_steps: int | None = None
    """Of every training; null: the suite's, which the published scores are of. For a short try."""
    device: str = "cpu"
    """auto (the GPU if there is one), cpu or cuda."""
    compile: bool = False
    """torch.compile on the updates of backend=torch."""
    out: str = "runs/benchmark"
    """Folder for the runs and what comes of them; what is finished there is not run again, the rest goes on."""
    report: str | None = None
    """A folder with results.json: write everything else that is made of it anew, and train nothing."""

    def __post_init__(self) -> None:
        for key in ("suite", "backend"):
            if not getattr(self, key):
                raise ConfigError(key, [], "a list with something in it")
        tasks_of(self.suite, self.only)
        for backend in self.backend:
            check_choice("backend", backend)
        check_choice("device", self.device)
        if set(self.backend) == {"jax"}:
            check_compile(self.compile, "jax")
        for key, most in MOST.items():
            value = getattr(self, key)
            if value is not None and not 1 <= value <= most:
                raise ConfigError(key, value, f"a whole number from 1 to {most:,}")
        if self.first_seed < 0:
            raise ConfigError("first_seed", self.first_seed, "a whole number >= 0")


class Job(NamedTuple):
    """A training, and the folder that it has of its own."""

    task: Task
    config: RunConfig  # all its settings, also those that are the preset's
    arguments: tuple[str, ...]  # of python -m rlpair.train, where it begins

    @property
    def folder(self) -> Path:
        """The run_dir of the training, OUT/ENV/ALGO-BACKEND/seedK."""
        return Path(str(self.config.run_dir))

    @property
    def log(self) -> Path:
        """What it prints, beside its folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def name(self) -> str:
        """For people: CartPole-v1 dqn torch seed 0."""
        return f"{self.config.env} {self.config.algo.name} {self.config.backend} seed {self.config.seed}"

    def is_finished(self) -> bool:
        """Return whether it has its score."""
        return files.is_there(RunDir(self.folder).result)

    def command(self) -> list[str]:
        """Return the arguments of train: those that begin it, or go on from its last checkpoint."""
        return [f"resume={self.folder}"] if self._has_checkpoint() else list(self.arguments)

    def clear(self) -> None:
        """Remove the best agent of a run that was killed before its first checkpoint: nothing goes on from it."""
        if files.is_folder(checkpoints := RunDir(self.folder).checkpoints) and not self._has_checkpoint():
            for best in settled_folders(checkpoints).values():
                remove_own(best)

    def _has_checkpoint(self) -> bool:
        try:
            find_step(self.folder)
        except CheckpointError:
            return False
        return True


def jobs_of(config: BenchmarkConfig) -> list[Job]:
    """Return all jobs, seed by seed, so that each number of seeds is complete as early as it can be.

    Raises:
        ConfigError: there are too few steps to learn in, or the folder has runs of other settings.
    """
    tasks, backends = tasks_of(config.suite, config.only), tuple(dict.fromkeys(config.backend))
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    jobs = [job_of(config, *point) for point in itertools.product(seeds, tasks, backends)]
    for job in jobs:
        check_saved(job, config.out)
    return jobs


def job_of(config: BenchmarkConfig, seed: int, task: Task, backend: str) -> Job:
    """Return one job. Raises ConfigError where it is over before it learns."""
    steps, folder = config.total_env_steps or task.total_env_steps, task.env.replace("/", "-")
    own: dict[str, Any] = {
        "algo": task.algo,
        "backend": backend,
        "env": task.env,
        "seed": seed,
        "device": config.device,
        "total_timesteps": steps,
        "eval_every": max(1, steps // EVALUATIONS),
        "eval_episodes": EPISODES,
        "checkpoint_every": max(1, min(defaults(task.algo, task.env)["checkpoint_every"], steps // CHECKPOINTS)),
        **({"compile": True} if config.compile and backend == "torch" else {}),
        **task.settings,
        "run_dir": f"{config.out}/{folder}/{task.algo}-{backend}/seed{seed}",
    }
    pairs: list[Pair] = [(key, written(value)) for key, value in own.items()]
    try:
        whole = resolve_config(*resolve(pairs, RunConfig, has_algo=True))
    except ConfigError as error:
        if error.key != "algo.learning_starts":
            raise
        least = f"more than the {error.value:,} steps before {task.env} begins to learn"
        raise ConfigError("total_env_steps", steps, least) from error
    return Job(task, whole, tuple(f"{key}={text}" for key, text in pairs))


def check_saved(job: Job, out: str) -> None:
    """Raise ConfigError where the job's folder has a run of other settings: its score would be of another job."""
    if files.is_there(RunDir(job.folder).config):
        check_same(job, flat(load_config(job.folder).to_dict()), str(job.folder), out)


def check_results(jobs: Sequence[Job], results: Results, out: str) -> None:
    """Raise ConfigError where results.json has a run like one of the jobs, of any seed, but of other settings.

    Its folder may be gone, but all seeds of a task make one row.
    """
    for job in {(job.config.env, job.config.backend): job for job in jobs}.values():
        for run in results["runs"]:
            alike = (run["env"], run["backend"], run["env_steps"])
            if alike == (job.config.env, job.config.backend, job.config.total_timesteps):
                check_same(job, run["settings"], f"{JSON}, seed {run['seed']}", out)


def check_same(job: Job, saved: Mapping[str, Any], where: str, out: str) -> None:
    """Raise ConfigError where a job has other settings than a run of its kind that is there."""
    for key, value in flat(replace(job.config, run_dir=None).to_dict()).items():
        there = saved.get(key, value)  # what an earlier version did not know
        there = tuple(there) if isinstance(there, list) else there
        if key not in ("run_dir", "seed") and there != value:
            allowed = f"one whose runs have these settings: {where} has {key}={written(there)}, not {written(value)}"
            raise ConfigError("out", out, allowed)
