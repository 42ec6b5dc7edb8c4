"""What the machine has: asked of each framework in a process of its own, and a question that fails is said."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import jax
import numpy as np
import pytest
import torch

import rlpair
from rlpair import DQNConfig, RLPairError
from rlpair.agents import runtime_jax, runtime_torch
from rlpair.compare.grid import CompareConfig, grid, present
from rlpair.memory import host_bytes
from rlpair.system import machine, workers
from rlpair.system.machine import has_gpu
from rlpair.system.workers import peak_memory


@pytest.mark.parametrize("there", [True, False])
def test_both_backends_say_which_setting_comes_to_a_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu" if there else "cpu")
    for runtime in (runtime_torch, runtime_jax):
        assert [runtime.has_gpu(device) for device in ("auto", "cpu", "cuda")] == [there, False, there]


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_framework_is_asked_in_a_process_of_its_own(backend: str) -> None:
    assert has_gpu(backend) == {"torch": runtime_torch, "jax": runtime_jax}[backend].has_gpu("cuda")


def test_a_framework_that_breaks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(RLPairError) as error:
        has_gpu("torch")
    said = (
        "backend=torch could not say whether there is a GPU: OSError: libcudart.so.13: cannot open shared object file"
    )
    assert str(error.value) == said


def test_a_gpu_is_used_by_the_backends_that_find_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(backend: str) -> bool:
        if backend == "jax":
            raise RLPairError("backend=jax could not say whether there is a GPU: RuntimeError: cuInit failed")
        return True

    monkeypatch.setattr("rlpair.compare.grid.has_gpu", answer)
    config = CompareConfig(algo=("dqn",)).filled()
    found = present(config.device, config.backend)
    assert found == {"cpu": ("torch", "jax"), "cuda": ("torch",)}
    assert [{cell.backend for cell in workload} for workload in grid(config, found)] == [{"torch", "jax"}, {"torch"}]
    assert capsys.readouterr().err.splitlines() == [
        "rlpair: backend=jax could not say whether there is a GPU: RuntimeError: cuInit failed",
        "rlpair: device=cuda is skipped in backend=jax: it finds no GPU here",
    ]


@pytest.mark.parametrize("status", [workers.STATUS, Path("no such file")])
def test_the_most_memory_that_a_process_had_is_in_bytes(monkeypatch: pytest.MonkeyPatch, status: Path) -> None:
    monkeypatch.setattr(workers, "STATUS", status)
    assert 2**26 < peak_memory() < host_bytes()  # two frameworks take hundreds of megabytes


def test_the_memory_of_a_process_is_not_that_of_the_one_which_started_it(run_python: Callable[..., str]) -> None:
    ballast = np.ones(2**26)  # half a gigabyte
    code = "from rlpair.system.workers import peak_memory; print(peak_memory())"
    assert int(run_python("-c", code)) < 2**28 < ballast.nbytes


def test_what_the_user_has_set_for_jax_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax.config, "update", lambda name, value: None)
    preallocate = "XLA_PYTHON_CLIENT_PREALLOCATE"
    for nproc, threads in ((None, "1 thread"), ("3", "3 threads")):
        for name, value in (("NPROC", nproc), (preallocate, nproc and "true")):
            monkeypatch.setenv(name, "")
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
        told = runtime_jax.configure(DQNConfig(), "cpu")
        assert told == f"jax computes with {threads} (NPROC); {preallocate}={'true' if nproc else 'false'}"


def test_versions_are_told_of_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_installed(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(machine, "version", none_installed)
    assert machine.versions() == {"python": platform.python_version(), "rlpair": rlpair.__version__}
