"""(S10) and (S11): SAC's encoder and its random shift, in both backends, against plain numpy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
import torch
from devices import agent_of, host
from images import compute

from rlpair import EnvSpec, SACConfig
from rlpair.algos import augment_jax, augment_torch, sac
from rlpair.algos.registry import find
from rlpair.errors import ConfigError
from rlpair.nets.arch import Dense, named_arrays
from rlpair.nets.encoders import minatar
from rlpair.parity import Case, data, row, without_rng

SPEC = EnvSpec((4, 3, 2), "uint8", False, 2, (-1.0, -1.0), (1.0, 1.0))
CONFIG = SACConfig(net_arch=(5,), learning_rate=1e-2, tau=0.25, gamma=0.9)
CASE = Case(CONFIG, SPEC, 0, 6, weighted=True)
BACKENDS = ("torch", "jax")


def features(state: reference.State, net: str, obs: np.ndarray) -> np.ndarray:
    """f(s; phi): (B, 4, 3, 2) -> (B, 128)."""
    params = {name.removeprefix(f"{net}.0."): x for name, x in state.items() if name.startswith(f"{net}.")}
    return compute(minatar((4, 3, 2)), params, obs.reshape(len(obs), -1) / 255)


def read(batch: Any, obs: np.ndarray, next_obs: np.ndarray) -> reference.Batch:
    """The batch with features for observations, which are not to be scaled."""
    return reference.read(batch._replace(obs=obs, next_obs=next_obs), SPEC._replace(obs_dtype="float32"), 0.9)


# (S10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_s10_each_net_reads_the_features_that_are_its_own(backend: str) -> None:
    agent, (batch, noise) = agent_of(CASE, backend), data(CASE, 3)
    for u in range(2):  # so that the encoder's target differs from it
        agent.update(*row(batch, noise, u)[:1], noise=row(batch, noise, u)[1])
    before = without_rng(agent.state_dict())
    one, its_noise = row(batch, noise, 2)
    info = agent.update(one, noise=its_noise)
    after = without_rng(agent.state_dict())

    acting = read(one, features(before, "encoder", one.obs), features(before, "encoder", one.next_obs))
    valuing = features(before, "target_encoder", one.next_obs)
    action, log_prob = reference.sample(before, acting.next_obs, its_noise[0], "relu")
    value = reference.q_values(before, "target_critic", valuing, action, CONFIG).min(0)
    target = acting.reward + acting.discount * (value - np.exp(before["log_alpha"]) * log_prob)
    q = reference.q_values(before, "critic", acting.obs, acting.action, CONFIG)
    np.testing.assert_allclose(host(info.td_error), (target - q).mean(0), rtol=1e-9)

    seen = features(after, "encoder", one.obs)  # of the encoder after its step
    action, log_prob = reference.sample(before, seen, its_noise[1], "relu")
    value = reference.q_values(after, "critic", seen, action, CONFIG).min(0)
    loss = np.mean(acting.weight * (np.exp(before["log_alpha"]) * log_prob - value))
    np.testing.assert_allclose(float(info.metrics["loss/actor"]), loss, rtol=1e-9)

    for name in ("encoder.0.0.weight", "encoder.0.1.bias", "critic.1.0.weight"):
        moved = 0.75 * before[f"target_{name}"] + 0.25 * after[name]
        np.testing.assert_allclose(after[f"target_{name}"], moved, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_s10_the_sum_of_the_critics_losses_trains_the_encoder(backend: str) -> None:
    agent, (batch, noise) = agent_of(CASE, backend), data(CASE, 1)
    before, (one, its_noise) = agent.state_dict(), row(batch, noise, 0)
    name = "encoder.0.0.bias"
    next_features = features(before, "encoder", one.next_obs)
    target = reference.sac_target(before, read(one, next_features, next_features), its_noise[0], CONFIG)

    def loss(params: reference.State) -> float:
        seen = read(one, features(before | params, "encoder", one.obs), next_features)
        errors = reference.q_values(before, "critic", seen.obs, seen.action, CONFIG) - target
        return float((seen.weight * errors**2).mean(1).sum() / 2)

    expected = reference.difference_quotients(loss, {name: before[name]})[name]
    agent.update(one, noise=its_noise)
    np.testing.assert_allclose(
        agent.state_dict()["optimizer.encoder.mu.0.0.bias"], 0.1 * expected, rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_s10_the_actor_does_not_train_the_encoder(backend: str) -> None:
    batch, noise = data(CASE, 1)
    one, (next_noise, action_noise) = row(batch, noise, 0)
    states = []
    for its_noise in ((next_noise, action_noise), (next_noise, -2 * action_noise)):
        agent = agent_of(CASE, backend)
        agent.update(one, noise=its_noise)
        states.append(agent.state_dict())
    for name in ("encoder.0.0.weight", "encoder.0.1.bias", "critic.0.0.weight"):
        np.testing.assert_array_equal(states[0][name], states[1][name])
    assert (states[0]["actor.0.0.weight"] != states[1]["actor.0.0.weight"]).any()


def test_the_networks_of_an_image() -> None:
    networks = sac.networks(SACConfig(net_arch=(7,)), SPEC)
    assert list(networks) == ["encoder", "actor", "critic"]
    assert networks["encoder"][0].layers == minatar((4, 3, 2))
    assert networks["actor"][0].layers == (Dense(128, 7, "relu"), Dense(7, 4))
    assert [arch.layers for arch in networks["critic"]] == [(Dense(130, 7, "relu"), Dense(7, 1))] * 2
    assert next(iter(named_arrays(networks))) == "encoder.0.0.weight"
    assert list(sac.networks(SACConfig(encoder="none"), SPEC)) == ["actor", "critic"]


def test_flop_of_an_update() -> None:
    config = SACConfig(net_arch=(7,), batch_size=1)
    conv, dense, actor, critic = 2 * 1 * 9 * 2 * 16, 32 * 128, 128 * 7 + 7 * 4, 130 * 7 + 7
    encoder = 3 * (conv + dense) - conv + 3 * (conv + dense)  # trained; after its step, and of s' it and its target
    trained = 3 * actor - 128 * 7 + actor
    critics = 2 * (3 * critic + critic + 2 * critic)  # gradients to features too; the target; through to the action
    assert sac.update_flop(config, sac.networks(config, SPEC)) == 2 * (encoder + trained + critics)


# (S11)

IMAGE = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)


def shifted(backend: str, images: np.ndarray, offsets: list[list[int]], pixels: int) -> np.ndarray:
    """(B, H, W, C)."""
    if backend == "torch":
        return augment_torch.shifted(torch.from_numpy(images), torch.tensor(offsets, dtype=torch.int32), pixels).numpy()
    return np.asarray(augment_jax.shifted(jnp.asarray(images), jnp.asarray(offsets, jnp.int32), pixels))


@pytest.mark.parametrize("backend", BACKENDS)
def test_s11_a_shift_repeats_the_border(backend: str) -> None:
    found = shifted(backend, np.stack([IMAGE] * 4), [[1, 1], [0, 1], [1, 2], [2, 0]], 1)
    assert found.dtype == np.uint8
    assert found[..., 0].tolist() == [
        [[0, 1, 2], [3, 4, 5], [6, 7, 8]],  # as it was
        [[0, 1, 2], [0, 1, 2], [3, 4, 5]],  # cut from the top: all goes down
        [[1, 2, 2], [4, 5, 5], [7, 8, 8]],  # cut from the right: all goes left
        [[3, 3, 4], [6, 6, 7], [6, 6, 7]],
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_s11_all_channels_of_a_pixel_go_together(backend: str) -> None:
    images = np.random.default_rng(0).integers(256, size=(2, 5, 4, 3), dtype=np.uint8)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    found = shifted(backend, images, [[4, 0], [1, 3]], 2)
    np.testing.assert_array_equal(found, np.stack([padded[0, 4:9, 0:4], padded[1, 1:6, 3:7]]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_s11_an_update_shifts_both_observations_by_what_is_given(backend: str) -> None:
    shifting = CASE._replace(config=SACConfig(**{**vars(CONFIG), "random_shift": 2}))
    batch, noise = data(shifting, 1)
    one, (*normal, next_offsets, offsets) = row(batch, noise, 0)
    by_hand = one._replace(
        obs=shifted("torch", one.obs, offsets.tolist(), 2),
        next_obs=shifted("torch", one.next_obs, next_offsets.tolist(), 2),
    )
    agents = [agent_of(case, backend) for case in (shifting, CASE)]
    agents[0].update(one, noise=(*normal, next_offsets, offsets))
    agents[1].update(by_hand, noise=tuple(normal))
    states = [without_rng(agent.state_dict()) for agent in agents]
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_s11_offsets_are_drawn_evenly_for_each_image(backend: str) -> None:
    if backend == "torch":
        drawn = augment_torch.random_offsets(torch.Generator().manual_seed(0), (2, 3000), 1).numpy()
    else:
        drawn = np.asarray(augment_jax.random_offsets(jax.random.key(0), (2, 3000), 1))
    assert (drawn.shape, drawn.dtype.name) == ((2, 3000, 2), "int32")
    counts = np.unique(drawn.reshape(-1, 2) @ [3, 1], return_counts=True)[1]
    assert len(counts) == 9
    assert ((counts - 6000 / 9) ** 2 / (6000 / 9)).sum() < 37.3  # of chi squared, 8 degrees: wrong once in 100,000


@pytest.mark.parametrize("backend", BACKENDS)
def test_s11_without_a_shift_the_noise_is_what_it_was(backend: str) -> None:
    agents = [agent_of(CASE._replace(config=SACConfig(random_shift=p)), backend, "float32") for p in (0, 2)]
    source: Any = [agent.generator if backend == "torch" else jax.random.key(1) for agent in agents]
    plain, shifting = (a.learner.sample_noise(g, (4, 3)) for a, g in zip(agents, source, strict=True))
    assert [tuple(x.shape) for x in plain] == [(4, 3, 2)] * 2
    assert [tuple(x.shape) for x in shifting] == [(4, 3, 2)] * 4
    assert not np.array_equal(host(shifting[2]), host(shifting[3]))
    others = find("sac").other_noise(SACConfig(random_shift=2), (4, 3), np.random.default_rng(0))
    assert [(x.shape, x.dtype.name) for x in others] == [((4, 3, 2), "int32")] * 2
    many = sac.random_offsets(SACConfig(random_shift=2), (3_000,), np.random.default_rng(0))
    assert [np.unique(x).tolist() for x in many] == [[0, 1, 2, 3, 4]] * 2


def test_a_shift_without_an_encoder_is_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        sac.networks(SACConfig(random_shift=4), SPEC._replace(obs_shape=(3,), obs_dtype="float32"))
    assert str(error.value) == "algo.random_shift=4 is not allowed: 0 but for an image, alone, that has an encoder"
