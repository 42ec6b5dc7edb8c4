"""Every Python and JSON snippet of the documents is run, or read: a new one fails until it has a test."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from snippets import SNIPPETS, Snippet

import rlpair


def learn(text: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first snippet of an importer: trained until solved, which is 475 of 500; random actions get 21."""
    exec(text.replace('backend="jax"', f'backend="{backend}"'), {})
    *_, last = capsys.readouterr().out.splitlines()
    assert float(last) > 400


def go_on(text: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The second: after a training of 2,000 steps, for 500 more."""
    config = rlpair.DQNConfig(net_arch=(8,))
    agent = rlpair.make_agent("dqn", backend="jax", env="CartPole-v1", config=config)
    training = rlpair.run(agent, "CartPole-v1", rlpair.LoopConfig(total_timesteps=2_000))
    list(training)
    agent.save("cartpole")
    twin = rlpair.load_agent("cartpole", backend=backend)
    exec(text.replace("60_000", "2_500"), {"rlpair": rlpair, "twin": twin, "training": training})
    steps = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert steps == [2_250, 2_500, 2_500]
    assert twin.num_updates > agent.num_updates > 0


def own_data(text: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The third: an agent, and four transitions."""
    agent = rlpair.make_agent("dqn", backend=backend, env=rlpair.EnvSpec((3,), "float32", True, 2))
    obs, ones = np.ones((4, 3), np.float32), np.ones(4, np.float32)
    names: dict[str, Any] = {"rlpair": rlpair, "agent": agent, "obs": obs, "action": np.ones(4, np.int32)}
    results: dict[str, Any] = {"reward": ones, "next_obs": obs, "terminated": ones}
    exec(text, names | results, results)
    assert agent.num_updates == 1
    assert results["info"].td_error.shape == results["action"].shape == (4,)


def save_and_load(text: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That of docs/checkpoints.md."""
    agent = rlpair.make_agent("dqn", backend=backend, env=rlpair.EnvSpec((3,), "float32", True, 2))
    names: dict[str, Any] = {"rlpair": rlpair, "agent": agent}
    exec(text, names)
    assert names["agent"].backend == "jax"
    np.testing.assert_array_equal(names["agent"].state_dict()["q.0.0.bias"], agent.state_dict()["q.0.0.bias"])


PYTHON: dict[str, Callable[..., None]] = {  # by its first line
    "import rlpair": learn,
    "more = rlpair.LoopConfig(total_timesteps=60_000)  # counted from the beginning": go_on,
    "info = agent.update(rlpair.Transition(obs, action, reward, next_obs, terminated))  "
    "# (B, ...): one gradient step": own_data,
    'agent.save("my_agent")  # a folder': save_and_load,
}
PROGRAMS = {snippet.text.splitlines()[0]: snippet.text for snippet in SNIPPETS if snippet.language == "python"}


def test_every_python_snippet_has_a_test() -> None:
    assert PROGRAMS.keys() == PYTHON.keys()


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(
    "first", [pytest.param(first, marks=[pytest.mark.slow] if test is learn else []) for first, test in PYTHON.items()]
)
def test_a_python_snippet(first: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    PYTHON[first](PROGRAMS[first], backend, capsys)


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s.language == "json"], ids=lambda snippet: snippet.name)
def test_a_json_snippet(snippet: Snippet) -> None:
    assert json.loads(snippet.text)
