"""What a run takes of memory, in literal bytes, and that an agent too large for this machine is refused unbuilt."""

from typing import Any

import pytest

from rlpair import DQNConfig, EnvSpec, SACConfig, make_agent, memory
from rlpair.algos import dqn, sac
from rlpair.config import RunConfig
from rlpair.errors import ConfigError

TWO_ACTIONS = EnvSpec((3,), "float32", True, 2)  # a transition takes 12 + 4 + 4 + 12 + 4 + 1 = 37 bytes
ONE_NUMBER = EnvSpec((3,), "float32", False, 1, (-1.0,), (1.0,))


def test_networks_take_eight_copies_in_float64() -> None:
    networks = dqn.networks(DQNConfig(net_arch=(10,)), TWO_ACTIONS)
    assert memory.network_bytes(networks) == 8 * 8 * ((3 + 1) * 10 + (10 + 1) * 2)
    critics = sac.networks(SACConfig(net_arch=(10,), n_critics=3), ONE_NUMBER)
    assert memory.network_bytes(critics) == 8 * 8 * ((4 * 10 + 11 * 2) + 3 * (5 * 10 + 11))


def test_a_run_is_refused_by_what_takes_the_most_of_it() -> None:
    algo = DQNConfig(buffer_size=10_000, batch_size=10, gradient_steps=5, net_arch=(10,))
    config = RunConfig(algo=algo, num_envs=2, total_timesteps=1_000)
    networks = dqn.networks(algo, TWO_ACTIONS)
    whole = 10_000 * 37 + 5 * 2 * 10 * 37 + 4 * 10 * 15 + 8 * 8 * 62
    memory.check_run(config, TWO_ACTIONS, networks, whole)
    with pytest.raises(ConfigError) as error:
        memory.check_run(config, TWO_ACTIONS, networks, whole - 1)
    assert str(error.value) == (
        "algo.buffer_size=10000 is not allowed: less: it takes 361.3 KiB of 369.4 KiB, and there are 369.4 KiB"
    )


@pytest.mark.parametrize(
    ("algo", "run", "key", "most"),
    [
        ({"buffer_size": 10_000}, {"num_seeds": 3, "mode": "fused"}, "algo.buffer_size=10000", 3 * 10_000 * 37),
        ({"batch_size": 10_000, "buffer_size": 10_000}, {}, "algo.batch_size=10000", 2 * 10_000 * 37 + 4 * 10_000 * 15),
        ({"gradient_steps": 9_000}, {}, "algo.gradient_steps=9000", 8_999 * 2 * 10 * 37),
        ({"gradient_steps": -1, "train_freq": 500}, {"num_envs": 8}, "algo.gradient_steps=-1", 3_999 * 2 * 10 * 37),
        ({"net_arch": (1_000,)}, {}, "algo.net_arch=(1000,)", 64 * (4 * 1_000 + 1_001 * 2)),
        ({"net_arch": (1_000,)}, {"num_seeds": 3, "mode": "fused"}, "algo.net_arch=(1000,)", 3 * 64 * (4_000 + 2_002)),
        ({"gradient_steps": 9_000}, {"num_seeds": 3, "mode": "fused"}, "algo.gradient_steps=9000", 3 * 8_999 * 740),
        ({"batch_size": 100}, {"num_seeds": 3, "mode": "fused"}, "algo.batch_size=100", 3 * (200 * 37 + 400 * 15)),
        ({}, {"num_envs": 2, "vectorization": "async"}, "num_envs=2", 2 * 2**26),
    ],
)
def test_the_largest_part_is_named_with_its_bytes(
    algo: dict[str, Any], run: dict[str, Any], key: str, most: int
) -> None:
    settings = DQNConfig(**{"buffer_size": 100, "batch_size": 10, "gradient_steps": 1, "net_arch": (10,)} | algo)
    config = RunConfig(algo=settings, total_timesteps=100_000, **({"backend": "jax"} | run))
    with pytest.raises(ConfigError) as error:
        memory.check_run(config, TWO_ACTIONS, dqn.networks(settings, TWO_ACTIONS), 0)
    start = f"{key} is not allowed: less: it takes {memory.in_units(most)} of "
    assert str(error.value).startswith(start)


def test_an_agent_too_large_for_this_machine_is_not_built() -> None:
    with pytest.raises(ConfigError, match=r"^algo\.net_arch=\(1000000, 1000000\) is not allowed: less: it takes "):
        make_agent("dqn", backend="torch", env=TWO_ACTIONS, config=DQNConfig(net_arch=(10**6, 10**6)))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0 bytes"), (1023, "1023.0 bytes"), (1024, "1.0 KiB"), (3 * 2**50, "3072.0 TiB")]
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert memory.in_units(count) == text
