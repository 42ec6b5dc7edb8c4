"""Checkpoints cross: what one backend saved, the other goes on with; and what no agent can be made of is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices import DEVICE, agent_of
from parity_cases import assert_close
from safetensors.numpy import save_file
from saved import load_checkpoint
from specs import BOX, DISCRETE

from rlpair import DQNConfig, EnvSpec, SACConfig, load_agent
from rlpair.disk.checkpoint import save_checkpoint
from rlpair.errors import CheckpointError
from rlpair.parity import FLOAT64, Case, data, without_rng

BACKENDS = ("torch", "jax")
COMMON: dict[str, Any] = {"net_arch": (16, 8), "learning_rate": 1e-3, "max_grad_norm": 1.0}
CASES = {
    "dqn": Case(DQNConfig(**COMMON, tau=0.3, target_update_interval=7), DISCRETE, 0, 16),
    "double dqn, rmsprop": Case(DQNConfig(**COMMON, double_q=True, optimizer="rmsprop"), DISCRETE, 1, 16),
    "dqn, minatar": Case(DQNConfig(**COMMON, tau=0.3), EnvSpec((3, 4, 1), "uint8", True, 3), 4, 3),
    "sac": Case(SACConfig(**COMMON), BOX, 2, 16),
    "sac, minatar": Case(
        SACConfig(**COMMON, random_shift=1), BOX._replace(obs_shape=(3, 4, 1), obs_dtype="bool"), 5, 3
    ),
    "sac, fixed alpha, sgd, 3 critics": Case(
        SACConfig(**COMMON, ent_coef=0.2, optimizer="sgd", n_critics=3, target_update_interval=3), BOX, 3, 16
    ),
}


def part(arrays: Any, start: int, stop: int) -> Any:
    """Those updates of (U, B, ...), None where there is none."""
    parts = [None if x is None else x[start:stop] for x in arrays]
    return type(arrays)(*parts) if hasattr(arrays, "_fields") else tuple(parts)


SLOW = ("sac, minatar", "sac, fixed alpha, sgd, 3 critics")  # to compile


@pytest.mark.parametrize("name", [pytest.param(x, marks=[pytest.mark.slow] if x in SLOW else []) for x in CASES])
@pytest.mark.parametrize(("first", "second"), [("torch", "jax"), ("jax", "torch")])
def test_500_updates_here_and_500_there_are_1000_in_either(first: str, second: str, name: str) -> None:
    case = CASES[name]
    batch, noise = data(case, 1000)
    begun = agent_of(case, first)
    begun.update(part(batch, 0, 500), noise=part(noise, 0, 500))
    begun.save("half")
    crossed = load_agent("half", backend=second, device=DEVICE)
    assert (crossed.backend, crossed.dtype, crossed.num_updates) == (second, "float64", 500)
    assert_close(without_rng(begun.state_dict()), without_rng(crossed.state_dict()), 0)
    crossed.update(part(batch, 500, 1000), noise=part(noise, 500, 1000))
    assert crossed.num_updates == 1000
    for backend in BACKENDS:
        whole = agent_of(case, backend)
        whole.update(batch, noise=noise)
        assert_close(without_rng(whole.state_dict()), without_rng(crossed.state_dict()), FLOAT64)


@pytest.mark.parametrize("name", CASES)
def test_a_way_there_and_back_changes_nothing(name: str) -> None:
    case = CASES[name]
    agent = agent_of(case, "jax", "float32")
    batch, noise = data(case, 5)
    agent.update(batch, noise=noise)
    agent.save("jax")
    load_agent("jax", backend="torch").save("torch")
    assert_close(without_rng(agent.state_dict()), without_rng(load_agent("torch", backend="jax").state_dict()), 0)
    assert load_checkpoint("torch")[0]["backend"] == "torch"


# What is no agent: the digests are right, as those of a file that someone made


def altered(change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> list[str]:
    """The messages with which both backends refuse the checkpoint of a small agent after such a change."""
    agent_of(CASES["sac"], "torch", "float32").save("agent")
    meta, tensors = load_checkpoint("agent")
    change(meta, tensors)
    meta = {key: value for key, value in meta.items() if key not in ("format", "format_version", "sha256")}
    save_checkpoint("agent", tensors, meta)
    messages = []
    for backend in BACKENDS:
        with pytest.raises(CheckpointError) as error:
            load_agent("agent", backend=backend)
        messages.append(str(error.value))
    return messages


WEIGHT = "critic.1.0.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m, t: t.pop(WEIGHT),
            "agent: critic.1.0.weight is not there, and the settings describe a network with (5, 16)",
        ),
        (
            lambda m, t: t.update(evil=np.zeros(3)),
            "agent/agent.safetensors: the state has 'evil', which this agent has not (1 such names)",
        ),
        (
            lambda m, t: t.update({WEIGHT: t[WEIGHT].T}),
            "agent: critic.1.0.weight has shape (16, 5), and the settings describe a network with (5, 16)",
        ),
        (
            lambda m, t: t.update({WEIGHT: t[WEIGHT].astype(np.float64)}),
            "agent/agent.safetensors: critic.1.0.weight has dtype float64, and this agent has float32",
        ),
        (lambda m, t: m.update(algo="ppo"), "agent/agent.json: algo='ppo' is not allowed: one of dqn, sac"),
        (lambda m, t: m.update(algo="dqn"), "agent/agent.json: it has an unknown key, algo.ent_coef"),
        (
            lambda m, t: m["config"].update(net_arch=[10**6, 10**6]),
            "agent: actor.0.0.weight has shape (3, 16), and the settings describe a network with (3, 1000000)",
        ),
        (
            lambda m, t: m["config"].update(gamma=2),
            "agent/agent.json: algo.gamma=2.0 is not allowed: a number in [0, 1]",
        ),
        (lambda m, t: m["config"].update(exec="x"), "agent/agent.json: it has an unknown key, algo.exec"),
        (
            lambda m, t: m.update(dtype="float16"),
            "agent/agent.json: dtype='float16' is not allowed: 'float32' or 'float64'",
        ),
        (lambda m, t: m.update(seed=-1), "agent/agent.json: seed=-1 is not allowed: greater than or equal to 0"),
        (
            lambda m, t: m["spec"].update(action_dim=3, action_low=[0] * 3, action_high=[1] * 3),
            "agent: actor.0.2.weight has ",
        ),
    ],
)
def test_what_no_agent_can_be_made_of(change: Callable[..., None], message: str) -> None:
    for told in altered(change):
        assert told.startswith(message)
        assert "\n" not in told


def test_nan_in_a_tensor_is_refused() -> None:
    agent_of(CASES["sac"], "torch", "float32").save("agent")
    tensors = load_checkpoint("agent")[1]
    tensors[WEIGHT][0, 0] = np.nan
    file = Path("agent/agent.safetensors")
    save_file(tensors, file)
    header = json.loads(Path("agent/agent.json").read_text())
    header["sha256"]["agent.safetensors"] = hashlib.sha256(file.read_bytes()).hexdigest()
    Path("agent/agent.json").write_text(json.dumps(header))
    for backend in BACKENDS:
        with pytest.raises(CheckpointError, match=rf"'{WEIGHT}' holds a NaN or an infinity"):
            load_agent("agent", backend=backend)
