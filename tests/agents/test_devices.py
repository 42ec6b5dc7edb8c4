"""What branches on the device, as far as a machine without a GPU shows it: stand-ins, and virtual devices of a CPU."""

import sys
import warnings
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import jax
import pytest
import torch

from rlpair import DQNConfig, EnvSpec, make_agent
from rlpair.agents import agent_torch, runtime_jax
from rlpair.algos import compile_torch, optimizers_torch
from rlpair.config import RunConfig
from rlpair.loops import seeds_jax
from rlpair.runs import host_run

GIB = 2**30
TWO_ACTIONS = EnvSpec((3,), "float32", True, 2)

SHARDED = """
import sys
import jax, numpy as np
from rlpair import DQNConfig, SACConfig
from rlpair.config import RunConfig
from rlpair.parity import errors
from rlpair.loops.seeds_jax import Seeds

# Once, XLA's reduction over these devices waited for a thread that never came. That it was held by another program in
# flight is a guess. A run has one device of a CPU in each process, and nothing to reduce.
jax.config.update("jax_cpu_enable_async_dispatch", False)
small = {"net_arch": (16,), "batch_size": 8, "learning_starts": 50, "buffer_size": 100}
algo, env = {"dqn": (DQNConfig(**small), "CartPole-v1"), "sac": (SACConfig(**small), "Pendulum-v1")}[sys.argv[1]]
config = RunConfig(algo=algo, env=env, mode="fused", num_seeds=4, device="cpu", total_timesteps=400, eval_episodes=1)
one, four = (Seeds(config, range(4), "float64", jax.devices()[:count]) for count in (1, 4))
told = [seeds.run(0, 160) for seeds in (one, four)]
assert max(errors(told[0].metrics, told[1].metrics).values()) < 1e-9
assert (told[0].episodes == told[1].episodes).all()
four.load(four.save(True))
assert all(x.addressable_shards[0].data.shape[0] == 1 for x in jax.tree.leaves(four._state))
for mine, its in zip(*(seeds.save(True) for seeds in (one, four)), strict=True):
    assert max(errors(mine.agent, its.agent).values()) < 1e-9
np.testing.assert_allclose(*(seeds.evaluate(7)[0] for seeds in (one, four)), rtol=1e-5)
with jax.enable_x64(True):
    program = four._run.lower(four._state, np.int32(0), np.int32(9)).compile().as_text()
assert "all-" not in program and "collective" not in program, "the devices have nothing to tell each other"
uneven = Seeds(config, range(3), devices=jax.devices())
assert all(len(x.sharding.device_set) == 1 for x in jax.tree.leaves(uneven._state))
"""


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["dqn", "sac"])
def test_seeds_spread_over_four_devices_are_those_of_one(
    run_python: Any, monkeypatch: pytest.MonkeyPatch, algo: str
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    run_python("-c", SHARDED, algo)


def gpu(limit: int | None) -> Any:
    """What memory_of sees of a device."""
    return SimpleNamespace(platform="gpu", memory_stats=lambda: None if limit is None else {"bytes_limit": limit})


def test_memory_of_gpus_is_that_of_the_smallest_times_their_number() -> None:
    assert seeds_jax.memory_of([gpu(3 * GIB)]) == 3 * GIB
    assert seeds_jax.memory_of([gpu(GIB), gpu(2 * GIB)]) == 2 * GIB
    assert seeds_jax.memory_of([gpu(None)]) == sys.maxsize  # not known: nothing is refused


def test_many_seeds_are_for_all_gpus_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = gpu(GIB), gpu(GIB)
    monkeypatch.setattr(jax, "devices", lambda kind: {"gpu": [first, second]}[kind])
    monkeypatch.setattr(seeds_jax, "find_device", lambda device: first)
    assert seeds_jax.find_devices("auto") == [first, second]
    one: Any = SimpleNamespace(platform="cpu")
    monkeypatch.setattr(seeds_jax, "find_device", lambda device: one)
    assert seeds_jax.find_devices("cpu") == [one]


@pytest.mark.parametrize(("statistics", "taken"), [({"peak_bytes_in_use": 7}, 7), ({}, None), (None, None)])
def test_memory_of_a_gpu_is_told_where_it_is_known(
    monkeypatch: pytest.MonkeyPatch, statistics: Any, taken: int | None
) -> None:
    monkeypatch.setattr(jax, "devices", lambda kind: [SimpleNamespace(memory_stats=lambda: statistics)])
    assert runtime_jax.device_memory("cuda") == taken
    assert runtime_jax.device_memory("cpu") is None


@pytest.mark.parametrize(
    ("is_there", "device", "found"),
    [
        (True, "auto", "cuda"),
        (True, "cuda", "cuda"),
        (True, "cpu", "cpu"),
        (False, "auto", "cpu"),
        (False, "cpu", "cpu"),
    ],
)
def test_torch_takes_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, device: str, found: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    assert agent_torch.find_device(device) == torch.device(found)


@pytest.mark.parametrize(("kind", "waits"), [("cuda", 1), ("cpu", 0)])
def test_torch_waits_for_the_gpu(kind: str, waits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an update's time is that of its launch."""
    agent: Any = make_agent("dqn", backend="torch", env=TWO_ACTIONS, config=DQNConfig(net_arch=(4,)), device="cpu")
    agent.device, waited = SimpleNamespace(type=kind), list[Any]()
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    agent.synchronize()
    assert waited == [agent.device] * waits


def test_jax_waits_for_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    agent: Any = make_agent("dqn", backend="jax", env=TWO_ACTIONS, config=DQNConfig(net_arch=(4,)), device="cpu")
    waited = list[Any]()
    monkeypatch.setattr(jax, "block_until_ready", lambda arrays: waited.extend(jax.tree.leaves(arrays)))
    agent.synchronize()
    assert {id(x) for x in jax.tree.leaves(agent._packed)} <= {id(x) for x in waited}


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_compiled_update_is_recorded_on_a_gpu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[Any]()
    monkeypatch.setattr(torch, "compile", lambda function, **options: told.append(options["options"]) or function)
    monkeypatch.setattr(compile_torch, "check_compiler", lambda: None)
    monkeypatch.setattr(compile_torch, "with_own_code", lambda update: update)
    monkeypatch.setattr(compile_torch, "counting", lambda program, device: program)
    monkeypatch.setattr(compile_torch, "silent_on_tf32", lambda program: program)
    monkeypatch.setattr(compile_torch, "Recorded", lambda program, state: ("recorded", program, state))
    update: Any = object()
    device: Any = SimpleNamespace(type=kind)
    found: Any = compile_torch.compiled(update, [torch.zeros(1)], device)
    expected = {"cpu": (update, compile_torch.CPU_OPTIONS), "cuda": (("recorded", update, [torch.zeros(1)]), None)}
    assert (found, *told) == expected[kind]


@pytest.mark.parametrize(("device", "platforms"), [("cpu", "cpu"), ("auto", None)])
def test_a_jax_process_on_the_cpu_leaves_gpus_alone(
    run_python: Any, monkeypatch: pytest.MonkeyPatch, device: str, platforms: str | None
) -> None:
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    configure = f"import jax, rlpair, rlpair.make as m; m.configure_process('jax', rlpair.DQNConfig(), '{device}')"
    assert run_python("-c", f"{configure}; print(jax.config.jax_platforms)") == f"{platforms}\n"


@pytest.mark.parametrize(
    ("device", "dtype", "chosen"),
    [
        ("cpu", torch.float64, "adam_by_kernel"),
        ("cuda", torch.float32, "adam_by_kernel"),
        ("cuda", torch.float64, "adam_by_formula"),
    ],
)
def test_adams_kernel_is_taken_where_it_reads_all_of_the_learning_rate(
    monkeypatch: pytest.MonkeyPatch, device: str, dtype: torch.dtype, chosen: str
) -> None:
    called = []
    for name in ("adam_by_kernel", "adam_by_formula"):
        monkeypatch.setattr(optimizers_torch, name, lambda *_, name=name: called.append(name))
    params: Any = SimpleNamespace(device=torch.device(device))
    optimizers_torch.adam(params, params, {}, torch.tensor(0.1, dtype=dtype))
    assert called == [chosen]


@pytest.mark.parametrize(
    ("its_rng", "compile", "said"),
    [("rng.torch.cuda", False, True), ("rng.torch.cuda", True, False), ("rng.torch.cpu", False, False)],
)
def test_a_run_of_eager_torch_on_a_gpu_says_what_compiling_gains(
    its_rng: str, compile: bool, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(*args: Any, **options: Any) -> Any:
        agent = make_agent(*args, **options | {"compile": False})
        agent.rng_name = its_rng
        return agent

    monkeypatch.setattr(host_run, "make_agent", make)
    config = RunConfig(algo=DQNConfig(net_arch=(8,)), env="CartPole-v1", backend="torch", compile=compile)
    with ExitStack() as stack:
        host_run.HostRun(config, "", stack)
    line = "rlpair: torch spends an update on a GPU on launching kernels: compile=true makes it about ten times as fast"
    assert capsys.readouterr().err.splitlines() == [line] * said


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_the_compilers_advice_to_use_tf32_is_kept_to_itself(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its program is recorded, on a GPU; other warnings are heard."""

    def advising(*_: Any) -> Any:
        warnings.warn("TensorFloat32 tensor cores for float32 available but not enabled.", UserWarning, stacklevel=2)
        warnings.warn("another", UserWarning, stacklevel=2)

    monkeypatch.setattr(torch, "compile", lambda *_, **__: advising)
    monkeypatch.setattr(compile_torch, "check_compiler", lambda: None)
    monkeypatch.setattr(compile_torch, "Recorded", lambda program, _: program)
    monkeypatch.setattr(compile_torch, "counting", lambda program, _: program)
    program = compile_torch.compiled(advising, [], torch.device(kind))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        program(None, None, None)
    assert len(heard) == {"cpu": 2, "cuda": 1}[kind]
    assert str(heard[-1].message) == "another"
