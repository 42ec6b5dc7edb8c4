"""What an agent does with what it is given: seed, device, precision, and a generator that it cannot take over."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from runs import config_of
from safetensors.numpy import load_file, save_file
from scipy import stats

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, load_agent, make_agent
from rlpair.agents import agent_jax, agent_torch
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError, ConfigError
from rlpair.loops.seeds_jax import Seeds
from rlpair.parity import Case, agent_of, data, row
from rlpair.seeding import integer
from rlpair.train import train

BACKENDS = ("torch", "jax")
TINY: dict[str, Any] = {"net_arch": (8,), "batch_size": 8}
FOUR_ACTIONS = EnvSpec((3,), "float32", True, 4)
SQUARE = EnvSpec((3,), "float32", False, 2, (-1.0, -1.0), (1.0, 1.0))
CASES = {"dqn": (DQNConfig(**TINY), FOUR_ACTIONS), "sac": (SACConfig(**TINY), SQUARE)}
AGENTS = [(algo, backend) for algo in CASES for backend in BACKENDS]
P = 1e-7  # that a law fails by chance, with another seed


def small_agent(algo: str, backend: str, **options: Any) -> Any:
    config, spec = CASES[algo]
    return make_agent(algo, backend=backend, env=spec, config=config, **options)


def explored(agent: Any) -> np.ndarray:
    """Ten acts of 50 environments at the beginning, where DQN does nothing but explore: (500, ...)."""
    return np.concatenate([agent.act(np.zeros((50, 3), np.float32), env_steps=0) for _ in range(10)])


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_the_seed_decides_parameters_and_exploration(algo: str, backend: str) -> None:
    first, again, other = (small_agent(algo, backend, seed=seed) for seed in (3, 3, 4))
    names = [name for name in first.state_dict() if name.endswith("weight")]
    assert names
    for name in names:
        np.testing.assert_array_equal(first.state_dict()[name], again.state_dict()[name])
        if not name.startswith("optimizer"):
            assert not np.array_equal(first.state_dict()[name], other.state_dict()[name])
    told = [explored(agent) for agent in (first, again, other)]
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_reseed_starts_the_generator_of_that_seed(algo: str, backend: str) -> None:
    agent = small_agent(algo, backend)
    told = []
    for seed in (5, 5, 6):
        agent.reseed(seed)
        told.append(explored(agent))
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_checkpoint_says_the_seed_and_keeps_it(backend: str) -> None:
    small_agent("dqn", backend, seed=3).save("saved")
    assert json.loads(Path("saved/agent.json").read_text())["seed"] == 3
    assert load_agent("saved").seed == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_device_is_the_one_asked_for(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = {"torch": agent_torch, "jax": agent_jax}[backend]
    find, asked = module.find_device, []
    monkeypatch.setattr(module, "find_device", lambda device: asked.append(device) or find("cpu"))
    small_agent("dqn", backend, device="cuda").save("saved")
    load_agent("saved", device="cuda")
    load_agent("saved")
    assert asked == ["cuda", "cuda", "auto"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_that_is_not_there_is_no_fault_of_the_checkpoint(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_agent("dqn", backend).save("saved")
    module: Any = {"torch": agent_torch, "jax": agent_jax}[backend]

    def none_here(device: str) -> Any:
        raise ConfigError("device", device, "one that is here")

    monkeypatch.setattr(module, "find_device", none_here)
    with pytest.raises(ConfigError, match=r"^device='cuda' is not allowed: one that is here$"):
        load_agent("saved", device="cuda")


# The precision of products


@pytest.mark.parametrize("precision", ["highest", "high"])
@pytest.mark.parametrize("algo", CASES)
def test_the_precision_reaches_every_product(algo: str, precision: str) -> None:
    spec = CASES[algo][1]
    agent = small_agent(algo, "jax", matmul_precision=precision)
    obs, keys = np.zeros((5, 3), np.float32), jax.random.key(0)
    action = np.zeros(5, np.int32) if spec.discrete else np.zeros((5, 2), np.float32)
    zeros = np.zeros(5, np.float32)
    batch = (obs, action, zeros, obs, zeros)
    learner, state = agent.learner, agent.state
    for function in (
        lambda: learner.greedy(state, obs),
        lambda: learner.act(state, obs, learner.act_noise(keys, 5), np.int32(0)),
        lambda: learner.update(state, Transition(*batch), learner.sample_noise(keys, (5,))),
    ):
        text = str(jax.make_jaxpr(function)())
        products = text.count("dot_general[")
        name = {"highest": "Precision.HIGHEST", "high": "Precision.HIGH"}[precision]
        assert text.count(f"precision=({name}, {name})") + text.count(f"precision={name}\n") == products > 0


@pytest.mark.parametrize("precision", ["high", "highest"])
def test_the_precision_is_torchs(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", precision != "high")
    try:
        small_agent("dqn", "torch", matmul_precision=precision)
        assert torch.get_float32_matmul_precision() == precision
        assert torch.backends.cudnn.allow_tf32 is (precision == "high")
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_the_precision_reaches_the_fused_loop(precision: str) -> None:
    algo = DQNConfig(**TINY, buffer_size=50, learning_starts=10)
    config = RunConfig(algo=algo, env="CartPole-v1", mode="fused", matmul_precision=precision, eval_episodes=1)
    seeds = Seeds(config, [0])
    text = str(jax.make_jaxpr(seeds._run)(seeds._state, np.int32(0), np.int32(9)))
    assert set(re.findall(r"Precision\.\w+", text)) == {f"Precision.{precision.upper()}"}


# Exploring


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("log_std", "std"), [(10.0, np.exp(2.0)), (-30.0, np.exp(-20.0)), (-1.0, np.exp(-1.0))])
def test_an_exploring_sac_keeps_the_bounds_of_log_std(backend: str, log_std: float, std: float) -> None:
    agent = small_agent("sac", backend, dtype="float64")
    state = agent.state_dict()
    state["actor.0.1.weight"] = np.zeros_like(state["actor.0.1.weight"])
    state["actor.0.1.bias"] = np.array([0, 0, log_std, log_std])  # mean 0
    agent.load_state_dict(state)
    action = agent.act(np.zeros((4000, 3), np.float32)).astype(np.float64)
    if std > 1:  # float32 has no room near the bounds: by the share that lies inside
        inside = int((np.abs(action) < 0.9).sum())
        expected = stats.norm.cdf(np.arctanh(0.9), scale=std) - stats.norm.cdf(-np.arctanh(0.9), scale=std)
        assert stats.binomtest(inside, action.size, expected).pvalue > P
    else:
        assert stats.kstest(np.arctanh(action).ravel() / std, "norm").pvalue > P
    apart = stats.spearmanr(np.abs(action[:, 0]), action[:, 1])
    assert apart.pvalue > P  # a number of its own for each dimension
    assert len(np.unique(action[:, 0])) > 3000 or std > 1  # and for each environment


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_exploring_dqn_draws_every_action_for_every_environment(backend: str) -> None:
    actions = explored(small_agent("dqn", backend)).reshape(10, 50)  # epsilon is 1
    counts = np.bincount(actions.ravel(), minlength=4)
    assert stats.chisquare(counts).pvalue > P
    assert len(np.unique(actions, axis=0)) == 10  # acts
    assert len(np.unique(actions, axis=1).T) == 50  # environments


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_agent_acts_beyond_two_to_the_31_env_steps(backend: str) -> None:
    obs, told = np.zeros((50, 3), np.float32), []
    for env_steps in (2**31 - 1, 2**31, 2**40, None):
        agent = small_agent("dqn", backend, seed=1)
        told.append(np.concatenate([agent.act(obs, env_steps=env_steps) for _ in range(10)]))
        np.testing.assert_array_equal(told[-1], told[0])
    assert 0 < (told[0] != agent.act(obs[:1], explore=False)).mean() < 0.15  # epsilon is 0.05


# A generator that is not there


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_other_backends_generators_a_state_holds_few_numbers(backend: str) -> None:
    agent = small_agent("dqn", backend)
    agent.load_state_dict(agent.state_dict() | {"rng.other": np.zeros(65_536, np.uint8)})
    with pytest.raises(CheckpointError) as error:
        agent.load_state_dict(agent.state_dict() | {"rng.other": np.zeros(65_537, np.uint8)})
    assert str(error.value) == "the state has 65,537 numbers of other backends' generators: at most 65,536"


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_a_state_without_the_generator_does_not_repeat_the_noise_from_the_start(algo: str, backend: str) -> None:
    """As when a checkpoint of the CPU goes on on a GPU, or one of the other framework here."""
    agent = small_agent(algo, backend)
    begun = explored(small_agent(algo, backend))
    state = agent.state_dict()
    state["num_updates"] = np.array(7, np.int32)
    state["rng.torch.other"] = state.pop(agent.rng_name)
    agent.load_state_dict(state)
    told = explored(agent)
    assert not np.array_equal(told, begun)
    agent.reseed(integer(0, "noise", 7))
    np.testing.assert_array_equal(explored(agent), told)


@pytest.mark.parametrize(("backend", "its"), [("torch", "torch.cuda"), ("jax", "torch.cuda"), ("jax", "torch.cpu")])
def test_a_run_goes_on_with_new_noise_where_the_generator_is_not_its_own(
    backend: str, its: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generator's name is what another machine would have written: that of torch is by the kind of device."""
    train(config_of("sac", backend, run_dir="run", total_timesteps=200))
    rename_generator(Path("run/checkpoints/step_200"), f"rng.{its}")
    seeds = list[int]()
    agent_class: Any = {"torch": agent_torch.TorchAgent, "jax": agent_jax.JaxAgent}[backend]
    reseed = agent_class.reseed
    monkeypatch.setattr(agent_class, "reseed", lambda self, seed: seeds.append(seed) or reseed(self, seed))
    train(config_of("sac", backend, resume="run", total_timesteps=300))
    assert seeds[-1] == integer(0, "noise", 200)
    own = {"torch": "torch.cpu", "jax": "jax"}[backend]
    note = f"{its}'s random numbers do not carry over to {own}: exploration is reseeded from seed=0 and env step 200"
    assert f"rlpair: {note}" in capsys.readouterr().err.splitlines()


