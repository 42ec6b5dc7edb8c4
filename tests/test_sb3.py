"""One and more updates of Stable-Baselines3's DQN and SAC, on the same weights, batches and noise as ours.

Where its choices are not ours they are set so here, and said. Needs the extra ``peers``.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from parity_cases import Case, agent_of, assert_close, data, row

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition

sb3 = pytest.importorskip("stable_baselines3", reason="the extra peers is not installed")
UPDATES = 5
TOLERANCE = 1e-12  # float64 on both sides


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


def peer(algo: str, action_space: spaces.Space[Any], **settings: Any) -> Any:
    """A model of its in float64."""
    common = {"policy_kwargs": {"net_arch": [16, 8], "activation_fn": torch.nn.ReLU}, "device": "cpu"}
    model = getattr(sb3, algo)("MlpPolicy", Spaces(action_space), buffer_size=10, **common, **settings)
    model.policy.double()
    model.set_logger(sb3.common.logger.Logger(None, []))
    return model


def linears(module: torch.nn.Module) -> list[torch.nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]


def copy_in(layers: list[torch.nn.Linear], state: dict[str, np.ndarray], net: str) -> None:
    """Our parameters into its layers."""
    for number, layer in enumerate(layers):
        layer.weight.data = torch.as_tensor(state[f"{net}.{number}.weight"].T.copy())
        layer.bias.data = torch.as_tensor(state[f"{net}.{number}.bias"])


def copy_out(layers: list[torch.nn.Linear], net: str) -> dict[str, np.ndarray]:
    """Its layers by our names."""
    found = {}
    for number, layer in enumerate(layers):
        found[f"{net}.{number}.weight"] = layer.weight.detach().numpy().T
        found[f"{net}.{number}.bias"] = layer.bias.detach().numpy()
    return found


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_dqn(backend: str) -> None:
    config = DQNConfig(net_arch=(16, 8), gamma=0.9, tau=0.3, max_grad_norm=0.5, learning_rate=1e-2)
    config_every_update = DQNConfig(**{**config.__dict__, "target_update_interval": 1})
    case = Case(config_every_update, EnvSpec((3,), "float32", True, 4), 0, 32, weighted=False, discounted=False)
    agent, (batch, _) = agent_of(case, backend), data(case, UPDATES)
    state = agent.state_dict()

    model = peer("DQN", spaces.Discrete(4), gamma=0.9, max_grad_norm=0.5, learning_rate=1e-2)
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
    assert_close(theirs, {name: ours[name] for name in theirs}, TOLERANCE)
    assert model.logger.name_to_value["train/loss"] == pytest.approx(float(info.metrics["loss/q"][-1]), rel=1e-12)


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(("ent_coef", "n_critics"), [("auto", 2), ("auto_0.1", 3), (0.2, 1)])
def test_sac(ent_coef: Any, n_critics: int, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"gamma": 0.9, "tau": 0.3, "learning_rate": 1e-2, "ent_coef": ent_coef}
    config = SACConfig(net_arch=(16, 8), n_critics=n_critics, **common)
    spec = EnvSpec((3,), "float32", False, 2, (-2.0, 0.0), (2.0, 3.0))
    case = Case(config, spec, 0, 32, weighted=False, discounted=False)
    agent, (batch, noise) = agent_of(case, backend), data(case, UPDATES)
    state = agent.state_dict()

    low, high = np.array(spec.action_low, np.float32), np.array(spec.action_high, np.float32)
    model = peer("SAC", spaces.Box(low, high), **common)
    model.policy_kwargs["n_critics"] = n_critics
    actor = linears(model.actor)
    copy_in(actor[:2], state, "actor.0")
    weight, bias = state["actor.0.2.weight"], state["actor.0.2.bias"]  # it has two last layers, for mean and log_std
    heads = {f"head.0.{i}.{kind}": np.split(x, 2, -1)[i] for kind, x in (("weight", weight), ("bias", bias)) for i in (0, 1)}
    copy_in(actor[2:], heads, "head.0")
