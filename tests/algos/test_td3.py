"""TD3 from outside the package (examples/td3.py): what an algorithm gets that registers, in both backends."""

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import td3
import torch
from devices import DEVICE, agent_of
from parity_cases import assert_close
from specs import BOX

import rlpair
from rlpair import LoopConfig, evaluate_agent, load_agent, make_agent, run
from rlpair.algos import registry
from rlpair.algos.registry import find
from rlpair.errors import CheckpointError, ConfigError, EnvError
from rlpair.make import configure_process
from rlpair.parity import FLOAT64, Case, data, row, without_rng
from rlpair.runs.run_dir import go_on

EXAMPLES = Path(__file__).parents[2] / "examples"
BACKENDS = ("torch", "jax")
CASE = Case(td3.TD3Config(net_arch=(16, 8), policy_delay=3, max_grad_norm=0.5), BOX, 0, 16, True, True)
PROSE = re.search("^Then `(algo=NAME:NAME)` is known", (EXAMPLES.parent / "CONTRIBUTING.md").read_text(), re.MULTILINE)
assert PROSE
ALGO = PROSE[1].replace("NAME", "td3")  # as it is pasted from there
SHORT = [ALGO, "algo.net_arch=[8]", "algo.batch_size=8", "algo.buffer_size=400", "algo.learning_starts=20"]
SHORT += ["eval_every=0", "eval_episodes=2", "checkpoint_every=100"]
RECORD = registry._algorithms.pop("td3")  # which importing it has registered: other tests know of two algorithms


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the tests of this file alone."""
    monkeypatch.setitem(registry._algorithms, "td3", RECORD)


def test_it_is_short() -> None:
    files = [EXAMPLES / name for name in ("td3.py", "td3_torch.py", "td3_jax.py")]
    assert sum(len(file.read_text().splitlines()) for file in files) < 250


def test_its_settings_are_those_that_pendulum_has_for_all_algorithms() -> None:
    assert rlpair.preset("td3", "Pendulum-v1").config == td3.TD3Config(learning_starts=1000)


# The twins


@pytest.mark.parametrize("updates", [1, 100])
def test_the_twins_are_equal(updates: int) -> None:
    batch, noise = data(CASE, updates)
    assert len(noise) == 1
    twins = [agent_of(CASE, backend) for backend in BACKENDS]
    infos = [agent.update(batch, noise=noise) for agent in twins]
    assert_close(*(without_rng(agent.state_dict()) for agent in twins), FLOAT64)
    assert_close(*({tag: np.asarray(x) for tag, x in info.metrics.items()} for info in infos), FLOAT64)


def test_exploring_actions_are_equal() -> None:
    twins = [agent_of(CASE, backend) for backend in BACKENDS]
    obs, noise = data(CASE, 1)[0].obs[0], twins[0].act_noise(16)
    ours, theirs = (agent.act(obs, noise=noise) for agent in twins)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_the_delayed_actor_compiles() -> None:
    """Into one graph, whatever the number of the update."""
    batch, noise = data(CASE, 7)
    options: dict[str, Any] = {"env": BOX, "config": CASE.config, "dtype": "float64", "device": DEVICE}
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        agents = [make_agent("td3", backend="torch", compile=compile, **options) for compile in (True, False)]
        for u in range(7):
            for agent in agents:
                agent.update(row(batch, noise, u)[0], noise=row(batch, noise, u)[1])
            assert_close(*(without_rng(agent.state_dict()) for agent in agents), FLOAT64)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] - before == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_actor_and_targets_follow_every_policy_delay_updates(backend: str) -> None:
    agent = agent_of(CASE, backend)
    batch, noise = data(CASE, 6)
    changed = []
    for u in range(6):
        before = agent.state_dict()
        one, its_noise = row(batch, noise, u)
        agent.update(one, noise=its_noise)
        after = agent.state_dict()
        names = ("actor.0.0.weight", "target_actor.0.0.weight", "target_critic.1.0.weight", "critic.1.0.weight")
        changed.append([not np.array_equal(before[name], after[name]) for name in names])
    assert changed == [[False, False, False, True], [False, False, False, True], [True] * 4] * 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_target_is_smoothed_within_its_clip(backend: str) -> None:
    """By hand, one update from networks that are 0 but for the target actor: its action is what noise_clip lets be."""
    config = td3.TD3Config(net_arch=(2,), target_noise=1.0, noise_clip=0.25, gamma=1.0)
    agent = make_agent("td3", backend=backend, env=BOX, config=config, dtype="float64")
    state = {n: np.zeros_like(x) if n.partition(".")[0] != "rng" else x for n, x in agent.state_dict().items()}
    for critic in range(2):  # Q'(s, a) = relu(a_0 + 1) + critic
        state[f"target_critic.{critic}.0.weight"][3, 0] = state[f"target_critic.{critic}.1.weight"][0, 0] = 1
        state[f"target_critic.{critic}.0.bias"][0], state[f"target_critic.{critic}.1.bias"][0] = 1, critic
    agent.load_state_dict(state)
    obs, action = np.zeros((3, 3), np.float32), np.zeros((3, 2), np.float32)
    batch = rlpair.Transition(obs, action, np.ones(3, np.float32), obs, np.array([0, 0, 1], np.float32))
    info = agent.update(batch, noise=(np.array([[0.125, 0], [-3, 0], [3, 0]]),))
    np.testing.assert_allclose(np.asarray(info.td_error), [2.125, 1.75, 1.0], rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_explores_around_what_it_thinks_best(backend: str) -> None:
    agent = make_agent("td3", backend=backend, env=BOX, config=td3.TD3Config(net_arch=(8,)))
    obs = np.zeros((2000, 3), np.float32)
    best, tried = agent.act(obs, explore=False), agent.act(obs)
    off = (tried - best) / [2, 0.5]  # of the box's half
    assert np.all(abs(off.std(axis=0) - 0.1) < 0.01)
    assert np.all(abs(off.mean(axis=0)) < 0.015)


# What it gets: checkpoints that cross, the command, resume, many seeds, parity, compare


def test_a_checkpoint_crosses() -> None:
    batch, noise = data(CASE, 20)
    begun = agent_of(CASE, "torch")
    begun.update(batch, noise=noise)
    begun.save("half")
    crossed = load_agent("half", backend="jax")
    assert (crossed.config, crossed.num_updates) == (CASE.config, 20)
    for agent in (begun, crossed):
        agent.update(batch, noise=noise)
    assert_close(*(without_rng(agent.state_dict()) for agent in (begun, crossed)), FLOAT64)


def rlpair_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process that knows nothing of td3 but the folder of the examples."""
    line = [sys.executable, "-W", "error", "-m", *arguments]
    environment = os.environ | {"PYTHONPATH": f"{EXAMPLES.parent}:{EXAMPLES}"}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_command_trains_resumes_and_evaluates(
    backend: str, command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_dir, steps in (("whole", 200), ("half", 100)):
        code, out, err = command(
            "train", *SHORT, f"backend={backend}", f"total_timesteps={steps}", f"run_dir={run_dir}"
        )
        assert (code, out[:4]) == (0, "td3 "), err
    with monkeypatch.context() as patch:
        patch.delitem(registry._algorithms, "td3")
        line = "rlpair: half/config.yaml: algo.name='td3' is not allowed: one of dqn, sac\n"
        assert command("train", "resume=half", "total_timesteps=200") == (2, "", line)
    code, _, err = command("train", ALGO, "resume=half", "total_timesteps=200")
    assert code == 0, err
    for name in ("agent.safetensors", "replay.safetensors"):
        assert Path(f"half/checkpoints/step_200/{name}").read_bytes() == (
            Path(f"whole/checkpoints/step_200/{name}").read_bytes()
        )
    code, out, err = command("evaluate", ALGO, "run_dir=half", "episodes=1")
    assert (code, out.splitlines()[0]) == (0, f"Pendulum-v1, td3 in {backend}, last checkpoint of half"), err


def test_what_goes_on_names_the_module_that_the_user_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_addresses", {})
    again = "go on with: python -m rlpair.train"
    assert go_on(Path("a run"), "td3") == f"{again} 'resume=a run'"
    find("td3:td3")
    assert go_on(Path("a run"), "td3") == f"{again} algo=td3:td3 'resume=a run'"
    assert go_on(Path("run"), "dqn") == f"{again} resume=run"


@pytest.mark.slow
def test_many_seeds_train_in_the_fused_loop() -> None:
    fused = ["mode=fused", "num_seeds=3", "backend=jax", "total_timesteps=100", "run_dir=fused"]
    ran = rlpair_command("rlpair.train", *SHORT, *fused)
    assert ran.returncode == 0, ran.stderr
    header = json.loads(Path("fused/checkpoints/step_100/seed_2/agent.json").read_text())
    assert (header["algo"], header["seed"]) == ("td3", 2)


@pytest.mark.slow
def test_it_stands_in_parity() -> None:
    ran = rlpair_command("rlpair.parity", "algo=[td3:td3]", "seeds=1", "updates=3", "batch_size=4")
    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stdout.splitlines() if line.startswith("## ")] == ["## TD3, cpu"]