def rename_generator(folder: Path, name: str) -> None:
    """In a checkpoint, with its digest made anew."""
    tensors = load_file(folder / "agent.safetensors")
    (old,) = (key for key in tensors if key.startswith("rng."))
    save_file({**{k: v for k, v in tensors.items() if k != old}, name: tensors[old]}, folder / "agent.safetensors")
    meta = json.loads((folder / "agent.json").read_text())
    meta["sha256"]["agent.safetensors"] = hashlib.sha256((folder / "agent.safetensors").read_bytes()).hexdigest()
    (folder / "agent.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_drawn_in_the_dtype_of_the_computation(dtype: str) -> None:
    torchs = small_agent("sac", "torch", dtype=dtype)
    drawn = torchs.learner.sample_noise(torchs.generator, (3, 5))
    assert [(tuple(x.shape), x.dtype) for x in drawn] == [((3, 5, 2), getattr(torch, dtype))] * 2
    jaxs = small_agent("sac", "jax", dtype=dtype)
    with agent_jax.precision_of(dtype):
        shapes = jax.eval_shape(lambda key: jaxs.learner.sample_noise(key, (3, 5)), jax.random.key(0))
    assert [(x.shape, str(x.dtype)) for x in shapes] == [((3, 5, 2), dtype)] * 2


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_count_of_updates_is_the_states(backend: str) -> None:
    agent = small_agent("dqn", backend)
    state = agent.state_dict()
    for updates in (7, 3):
        agent.load_state_dict(state | {"num_updates": np.array(updates, np.int32)})
        assert agent.num_updates == agent.state_dict()["num_updates"] == updates


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_several_updates_at_once_tell_the_td_errors_of_each(algo: str, backend: str) -> None:
    case = Case(*CASES[algo], 0, 8)
    batch, noise = data(case, 3)
    at_once, one_by_one = (agent_of(case, backend) for _ in range(2))
    told = np.asarray(at_once.update(batch, noise=noise).td_error)  # (3, 8)
    alone = []
    for u in range(3):
        its_batch, its_noise = row(batch, noise, u)
        alone.append(np.asarray(one_by_one.update(its_batch, noise=its_noise).td_error))
    np.testing.assert_allclose(told, alone, rtol=1e-9, atol=1e-12)
    assert len({float(errors[0]) for errors in told}) == 3


@pytest.mark.parametrize(("algo", "backend"), AGENTS)
def test_a_state_does_not_change_with_later_updates(algo: str, backend: str) -> None:
    agent, case = small_agent(algo, backend), Case(*CASES[algo], 0, 8)
    state = agent.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    agent.update(data(case, 2)[0])
    agent.synchronize()
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])
    assert agent.state_dict()["num_updates"] == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_agent_saved_to_a_link_is_where_that_leads_to(backend: str, own_folder: Path) -> None:
    Path("elsewhere").mkdir()
    Path("link").symlink_to("elsewhere/agent")
    small_agent("dqn", backend).save("link")
    assert Path("link").is_symlink()
    assert load_agent("elsewhere/agent").config == load_agent("link").config == CASES["dqn"][0]
