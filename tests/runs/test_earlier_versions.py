"""What earlier versions wrote is read, and a run goes on as it would have gone on in the version that began it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rlpair import DQNConfig, EnvSpec, load_agent, make_agent

DATA = Path(__file__).parents[1] / "data" / "4b97476"
RUNS = ["dqn-torch", "dqn-jax", "sac-torch", "sac-jax"]
Call = Callable[..., tuple[int, str, str]]


def equal(found: Path, expected: Path) -> None:
    """Bit for bit where they were written; other processors and versions of the frameworks round otherwise."""
    states = load_file(found), load_file(expected)
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        np.testing.assert_allclose(array, states[1][name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_of_4b97476_goes_on_as_it_did_there(run: str, command: Call) -> None:
    shutil.copytree(DATA / run, "run")
    assert command("train", "resume=run", "total_timesteps=160")[0] == 0
    equal(Path("run/checkpoints/step_160/agent.safetensors"), DATA / f"{run}-later.safetensors")
    assert [line.split(",")[0] for line in Path("run/metrics.jsonl").read_text().splitlines()] == [
        f'{{"env_steps": {step}'
        for step in (40, 80, 120, 160, 160)  # the last: the final score
    ]


@pytest.mark.slow
def test_a_fused_run_of_4b97476_goes_on_as_it_did_there(command: Call) -> None:
    shutil.copytree(DATA / "dqn-fused", "run")
    assert command("train", "resume=run", "total_timesteps=256")[0] == 0
    for seed in (3, 4):
        found = Path(f"run/checkpoints/step_256/seed_{seed}/agent.safetensors")
        equal(found, DATA / f"dqn-fused-later-seed_{seed}.safetensors")


@pytest.mark.parametrize(
    ("run", "action"),
    [
        ("dqn-torch", 0),
        ("dqn-jax", 0),
        ("sac-torch", [0.01686168]),
        ("sac-jax", [-0.03879869]),
        ("dqn-fused/checkpoints/step_128/seed_3", 0),
    ],
)
def test_a_checkpoint_of_4b97476_acts_as_it_did_there(run: str, action: float | list[float]) -> None:
    agent = load_agent(DATA / run)
    obs = np.linspace(-0.1, 0.2, agent.spec.obs_shape[0], dtype=np.float32)
    np.testing.assert_allclose(agent.act(obs, explore=False), action, rtol=1e-4)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_an_agent_of_images_from_before_encoders_has_none(backend: str) -> None:
    spec = EnvSpec((40, 40, 3), "uint8", True, 2)
    make_agent("dqn", backend=backend, env=spec, config=DQNConfig(net_arch=(8,), encoder="none")).save("agent")
    header = json.loads(Path("agent/agent.json").read_text())
    assert header["config"].pop("encoder") == "none"
    Path("agent/agent.json").write_text(json.dumps(header))
    agent = load_agent("agent")
    assert agent.config.encoder == "none"
    assert agent.state_dict()["q.0.0.weight"].shape == (4800, 8)


def test_the_other_commands_read_a_run_of_4b97476(command: Call) -> None:
    shutil.copytree(DATA / "sac-jax", "run")
    assert command("evaluate", "run_dir=run", "episodes=1")[0] == 0
    code, out, _ = command("plot", "run", "out=curve.png")
    assert code == 0, out
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
