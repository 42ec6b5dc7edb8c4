"""The numbers in a JAX learner's state are those of its equations, so that a program may be vmapped over them."""

from typing import Any

import jax
import numpy as np
import pytest

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.agents.agent_jax import hyper_of, make_state, precision_of
from rlpair.algos.registry import find
from rlpair.parity import Case, data, row
from rlpair.seeding import stream

QUICK = {"xla_backend_optimization_level": 0}
FIRST: dict[str, Any] = {"learning_rate": 1e-3, "gamma": 0.9, "tau": 0.1, "max_grad_norm": 0.5, "net_arch": (4,)}
OTHER: dict[str, Any] = FIRST | {"learning_rate": 3e-2, "gamma": 0.5, "tau": 0.7, "max_grad_norm": 0.01}
EPSILON = ("exploration_initial_eps", "exploration_final_eps", "exploration_steps")
CASES: dict[str, tuple[Any, Any, EnvSpec]] = {
    "dqn": (
        DQNConfig(**FIRST, **dict(zip(EPSILON, (1.0, 0.1, 100), strict=True))),
        DQNConfig(**OTHER, **dict(zip(EPSILON, (0.8, 0.3, 200), strict=True))),
        EnvSpec((3,), "float32", True, 4),
    ),
    "sac": (
        SACConfig(**FIRST, target_entropy=-1.0),
        SACConfig(**OTHER, target_entropy=0.5),
        EnvSpec((3,), "float32", False, 2, (-1.0, 0.0), (1.0, 2.0)),
    ),
}


@pytest.mark.parametrize("algo", CASES)
def test_each_number_of_the_state_is_the_one_that_counts(algo: str) -> None:
    """A learner of some settings, handed the numbers of others one by one, is the learner of those settings."""
    first, other, spec = CASES[algo]
    params = find(algo).initial_params(first, spec, stream(0, "parameters"))
    batch, noise = row(*data(Case(first, spec, 0, 8), 1), 0)
    obs, steps = np.ones((60, 3)), np.int32(50)

    def program(config: Any) -> Any:
        learner, begun = make_state(config, spec, params, "float64", "highest")

        def told(hyper: Any) -> list[jax.Array]:
            state, info = learner.update(begun._replace(hyper=hyper), batch, noise)
            action = learner.act(state, obs, learner.act_noise(jax.random.key(0), 60), steps)
            return jax.tree.leaves((state._replace(hyper=()), info, action))

        return jax.jit(told, compiler_options=QUICK)

    with precision_of("float64"):
        its, own = program(first), program(other)
        begin, end = (hyper_of(config, spec, "float64") for config in (first, other))
        before = its(begin)
        for name in begin._fields:
            after = its(begin._replace(**{name: getattr(end, name)}))
            assert any(not np.array_equal(x, y) for x, y in zip(before, after, strict=True)), name
        for mine, expected in zip(its(end), own(end), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-12)
