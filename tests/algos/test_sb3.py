"""One and more updates of Stable-Baselines3's DQN and SAC, on the same weights, batches and noise as ours.

Its choices are ours but for two, which are set aside here: its target network follows environment steps in DQN, and
its log-probability has an epsilon in SAC. Needs the extra ``peers``.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from parity_cases import assert_close

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition
from rlpair.parity import FLOAT64, Case, agent_of, data

sb3 = pytest.importorskip("stable_baselines3", reason="the extra peers is not installed")
UPDATES = 5


class Spaces(gym.Env[np.ndarray, Any]):
    """An environment that is only asked for its spaces."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space = action_space


class Batches:
    """In the place of its replay: the given batches, one after the other, as it would have sampled them."""

    def __init__(self, batch: Transition, action: np.ndarray) -> None:
        self.batch, self.action, self.count = batch, action, 0

    def sample(self, batch_size: int, env: Any = None) -> Any:
        u, batch = self.count, self.batch
        self.count += 1
        columns = (batch.obs, self.action, batch.next_obs, batch.terminated[..., None], batch.reward[..., None])
        tensors = [torch.as_tensor(x[u]) for x in columns]
        kinds = [torch.int64 if self.action.dtype.kind == "i" and i == 1 else torch.float64 for i in range(5)]
        return sb3.common.type_aliases.ReplayBufferSamples(*(x.to(k) for x, k in zip(tensors, kinds, strict=True)))


@pytest.fixture(autouse=True)
def float64_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would make float32."""
    monkeypatch.setattr(sb3.common.policies, "preprocess_obs", lambda obs, *args, **kwargs: obs.double())


def peer(algo: str, action_space: spaces.Space[Any], policy: dict[str, Any], **settings: Any) -> Any:
    """A model of its in float64."""
    kwargs = {"net_arch": [16, 8], "activation_fn": torch.nn.ReLU, **policy}
    model = getattr(sb3, algo)(
        "MlpPolicy", Spaces(action_space), policy_kwargs=kwargs, buffer_size=10, device="cpu", **settings
    )
    model.policy.double()
    model.set_logger(sb3.common.logger.Logger(None, []))
    return model


def linears(module: torch.nn.Module) -> list[torch.nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]


def copy_in(layers: list[torch.nn.Linear], state: dict[str, np.ndarray], net: str) -> None:
    """Our parameters into its layers."""
    for number, layer in enumerate(layers):
        layer.weight.data = torch.tensor(state[f"{net}.{number}.weight"].T)
        layer.bias.data = torch.tensor(state[f"{net}.{number}.bias"])


def copy_out(layers: list[torch.nn.Linear], net: str) -> dict[str, np.ndarray]:
    """Its layers by our names."""
    found = {}
    for number, layer in enumerate(layers):
        found[f"{net}.{number}.weight"] = layer.weight.detach().numpy().T
        found[f"{net}.{number}.bias"] = layer.bias.detach().numpy()
    return found


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_dqn(backend: str) -> None:
    common = {"gamma": 0.9, "max_grad_norm": 0.5, "learning_rate": 1e-2}
    config = DQNConfig(net_arch=(16, 8), tau=0.3, target_update_interval=1, **common)
    case = Case(config, EnvSpec((3,), "float32", True, 4), 0, 32, weighted=False, discounted=False)
    agent, (batch, _) = agent_of(case, backend), data(case, UPDATES)
    state = agent.state_dict()

    model = peer("DQN", spaces.Discrete(4), {}, **common)
    online, target = linears(model.q_net), linears(model.q_net_target)
    copy_in(online, state, "q.0")
    copy_in(target, state, "q.0")
    model.replay_buffer = Batches(batch, batch.action[..., None])
    for _ in range(UPDATES):  # its target moves by environment steps, outside train
        model.train(gradient_steps=1, batch_size=32)
        sb3.common.utils.polyak_update(model.q_net.parameters(), model.q_net_target.parameters(), 0.3)
    info = agent.update(batch)

    theirs = copy_out(online, "q.0") | copy_out(target, "target_q.0")
    ours = agent.state_dict()
    assert_close(theirs, {name: ours[name] for name in theirs}, FLOAT64)
    assert model.logger.name_to_value["train/loss"] == pytest.approx(float(info.metrics["loss/q"][-1]), rel=1e-12)


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(("ent_coef", "n_critics"), [("auto", 2), ("auto_0.1", 3), (0.2, 1)])
def test_sac(ent_coef: Any, n_critics: int, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"gamma": 0.9, "tau": 0.3, "learning_rate": 1e-2, "ent_coef": ent_coef}
    config = SACConfig(net_arch=(16, 8), n_critics=n_critics, **common)
    low, high = np.array([-2.0, 0.0], np.float32), np.array([2.0, 3.0], np.float32)
    spec = EnvSpec((3,), "float32", False, 2, tuple(low.tolist()), tuple(high.tolist()))
    case = Case(config, spec, 0, 32, weighted=False, discounted=False)
    agent, (batch, noise) = agent_of(case, backend), data(case, UPDATES)
    noise = tuple(0.1 * x for x in noise)  # where its log(1 - tanh^2) loses no digits
    state = agent.state_dict()

    model = peer("SAC", spaces.Box(low, high), {"n_critics": n_critics}, **common)
    model.actor.action_dist.epsilon = 0.0
    nets = {f"critic.{i}": linears(net) for i, net in enumerate(model.critic.q_networks)}
    targets = {f"target_critic.{i}": linears(net) for i, net in enumerate(model.critic_target.q_networks)}
    for name, layers in (nets | targets).items():
        copy_in(layers, state, name)
    *hidden, mean, log_std = linears(model.actor)  # its last layer is two
    kinds = ("actor.0.2.weight", "actor.0.2.bias")
    halves = [
        dict(zip(kinds, half, strict=True)) for half in zip(*(np.split(state[k], 2, -1) for k in kinds), strict=True)
    ]
    copy_in(hidden, state, "actor.0")
    for layer, half in zip((mean, log_std), halves, strict=True):
        copy_in([layer], {k.replace(".2.", ".0."): v for k, v in half.items()}, "actor.0")
    if model.ent_coef_optimizer is None:
        model.ent_coef_tensor = torch.tensor(ent_coef, dtype=torch.float64)
    else:
        model.log_ent_coef.data = torch.tensor(state["log_alpha"])[None]
    model.replay_buffer = Batches(batch, 2 * (batch.action.astype(np.float64) - low) / (high - low) - 1)
    draws = [
        torch.as_tensor(noise[which][u]).double() for u in range(UPDATES) for which in (1, 0)
    ]  # the action's first
    monkeypatch.setattr(torch.distributions.normal, "_standard_normal", lambda *args, **kwargs: draws.pop(0))
    model.train(gradient_steps=UPDATES, batch_size=32)
    agent.update(batch, noise=noise)

    theirs = {name: value for net, layers in (nets | targets).items() for name, value in copy_out(layers, net).items()}
    theirs |= copy_out(hidden, "actor.0")
    heads = [copy_out([layer], "actor.0") for layer in (mean, log_std)]
    for kind in ("weight", "bias"):
        theirs[f"actor.0.2.{kind}"] = np.concatenate([head[f"actor.0.0.{kind}"] for head in heads], -1)
    if model.ent_coef_optimizer is not None:
        theirs["log_alpha"] = model.log_ent_coef.detach().numpy()[0]
    ours = agent.state_dict()
    assert_close(theirs, {name: ours[name] for name in theirs}, FLOAT64)
    assert not draws
