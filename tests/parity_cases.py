"""What the tests of the twins share: drawn settings and data, both agents on them, and how far apart they are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, make_agent

# Tolerances of the relative error max|a - b| / max|a| of a tensor.
FLOAT64 = 1e-9  # after 100 updates as after one; 1e-14 is usual, so rounding hides no difference in the algorithm
# Float32 carries 6e-8, and a loss or gradient sums a hundred terms that cancel in part: that costs two digits or three.
FLOAT32 = 1e-4  # what one set of parameters gives: values, losses, gradients, TD errors
# Adam and RMSprop divide by the root of the second moment, so an entry whose gradient is almost 0 moves by its sign:
# there rounding becomes a difference of the order of the learning rate, and a relu or an argmax may tip as well.
FLOAT32_STEPPED = 1e-2  # what comes after an optimizer's step: states, and losses from the second update on


class Case(NamedTuple):
    """An agent and the shape of its data."""

    config: Any  # DQNConfig | SACConfig
    spec: EnvSpec
    seed: int
    batch_size: int
    weighted: bool  # whether the batch has sample weights
    discounted: bool  # whether the batch brings its own discounts


OBSERVATIONS = st.sampled_from([((3,), "float32"), ((1,), "float32"), ((2, 2), "float32"), ((3, 2, 2), "uint8")])
SETTINGS = {
    "net_arch": st.sampled_from([(8,), (16, 8), (5, 7, 3)]),
    "learning_rate": st.sampled_from([3e-4, 1e-3]),
    "gamma": st.sampled_from([0.0, 0.9, 0.99]),
    "tau": st.sampled_from([0.005, 0.3, 0.75, 1.0]),
    "target_update_interval": st.sampled_from([1, 3, 10]),
    "max_grad_norm": st.sampled_from([None, 0.1, 1.0, 10.0]),
}


@st.composite
def dqn_cases(draw: st.DrawFn, **fixed: Any) -> Case:
    """A DQN: ``fixed`` settings, the others drawn."""
    spec = EnvSpec(*draw(OBSERVATIONS), True, draw(st.integers(1, 4)), action_start=draw(st.integers(-2, 2)))
    return draw(cases(DQNConfig, spec, SETTINGS | {"double_q": st.booleans()}, fixed))


@st.composite
def sac_cases(draw: st.DrawFn, **fixed: Any) -> Case:
    """An SAC: ``fixed`` settings, the others drawn."""
    low, high = draw(st.sampled_from([((-1.0,), (1.0,)), ((-2.0, 0.5), (2.0, 0.75)), ((-3.0, -1.0, 0.0),) * 2]))
    high = tuple(x + 1 for x in high)
    spec = EnvSpec(*draw(OBSERVATIONS), False, len(low), low, high)
    ours = {
        "n_critics": st.integers(1, 5),
        "ent_coef": st.sampled_from(["auto", "auto_0.1", 0.2]),
        "target_entropy": st.sampled_from(["auto", -0.5]),
    }
    return draw(cases(SACConfig, spec, SETTINGS | ours, fixed))


@st.composite
def cases(draw: st.DrawFn, kind: Any, spec: EnvSpec, settings: Mapping[str, Any], fixed: Mapping[str, Any]) -> Case:
    """A case of one algorithm."""
    config = kind(**{key: draw(values) for key, values in settings.items() if key not in fixed}, **fixed)
    seed, batch_size = draw(st.integers(0, 2**31 - 1)), draw(st.sampled_from([1, 7, 32]))
    return Case(config, spec, seed, batch_size, draw(st.booleans()), draw(st.booleans()))


def data(case: Case, num_updates: int) -> tuple[Transition, tuple[np.ndarray, ...]]:
    """(U, B, ...) transitions and, for SAC, the two noises (U, B, A). Any row may be terminal."""
    rng, spec, shape = np.random.default_rng(case.seed), case.spec, (num_updates, case.batch_size)
    if spec.obs_dtype == "uint8":
        obs, next_obs = (rng.integers(0, 256, (*shape, *spec.obs_shape), np.uint8) for _ in range(2))
    else:
        obs, next_obs = (rng.normal(size=(*shape, *spec.obs_shape)).astype(np.float32) for _ in range(2))
    if spec.discrete:
        action = rng.integers(spec.action_dim, size=shape).astype(np.int32) + spec.action_start
    else:
        action = rng.uniform(spec.action_low, spec.action_high, (*shape, spec.action_dim)).astype(np.float32)
    reward = 2 * rng.normal(size=shape).astype(np.float32)
    terminated = (rng.random(shape) < 0.3).astype(np.float32)
    discount = rng.uniform(0, 0.99, shape).astype(np.float32) if case.discounted else None
    weight = rng.uniform(0.1, 2, shape).astype(np.float32) if case.weighted else None
    noise = () if spec.discrete else tuple(rng.normal(size=(2, *shape, spec.action_dim)).astype(np.float32))
    return Transition(obs, action, reward, next_obs, terminated, discount, weight), noise


def row(batch: Transition, noise: tuple[np.ndarray, ...], u: int) -> tuple[Transition, tuple[np.ndarray, ...]]:
    """Update u's (B, ...) of (U, B, ...)."""
    return Transition(*(None if x is None else x[u] for x in batch)), tuple(x[u] for x in noise)


def agent_of(case: Case, backend: str, dtype: str = "float64") -> Any:
    """The agent of a case on a CPU. At equal seeds both backends begin from the same parameters."""
    options = {"config": case.config, "seed": case.seed, "dtype": dtype, "device": "cpu"}
    return make_agent(case.config.name, backend=backend, env=case.spec, **options)


def without_rng(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state without its generator, which is each backend's own."""
    return {name: value for name, value in state.items() if not name.startswith("rng.")}


def errors(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float]:
    """The relative error of each tensor, by name; both must have the same names and shapes."""
    assert a.keys() == b.keys()
    return {name: relative_error(np.asarray(a[name]), np.asarray(b[name])) for name in a}


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """max|a - b| / max|a|; of counters 0 or infinite."""
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.isfinite(a).all()
    difference, scale = np.abs(a.astype(np.float64) - b).max(initial=0), np.abs(a.astype(np.float64)).max(initial=0)
    if difference == 0:
        return 0.0
    return float(difference / scale) if a.dtype.kind == "f" and scale > 0 else np.inf


def worst(found: Mapping[str, float]) -> tuple[str, float]:
    """The largest error and whose it is."""
    return max(found.items(), key=lambda item: item[1])


def assert_close(a: Mapping[str, Any], b: Mapping[str, Any], tolerance: float) -> None:
    """Every tensor of ``b`` within ``tolerance`` of the one in ``a``. NaN is never close."""
    found = errors(a, b)
    assert all(error <= tolerance for error in found.values()), worst(found)
