"""Checkpoints that a stranger wrote: each is refused in one line, and does no harm."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from saved import load_checkpoint, load_run
from saving import SPEC, accept, edit, message, names, save

AGENT_JSON = {
    "empty": (b"", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
    "a pickle": (pickle.dumps([1]), "is not JSON: 'utf-8' codec can't decode byte 0x80 in position 0: "),
    "a list": (b"[1, 2]", "is not a JSON object but a list"),
    "null": (b"null", "is not a JSON object but a NoneType"),
    "NaN": (b'{"seed": NaN}', "is not JSON: NaN is not a number"),
    "deep": (b"[" * 100_000, "is not JSON: nested too deeply"),
    "long number": (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit (4300 digits)"),
    "foreign": (b'{"format": "sb3"}', "is not of an rlpair checkpoint: format='sb3', format_version=None"),
    "no version": (b'{"format": "rlpair-agent"}', "is not of an rlpair checkpoint: format='rlpair-agent', "),
    "line breaks": (b'{"format": "a\\n\\nb"}', r"is not of an rlpair checkpoint: format='a\n\nb', format_version=None"),
}


@pytest.mark.parametrize("case", AGENT_JSON)
def test_hostile_agent_json(tmp_path, case):
    content, expected = AGENT_JSON[case]
    folder = save(tmp_path / "c")
    (folder / "agent.json").write_bytes(content)
    assert message(folder).startswith(f"PATH/agent.json: {expected}")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format_version": 2}, "has format_version 2, and this rlpair reads 1: a newer rlpair wrote it"),
        ({"format_version": 0}, "has format_version 0, and this rlpair reads 1: no rlpair wrote it"),
        ({"format_version": "1"}, "is not of an rlpair checkpoint: format='rlpair-agent', format_version='1'"),
        ({"algo": None}, "it lacks algo"),
        ({"sha256": None}, "it lacks sha256"),
        ({"seed": True}, "seed=True is not allowed: a whole number"),
        ({"config": []}, "config=[] is not allowed: a mapping"),
        ({"spec": {}}, "it lacks spec.obs_shape"),
        (
            {"spec": SPEC._asdict() | {"obs_shape": [-1]}},
            "spec.obs_shape[0]=-1 is not allowed: greater than or equal to 1",
        ),
        ({"spec": SPEC._asdict() | {"obs_shape": "3"}}, "spec.obs_shape='3' is not allowed: a list"),
        (
            {"spec": SPEC._asdict() | {"obs_dtype": "object"}},
            "spec.obs_dtype='object' is not allowed: 'float32', 'uint8' or 'bool'",
        ),
        (
            {"spec": SPEC._asdict() | {"action_dim": 2}},
            "spec.action_low=[-2.0] is not allowed: 2 numbers with discrete=False",
        ),
        ({"spec": SPEC._asdict() | {"action_high": [None]}}, "spec.action_high[0]=None is not allowed: a number"),
        ({"spec": SPEC._asdict() | {"discrete": 1}}, "spec.discrete=1 is not allowed: true or false"),
    ],
)
def test_an_unfit_header_is_named(tmp_path, changes, expected):
    folder = save(tmp_path / "c")
    edit(folder, **changes)
    assert message(folder).startswith(f"PATH/agent.json: {expected}")


@pytest.mark.parametrize("name", ["agent.json", "agent.safetensors", "run.json", "replay.safetensors"])
def test_truncated_missing_and_not_a_file(tmp_path, name):
    folder = save(tmp_path / "c")
    load = load_run if name in ("run.json", "replay.safetensors") else load_checkpoint
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    cause = {"agent.json": "is not JSON: ", "run.json": "is corrupt: its sha256 is not the one in agent.json"}.get(name)
    cause = cause or "is corrupt, or not a safetensors file: Error while deserializing header: "
    assert message(folder, load).startswith(f"PATH/{name}: {cause}")
    (folder / name).unlink()
    cause = f"/{name}: is missing" if name.startswith("agent") else ": cannot be resumed: it holds an agent only"
    assert message(folder, load) == f"PATH{cause}"
    (folder / name).mkdir()
    assert message(folder, load) == f"PATH/{name}: is not a regular file"


def test_every_flipped_bit_of_the_tensors_is_found(tmp_path):
    folder = save(tmp_path / "c", tensors={"log_alpha": np.array(1.0)})
    content = (folder / "agent.safetensors").read_bytes()
    for position in range(len(content)):
        flipped = bytes([content[position] ^ (1 << position % 8)])
        (folder / "agent.safetensors").write_bytes(content[:position] + flipped + content[position + 1 :])
        assert message(folder).startswith("PATH/agent.safetensors: ")
    flipped = content[:-1] + bytes([content[-1] ^ 1])  # of a number
    (folder / "agent.safetensors").write_bytes(flipped)
    assert message(folder) == "PATH/agent.safetensors: is corrupt: its sha256 is not the one in agent.json"


def test_a_file_without_a_digest_is_not_read(tmp_path):
    folder = save(tmp_path / "c")
    edit(folder, sha256={})
    assert message(folder) == "PATH/agent.safetensors: is corrupt: its sha256 is not the one in agent.json"


class Bomb:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def container(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype: str, shape: list[int], size: int) -> bytes:
    return container({"x\n": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}, bytes(size))


SAFETENSORS = {
    "empty": (b"", "is corrupt, or not a safetensors file: Error while deserializing header: header too small"),
    "huge header": (
        struct.pack("<Q", 2**63),
        "has a header of 9,223,372,036,854,775,808 bytes, and one has at most 1,048,576",
    ),
    "a list": (
        container(b"[]"),
        "is corrupt, or not a safetensors file: Error while deserializing header: invalid JSON in header",
    ),
    "huge shape": (
        tensor("F32", [2**62], 4),
        "is corrupt, or not a safetensors file: Error while deserializing header: overflow",
    ),
    "shape off": (
        tensor("F32", [3], 4),
        "is corrupt, or not a safetensors file: Error while deserializing header: invalid shape",
    ),
    "negative": (
        tensor("F32", [-1], 4),
        "is corrupt, or not a safetensors file: Error while deserializing header: invalid JSON",
    ),
    "rank 100": (tensor("F32", [1] * 100, 4), "is corrupt, or not a safetensors file: "),
    "bfloat16": (tensor("BF16", [2], 4), r"'x\n' has dtype BF16, not one of BOOL, U8, U32, I32, I64, F32, F64"),
    "complex": (tensor("C64", [1], 8), r"'x\n' has dtype C64, not one of BOOL, U8, U32, I32, I64, F32, F64"),
}


@pytest.mark.parametrize("case", SAFETENSORS)
@pytest.mark.parametrize(("name", "load"), [("agent.safetensors", load_checkpoint), ("replay.safetensors", load_run)])
def test_hostile_tensors_whose_digest_is_right(tmp_path, name, load, case):
    content, expected = SAFETENSORS[case]
    folder = save(tmp_path / "c")
    (folder / name).write_bytes(content)
    accept(folder)
    assert message(folder, load).startswith(f"PATH/{name}: {expected}")


@pytest.mark.parametrize(("name", "load"), [("agent.safetensors", load_checkpoint), ("replay.safetensors", load_run)])
def test_a_renamed_pickle_is_not_executed(tmp_path, name, load):
    folder = save(tmp_path / "c")
    content = pickle.dumps(Bomb(tmp_path / "executed"))
    (folder / name).write_bytes(content)
    refused = message(folder, load)
    size = int.from_bytes(content[:8], "little")  # the path's length is in it
    assert refused.startswith(f"PATH/{name}: has a header of {size:,} bytes, and one has at most 1,048,576")
    accept(folder)
    assert message(folder, load) == refused
    assert names(tmp_path) == ["c"]
    pickle.loads((folder / name).read_bytes())  # noqa: S301 - the bomb is live
    assert names(tmp_path) == ["c", "executed"]


@pytest.mark.parametrize(("name", "load"), [("agent.safetensors", load_checkpoint), ("replay.safetensors", load_run)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_stored_numbers_that_are_not_finite_are_refused(tmp_path, name, load, value):
    folder = save(tmp_path / "c")
    save_file({"obs": np.array([0, value])}, folder / name)
    accept(folder)
    assert message(folder, load) == f"PATH/{name}: 'obs' holds a NaN or an infinity"
