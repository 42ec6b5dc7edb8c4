"""What an update changes by no gradient: saved, loaded, crossed, compiled, trained in the fused loop."""

import warnings
from typing import Any

import numpy as np
import pytest
from devices import DEVICE, agent_of, host
from own_learner import RECORD, CentredConfig
from parity_cases import assert_close

from rlpair import EnvSpec, load_agent, make_agent
from rlpair.algos import registry
from rlpair.config import RunConfig
from rlpair.loops.seeds_jax import Seeds
from rlpair.parity import FLOAT64, Case, data, row, without_rng

BACKENDS = ("torch", "jax")
SPEC = EnvSpec((3,), "float32", True, 4, action_start=1)
CASE = Case(CentredConfig(net_arch=(8,), batch_size=16, target_update_interval=3), SPEC, 0, 16)
NAMES = ["model_state.obs.count", "model_state.obs.mean"]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the tests of this file alone."""
    monkeypatch.setitem(registry._algorithms, "centred", RECORD)


def learned(backend: str, updates: int) -> Any:
    """An agent after that many updates, in one call."""
    agent = agent_of(CASE, backend)
    agent.update(data(CASE, updates)[0])
    return agent


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_the_mean_of_all_that_was_learned_from(backend: str) -> None:
    state, seen = learned(backend, 20).state_dict(), data(CASE, 20)[0].obs.reshape(-1, 3)
    assert sorted(name for name in state if name.startswith("model_state")) == NAMES
    assert state["model_state.obs.count"] == len(seen) == 320  # which num_updates does not bound
    np.testing.assert_allclose(state["model_state.obs.mean"], seen.astype(np.float64).mean(0), rtol=1e-12)


def test_the_twins_are_equal() -> None:
    twins = [learned(backend, 20) for backend in BACKENDS]
    ours, theirs = (without_rng(agent.state_dict()) for agent in twins)
    assert_close(ours, theirs, FLOAT64)
    obs = data(CASE, 1)[0].obs[0]
    actions = [agent.act(obs, explore=False) for agent in twins]
    np.testing.assert_array_equal(*actions)
    for agent in twins:  # what they think best depends on it
        state = agent.state_dict()
        agent.load_state_dict(state | {"model_state.obs.mean": state["model_state.obs.mean"] + 10})
    assert (twins[0].act(obs, explore=False) != actions[0]).any()
    np.testing.assert_array_equal(*(agent.act(obs + 10, explore=False) for agent in twins))
    np.testing.assert_array_equal(twins[0].act(obs + 10, explore=False), actions[0])


@pytest.mark.parametrize(("first", "second"), [("torch", "jax"), ("jax", "torch"), ("torch", "torch")])
def test_a_checkpoint_crosses(first: str, second: str) -> None:
    begun = learned(first, 10)
    begun.save("half")
    crossed = load_agent("half", backend=second, device=DEVICE)
    assert_close(without_rng(begun.state_dict()), without_rng(crossed.state_dict()), 0)
    for agent in (begun, crossed):
        agent.update(data(CASE, 5)[0])
    assert_close(without_rng(begun.state_dict()), without_rng(crossed.state_dict()), FLOAT64)


@pytest.mark.slow
def test_two_seeds_have_one_each_in_the_fused_loop() -> None:
    algo = CentredConfig(net_arch=(8,), batch_size=16, learning_starts=20, buffer_size=200, train_freq=1)
    config = RunConfig(algo=algo, env="CartPole-v1", mode="fused", num_seeds=2, device="cpu", eval_episodes=2)
    seeds, resumed = (Seeds(config, [0, 1]) for _ in range(2))
    seeds.run(0, 50)
    saved = seeds.save(True)
    resumed.load(saved)
    for each in (seeds, resumed):
        each.run(50, 70)
    for one, other in zip(seeds.save(True), resumed.save(True), strict=True):
        assert_close(one.agent, other.agent, 0)
    for (agent, rest), (its_shapes, _) in zip(saved, [seeds.get_shapes()] * 2, strict=True):
        assert agent.keys() == its_shapes.keys()
        assert agent["model_state.obs.count"] == 30 * 16
        stored, mean = rest["replay.obs"].reshape(-1, 4)[:50], agent["model_state.obs.mean"]
        assert abs(mean - stored.mean(0)).max() < 0.5 * stored.std(0).max()
        played = make_agent("centred", backend="torch", env="CartPole-v1", config=algo)
        played.load_state_dict(agent)
        np.testing.assert_array_equal(played.state_dict()["model_state.obs.mean"], mean)
    assert not np.array_equal(saved[0].agent["model_state.obs.mean"], saved[1].agent["model_state.obs.mean"])
    assert np.array_equal(seeds.evaluate(1)[0], resumed.evaluate(1)[0])


@pytest.mark.slow
def test_a_compiled_update_changes_it() -> None:
    batch, noise = data(CASE, 5)
    options: dict[str, Any] = {"env": SPEC, "config": CASE.config, "dtype": "float64", "device": DEVICE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        agents = [make_agent("centred", backend="torch", compile=compile, **options) for compile in (True, False)]
        for u in range(5):
            for agent in agents:
                agent.update(row(batch, noise, u)[0])
    compiled, eager = ({name: host(x) for name, x in agent.state_dict().items()} for agent in agents)
    assert_close(compiled, eager, FLOAT64)


def test_it_is_among_all_that_an_update_changes() -> None:
    """What is recorded as a CUDA graph reads and writes that, and nothing else."""
    agent = agent_of(CASE, "torch")
    told = {tensor.untyped_storage().data_ptr() for tensor in agent.learner.state}
    assert {tensor.untyped_storage().data_ptr() for tensor in agent.tensors.values()} <= told
