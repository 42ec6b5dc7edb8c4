"""scripts/cluster.py: the jobs of a benchmark as jobs of Hydra, one after the other and on a cluster of two nodes."""

import importlib
import json
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
    cluster.main.__wrapped__(OmegaConf.structured(cluster.ClusterConfig(benchmark, job)))


def test_it_says_which_jobs_there_are_and_the_command_for_all(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = own_folder / "o/CartPole-v1/dqn-jax/seed0"
    first.mkdir(parents=True)
    (first / "result.json").touch()
    call(arguments(own_folder / "o"))
    one, other, line = capsys.readouterr().out.splitlines()
    assert [one, other] == ["0: CartPole-v1 dqn jax seed 0, finished", "1: CartPole-v1 dqn jax seed 1"]
    *words, benchmark, numbers = shlex.split(line)
    assert words == ["python", "scripts/cluster.py", "-m", "hydra/launcher=ray"]
    assert (benchmark, numbers) == (f'benchmark="{arguments(own_folder / "o")}"', "job=range(0,2)")


def test_a_folder_that_each_node_would_look_for_elsewhere_is_refused() -> None:
    allowed = "the whole path of a folder that all nodes see, such as /shared/mujoco"
    with pytest.raises(ConfigError) as error:
        call("only=CartPole out=here")
    assert str(error.value) == f"out='here' is not allowed: {allowed}"


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


def launch(folder: Path, *more: str) -> None:
    """Both jobs, by Hydra, and then the benchmark, which has nothing to train any more."""
    line = [sys.executable, str(SCRIPT), "-m", *more, f'benchmark="{arguments(folder)}"', "job=range(0,2)"]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    collect = [sys.executable, "-m", "rlpair.benchmark", *arguments(folder).split()]
    ran = subprocess.run(collect, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((folder / "results.json").read_text())
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["sessions"] == []  # of calls that trained


@pytest.mark.slow
def test_hydra_trains_them_and_the_benchmark_collects(own_folder: Path) -> None:
    launch(own_folder / "o")


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
    launch(own_folder / "o", "hydra/launcher=ray", *there)
    folders = [own_folder / f"o/CartPole-v1/dqn-jax/seed{seed}" for seed in (0, 1)]
    began = max((folder / "config.yaml").stat().st_mtime for folder in folders)
    assert began < min((folder / "result.json").stat().st_mtime for folder in folders)
