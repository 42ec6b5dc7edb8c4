"""scripts/cluster.py: the jobs of a benchmark as jobs of Hydra, one after the other and on a cluster of two nodes."""

import importlib
import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "cluster.py"
sys.path.append(str(SCRIPT.parent))

import cluster  # noqa: E402

from rlpair.errors import ConfigError, RLPairError  # noqa: E402
from rlpair.runs import processes  # noqa: E402


def arguments(out: Path) -> str:
    """Of the benchmark."""
    return f"only=CartPole backend=[jax] seeds=2 total_env_steps=2000 out={out}"


def call(benchmark: str, job: int | None = None) -> None:
    """What Hydra does of one job."""
    cluster.main.__wrapped__(OmegaConf.structured(cluster.ClusterConfig(benchmark=benchmark, job=job)))


def paste(line: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """A command as it stands in a document or was printed, by this interpreter and from any folder."""
    python, script, *words = shlex.split(line)
    assert (python, script) == ("python", "scripts/cluster.py")
    return subprocess.run([sys.executable, SCRIPT, *words, *more], capture_output=True, text=True, check=False)


def test_the_command_of_the_document_says_which_jobs_there_are_and_writes_nothing(own_folder: Path) -> None:
    page = (ROOT / "docs" / "benchmark_suites.md").read_text()
    ran = paste(re.findall(r"^python scripts/cluster.*$", page, re.MULTILINE)[0])
    assert ran.returncode == 0, ran.stderr
    first, *others, line = ran.stdout.splitlines()
    assert (first, len(others)) == ("0: HalfCheetah-v5 sac torch seed 0", 79)
    *_, benchmark, numbers = shlex.split(line)
    assert (benchmark, numbers) == ('benchmark="suite=mujoco seeds=5 out=/shared/mujoco"', "job=range(0,80)")
    assert not list(own_folder.iterdir())


def test_a_job_that_is_finished_is_said(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = own_folder / "o/CartPole-v1/dqn-jax/seed0"
    first.mkdir(parents=True)
    (first / "result.json").touch()
    call(arguments(own_folder / "o"))
    assert capsys.readouterr().out.splitlines()[:2] == [
        "0: CartPole-v1 dqn jax seed 0, finished",
        "1: CartPole-v1 dqn jax seed 1",
    ]


@pytest.mark.parametrize(
    ("benchmark", "line"),
    [
        (
            "only=CartPole out=here",
            "out='here' is not allowed: the whole path of a folder that all nodes see, such as /shared/mujoco",
        ),
        ("suite=none out=/o", "suite='none' is not allowed: one of classic, box2d, mujoco, minatar, atari"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_nothing_is_written(
    benchmark: str, line: str, own_folder: Path
) -> None:
    ran = paste(f"python scripts/cluster.py 'benchmark=\"{benchmark}\"'")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"rlpair: {line}\n")
    assert not list(own_folder.iterdir())


@pytest.mark.parametrize("job", [-1, 2])
def test_a_job_that_there_is_not_is_refused(job: int, own_folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        call(arguments(own_folder / "o"), job)
    assert str(error.value) == f"job={job} is not allowed: a whole number from 0 to 1"


def test_a_job_that_fails_is_an_error(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TRAIN", (sys.executable, "-c", "import sys; sys.exit('rlpair: no')"))
    log = own_folder / "o/CartPole-v1/dqn-jax/seed1.log"
    with pytest.raises(RLPairError) as error:
        call(arguments(own_folder / "o"), 1)
    assert str(error.value) == f"CartPole-v1 dqn jax seed 1 failed: no (all that it said: {log})"


def launch(folder: Path, launcher: str, *more: str) -> None:
    """Paste what is printed, with another launcher; then the benchmark has nothing to train any more."""
    line = paste(f"python scripts/cluster.py 'benchmark=\"{arguments(folder)}\"'").stdout.splitlines()[-1]
    assert "hydra/launcher=ray " in line
    ran = paste(line.replace("hydra/launcher=ray ", f"hydra/launcher={launcher} "), *more)
    assert ran.returncode == 0, ran.stderr
    collect = [sys.executable, "-m", "rlpair.benchmark", *arguments(folder).split()]
    ran = subprocess.run(collect, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((folder / "results.json").read_text())
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["sessions"] == []  # of calls that trained


@pytest.mark.slow
def test_hydra_trains_them_and_the_benchmark_collects(own_folder: Path) -> None:
    launch(own_folder / "o", "basic")


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Ray of two nodes here, of one core each: its address."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="not installed; .ci/run has it")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        nodes = importlib.import_module("ray.cluster_utils").Cluster()
        try:
            for _ in range(2):
                nodes.add_node(num_cpus=1, object_store_memory=10**8, include_dashboard=False)
            yield nodes.address
        finally:
            nodes.shutdown()


@pytest.mark.slow
def test_a_cluster_of_two_nodes_trains_them_side_by_side(own_folder: Path, two_nodes: str) -> None:
    there = [f"hydra.launcher.ray.init.address={two_nodes}", "+hydra.launcher.ray.init.object_store_memory=null"]
    launch(own_folder / "o", "ray", *there)
    folders = [own_folder / f"o/CartPole-v1/dqn-jax/seed{seed}" for seed in (0, 1)]
    began = max((folder / "config.yaml").stat().st_mtime for folder in folders)
    assert began < min((folder / "result.json").stat().st_mtime for folder in folders)
