"""What the tests of the twins share: drawn settings and data, both agents on them, and how far apart they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devices import host
from hypothesis import strategies as st

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.parity import Case, errors

OBSERVATIONS = st.sampled_from([((3,), "float32"), ((1,), "float32"), ((2, 2), "float32"), ((3, 2, 2), "uint8")])
SETTINGS = {
    "encoder": st.just("none"),
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
def image_cases(draw: st.DrawFn, encoder: str, algo: str = "dqn", **fixed: Any) -> Case:
    """A DQN or an SAC with an encoder, of images a little larger than the smallest."""
    least = {"nature": 36, "minatar": 3, "impala": 1}[encoder]
    shape = (*(least + draw(st.integers(0, 5)) for _ in range(2)), draw(st.integers(1, 3)))
    case: Case = draw({"dqn": dqn_cases, "sac": sac_cases}[algo](encoder=encoder, **fixed))
    shift = {"random_shift": draw(st.integers(0, 3))} if algo == "sac" else {}
    config = replace(case.config, net_arch=draw(st.sampled_from([(), (8,)])), **shift)
    spec = case.spec._replace(obs_shape=shape, obs_dtype=draw(st.sampled_from(["uint8", "bool"])))
    return case._replace(config=config, spec=spec, batch_size=min(case.batch_size, 7))


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


def worst(found: Mapping[str, float]) -> tuple[str, float]:
    """The largest error and whose it is."""
    return max(found.items(), key=lambda item: item[1])


def assert_close(a: Mapping[str, Any], b: Mapping[str, Any], tolerance: float) -> None:
    """Every tensor of ``b`` within ``tolerance`` of the one in ``a``. NaN is never close."""
    found = errors(*({key: host(value) for key, value in arrays.items()} for arrays in (a, b)))
    assert all(error <= tolerance for error in found.values()), worst(found)
