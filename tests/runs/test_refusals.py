"""Every single refusal of what a file may hold, by its whole message: a line each."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from refused import refused
from runs import config_of
from specs import BOX, DISCRETE

from rlpair.agents.agent_torch import check_mersenne_twister
from rlpair.envs.tape import actions_of
from rlpair.errors import CheckpointError
from rlpair.runs import formats
from rlpair.runs.loading import check_spec
from rlpair.runs.strict import checked

F = Path("F")


# YAML and JSON


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x" * 99: 1}, f"F: it has an unknown key, algo.{'x' * 60}..."),
        ({"tau": "1"}, "F: algo.tau='1' is not allowed: a number"),
        ({"tau": 2.0}, "F: algo.tau=2.0 is not allowed: a number in (0, 1]"),
        ({"double_q": 1}, "F: algo.double_q=1 is not allowed: true or false"),
    ],
)
def test_settings(values: dict[str, Any], message: str) -> None:
    kind = type(config_of("dqn", "torch").algo)
    assert refused(lambda: formats.settings(F, kind, values, "algo."), CheckpointError) == message


# run.json

WORDS = {"state": 1, "inc": 1}
OF_ENDED = "a number of episodes, the sum of their returns, that of their lengths"
GENERATOR = {"bit_generator": "PCG64", "state": WORDS, "has_uint32": 0, "uinteger": 0}
TAPE = {"seed": 1, "generator": None, "actions": "", "digest": "0" * 64}


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (
            formats.Generator,
            GENERATOR | {"bit_generator": "MT19937"},
            "bit_generator='MT19937' is not allowed: 'PCG64'",
        ),
        (formats.Generator, GENERATOR | {"has_uint32": 2}, "has_uint32=2 is not allowed: less than or equal to 1"),
        (
            formats.Generator,
            GENERATOR | {"uinteger": 2**32},
            "uinteger=4294967296 is not allowed: less than 4294967296",
        ),
        (formats.Generator, GENERATOR | {"state": WORDS | {"inc": 2}}, "state.inc=2 is not allowed: an odd number"),
        (
            formats.Generator,
            GENERATOR | {"state": WORDS | {"state": -1}},
            "state.state=-1 is not allowed: greater than or equal to 0",
        ),
        (formats.Tape, TAPE | {"seed": 2**32}, "seed=4294967296 is not allowed: less than 4294967296"),
        (formats.Tape, TAPE | {"actions": b""}, "actions=b'' is not allowed: a text"),
        (
            formats.Tape,
            TAPE | {"digest": "0"},
            "digest='0' is not allowed: String should match pattern '^[0-9a-f]{64}$'",
        ),
        (formats.Envs, {"seed": 2**31, "episodes": []}, "seed=2147483648 is not allowed: less than 2147483648"),
        (formats.Envs, {"seed": 0, "episodes": [{}]}, "it lacks episodes[0].seed"),
        (formats.Ended, [0.5, 0.0, 0.0], f"its content=[0.5, 0.0, 0.0] is not allowed: {OF_ENDED}"),
        (formats.Ended, [-1.0, 0.0, 0.0], f"its content=[-1.0, 0.0, 0.0] is not allowed: {OF_ENDED}"),
        (formats.Ended, [1.0, 0.0, -1.0], f"its content=[1.0, 0.0, -1.0] is not allowed: {OF_ENDED}"),
        (
            formats.FusedLoopState,
            {"env_steps": -1, "best_return": None, "ended": [0.0] * 3},
            "env_steps=-1 is not allowed: greater than or equal to 0",
        ),
        (
            formats.FusedLoopState,
            {"env_steps": 2**62, "best_return": None, "ended": [0.0] * 3},
            "env_steps=4611686018427387904 is not allowed: less than 4611686018427387904",
        ),
        (
            formats.FusedLoopState,
            {"env_steps": 1, "best_return": "x", "ended": [0.0] * 3},
            "best_return='x' is not allowed: a number",
        ),
        (
            formats.FusedLoopState,
            {"env_steps": 1, "best_return": None, "ended": [0.0] * 3, "x": 1},
            "it has an unknown key, x",
        ),
    ],
)
def test_run_json(kind: Any, value: Any, message: str) -> None:
    assert refused(lambda: checked(F, kind, value), CheckpointError) == f"F: {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action_high": [-2.0]}, "F: spec.action_low=[-2.0] is not allowed: below action_high"),
        ({"action_high": []}, "F: spec.action_high=[] is not allowed: 1 numbers with discrete=False"),
        (
            {"discrete": True, "action_dim": 2**30, "action_start": 2**30 + 1, "action_low": [], "action_high": []},
            "F: spec.action_start=1073741825 is not allowed: such that 1073741824 actions from it on fit int32",
        ),
        (
            {"frame_stack": 3, "obs_shape": [8, 8, 4]},
            "F: spec.frame_stack=3 is not allowed: 1, or what divides the last axis of an image, here [8, 8, 4]",
        ),
        (
            {"frame_stack": 4, "obs_shape": [8, 4]},
            "F: spec.frame_stack=4 is not allowed: 1, or what divides the last axis of an image, here [8, 4]",
        ),
        (
            {"obs_shape": [6], "parts": [[2, 2], [3]]},
            "F: spec.parts=[[2, 2], [3]] is not allowed: shapes of parts of [6]",
        ),
    ],
)
def test_spec(change: dict[str, Any], message: str) -> None:
    spec = BOX._asdict() | {"action_low": [-2.0], "action_high": [2.0], "obs_shape": [2], "action_dim": 1} | change
    assert refused(lambda: formats.spec_of(F, spec), CheckpointError) == message


def test_a_spec_of_an_earlier_version_has_no_stack_and_no_parts() -> None:
    spec = DISCRETE._asdict() | {"obs_shape": [8, 8, 4], "action_low": [], "action_high": [], "parts": []}
    assert formats.spec_of(F, spec | {"frame_stack": 4}).frame_stack == 4
    del spec["frame_stack"], spec["parts"]
    assert checked(F, formats.Spec, spec) == spec
    assert formats.spec_of(F, spec).frame_stack == 1


# Episodes, replays, agents


def encoded(values: list[float], dtype: str) -> str:
    return base64.b64encode(np.array(values, dtype).tobytes()).decode()


@pytest.mark.parametrize(
    ("text", "space", "message"),
    [
        ("a", spaces.Discrete(3), "actions are not base64 of 8 bytes an action"),
        ("!!!!", spaces.Discrete(3), "actions are not base64 of 8 bytes an action"),
        (encoded([1], "i4"), spaces.Discrete(3), "actions are not base64 of 8 bytes an action"),
        (encoded([1, 2, 3], "f4"), spaces.Box(-1, 1, (2,)), "actions are not base64 of 8 bytes an action"),
        (encoded([0, 3], "i8"), spaces.Discrete(3), "actions hold 3, which is none of Discrete(3)"),
        (encoded([4], "i8"), spaces.Discrete(3, start=5), "actions hold 4, which is none of Discrete(3, start=5)"),
        (
            encoded([0, 2], "f4"),
            spaces.Box(-1, 1, (2,)),
            "actions hold 2.0, which is none of Box(-1.0, 1.0, (2,), float32)",
        ),
        (
            encoded([-2, 0], "f4"),
            spaces.Box(-1, 1, (2,)),
            "actions hold -2.0, which is none of Box(-1.0, 1.0, (2,), float32)",
        ),
        (
            encoded([np.nan, 0], "f4"),
            spaces.Box(-1, 1, (2,)),
            "actions hold nan, which is none of Box(-1.0, 1.0, (2,), float32)",
        ),
    ],
)
def test_actions_of_an_episode(text: str, space: spaces.Space[Any], message: str) -> None:
    assert refused(lambda: actions_of(text, space), CheckpointError) == message


def test_another_environment() -> None:
    message = "F: its agent is of an environment with action_low=(-2.0, 0.0), and this one has action_low=(-1.0, 0.0)"
    assert refused(lambda: check_spec(F, BOX, BOX._replace(action_low=(-1.0, 0.0))), CheckpointError) == message


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (slice(8, 12), np.int32(0), "0 words left, 0 the next, seeded=1"),
        (slice(8, 12), np.int32(625), "625 words left, 0 the next, seeded=1"),
        (slice(12, 16), np.int32(2), "1 words left, 0 the next, seeded=2"),
        (slice(16, 24), np.int64(10**9), "1 words left, 1000000000 the next, seeded=1"),
        (slice(5016, 5024), np.float64(np.nan), "it keeps back a number that is not finite"),
        (slice(5048, 5052), np.float32(np.inf), "it keeps back a number that is not finite"),
    ],
)
def test_a_generator_of_torch(part: slice, value: Any, message: str) -> None:
    state = torch.Generator().manual_seed(0).get_state().numpy().copy()
    check_mersenne_twister(state)
    state[part] = np.frombuffer(value.tobytes(), np.uint8)
    expected = f"rng.torch.cpu is not a state of a generator: {message}"
    assert refused(lambda: check_mersenne_twister(state), CheckpointError) == expected