@pytest.mark.slow
def test_it_stands_in_compare() -> None:
    modes = ["mode=[eager,host,fused]", "net_arch=[[8]]", "repeats=1", "seconds=0.2", "device=[cpu]", "out=compared"]
    ran = rlpair_command("rlpair.compare", "algo=[td3:td3]", *modes)
    for variant in ("torch eager", "jax host", "jax fused"):  # eight units learn nothing, and compare says so
        what = f"td3:td3 Pendulum-v1, 1 env, batch 256, 8, cpu: {variant}"
        assert re.search(rf"{what}: 1/1 [0-9,]+ env steps/s\n", ran.stderr), ran.stderr
        assert re.search(rf"{what}: return -[0-9.]+, does NOT learn", ran.stderr), ran.stderr
    assert ran.returncode == 1


# What is refused


def test_what_is_no_algorithm() -> None:
    for name, line in (
        ("ppo", "algo='ppo' is not allowed: one of dqn, sac, td3"),
        ("no_such_module:td3", "algo='no_such_module:td3' is not allowed: there is no module no_such_module"),
    ):
        with pytest.raises(ConfigError) as error:
            find(name)
        assert str(error.value) == line
    with pytest.raises(EnvError) as refused:
        make_agent("td3", backend="jax", env="CartPole-v1")
    assert str(refused.value) == ("td3 needs a Box action space and this environment has a Discrete one: use algo=dqn")


def test_a_file_imports_no_module() -> None:
    agent_of(CASE, "jax").save("agent")
    header = Path("agent/agent.json")
    header.write_text(header.read_text().replace('"algo": "td3"', '"algo": "td3:td3"'))
    with pytest.raises(CheckpointError) as error:
        load_agent("agent")
    assert str(error.value) == "agent/agent.json: algo='td3:td3' is not allowed: one of dqn, sac, td3"


# It learns


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_learns_pendulum(backend: str) -> None:
    """With small networks and targets that follow fast: of seeds 1 to 5 in JAX each got -159 to -164."""
    config: Any = td3.TD3Config(net_arch=(64, 64), batch_size=128, gamma=0.95, tau=0.02, learning_starts=500)
    configure_process(backend, config)
    agent = make_agent("td3", backend=backend, env="Pendulum-v1", config=config, seed=1)
    for _ in run(agent, "Pendulum-v1", LoopConfig(total_timesteps=8_000, seed=1)):
        pass
    assert evaluate_agent(agent, "Pendulum-v1", 20).returns.mean() >= -200  # at random -1,200
