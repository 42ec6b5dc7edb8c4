"""Which processes train the seeds of a fused run, and on which cores."""

from contextlib import ExitStack
from typing import Any

import pytest

from rlpair import DQNConfig, EnvSpec
from rlpair.config import RunConfig
from rlpair.loops import fused
from rlpair.runs import run as run_module


class Asked:
    """Takes the place of Workers: keeps what it is to start."""

    def __init__(self, make: Any, arguments: list[Any], cores: list[set[int]]) -> None:
        self.make, self.seeds, self.cores = make, [seeds for _, seeds in arguments], cores


@pytest.mark.parametrize(
    ("num_seeds", "gpu", "seeds", "cores"),
    [
        (1, False, [range(5, 6)], [{0, 1, 2}]),
        (2, False, [range(5, 6), range(6, 7)], [{0, 2}, {1}]),
        (7, False, [range(5, 7), range(7, 9), range(9, 12)], [{0}, {1}, {2}]),
        (7, True, [range(5, 12)], [{0, 1, 2}]),
    ],
)
def test_one_process_a_core_and_one_for_a_gpu(
    num_seeds: int, gpu: bool, seeds: list[range], cores: list[set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Runtime:
        has_gpu = staticmethod(lambda device: gpu)

    configured = list[str]()
    monkeypatch.setattr(fused, "Workers", Asked)
    monkeypatch.setattr(fused, "usable_cores", lambda: {0, 1, 2})
    monkeypatch.setattr(fused, "configure_process", lambda backend, *rest: configured.append(backend))
    monkeypatch.setattr(fused, "backend_module", lambda name, backend: Runtime)
    config = RunConfig(algo=DQNConfig(), env="CartPole-v1", mode="fused", num_seeds=num_seeds, seed=5)
    made: Any = fused.make_workers(config)
    assert made.make is fused.make_seeds
    assert made.seeds == seeds
    assert [set(share) for share in made.cores] == cores
    assert configured == ["jax"]


def test_a_process_configures_its_framework_and_dispatches_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[Any]()

    class Module:
        dispatch_ahead = staticmethod(lambda: told.append("ahead"))
        Seeds = staticmethod(lambda config, seeds: told.append(seeds))

    monkeypatch.setattr(fused, "configure_process", lambda *given: told.append(given))
    monkeypatch.setattr(fused, "backend_module", lambda name, backend: Module)
    config = RunConfig(algo=DQNConfig(), env="CartPole-v1", mode="fused", device="cpu")
    fused.make_seeds(config, range(3))
    assert told == [("jax", config.algo, "cpu"), "ahead", range(3)]


def test_the_processes_end_with_their_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a program that trains one run after the other would have more and more of them."""
    told = list[str]()

    class Held:
        def call(self, method: str) -> list[Any]:
            told.append(method)
            return [EnvSpec((2,), "float32", True, 2)]

        def close(self) -> None:
            told.append("close")

    monkeypatch.setattr(run_module, "configure_process", lambda *given: "what is set")
    monkeypatch.setattr(run_module, "make_workers", lambda config: Held())
    config = RunConfig(algo=DQNConfig(), env="CartPole-v1", mode="fused", num_seeds=2)
    with ExitStack() as stack:
        assert run_module.make_run(config, stack).settings == "what is set"
        assert told == ["get_spec"]
    assert told == ["get_spec", "close"]
