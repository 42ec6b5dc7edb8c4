"""Checkpoints: what is saved comes back, the right one is found, and nothing hostile does harm."""

import hashlib
import json
import pickle
import re
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from saved import RUN, load_checkpoint, load_run

from rlpair.disk import checkpoint, tensors
from rlpair.disk.checkpoint import drop_old_replays, find_checkpoint, save_checkpoint
from rlpair.errors import CheckpointError, NonFiniteError
from rlpair.runs import formats
from rlpair.runs.loading import Checkpoint
from rlpair.types import EnvSpec

SPEC = EnvSpec((3,), "float32", False, 1, (-2.0,), (2.0,))
META = {
    "rlpair_version": "0.1.0",
    "algo": "sac",
    "backend": "torch",
    "dtype": "float32",
    "seed": 7,
    "spec": SPEC._asdict(),
    "config": {"learning_rate": 3e-4, "net_arch": [4, 4], "ent_coef": "auto", "max_grad_norm": None},
}
TENSORS = {
    "actor.0.0.weight": np.arange(6, dtype=np.float32).reshape(3, 2).T,  # not contiguous
    "log_alpha": np.array(-1.5, np.float64),  # 0-d
    "num_updates": np.array(2**40, np.int64),
    "rng.torch": np.array([0, 255, 7], np.uint8),
    "rng.jax": np.array([2**32 - 1, 1], np.uint32),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "action": np.array([-1, 2], np.int32),
}
REPLAY = {"obs": np.ones((5, 1, 3), np.float32), "position": np.array(5, np.int64)}


def save(path: Path, **changes: object) -> Path:
    save_checkpoint(path, **{"tensors": TENSORS, "meta": META, "run": RUN, "replay": REPLAY, **changes})
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def message(path: Path, load=load_checkpoint) -> str:
    """The error's line, with the folder's name cut off."""
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{path}", "PATH")


def edit(folder: Path, **changes: object) -> None:
    """Change keys of agent.json; None removes one."""
    meta = json.loads((folder / "agent.json").read_text()) | changes
    (folder / "agent.json").write_text(json.dumps({key: value for key, value in meta.items() if value is not None}))


def accept(folder: Path) -> None:
    """Write the files' true digests into agent.json, as an attacker would."""
    files = [file for file in folder.iterdir() if file.name != "agent.json"]
    edit(folder, sha256={file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})


# What is saved comes back


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    folder = save(tmp_path / "step_500")
    meta, tensors = load_checkpoint(folder)
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        assert tensors[name].shape == array.shape
        assert tensors[name].tobytes() == array.tobytes()
        tensors[name][...] = 0  # writable, and not the file
    assert load_checkpoint(folder)[1]["num_updates"] == 2**40
    assert {key: meta[key] for key in META if key != "spec"} == {key: META[key] for key in META if key != "spec"}
    assert Checkpoint(folder).spec == SPEC
    assert hash(Checkpoint(folder).spec) == hash(SPEC)


def test_a_run_comes_back_exactly(tmp_path):
    run, replay = load_run(save(tmp_path / "step_500"))
    assert run == Checkpoint(tmp_path / "step_500").run("host") == RUN
    np.testing.assert_array_equal(replay["obs"], REPLAY["obs"])
    assert replay["position"] == 5


def test_the_header_names_format_version_and_digests(tmp_path):
    folder = save(tmp_path / "c")
    assert names(folder) == ["agent.json", "agent.safetensors", "replay.safetensors", "run.json"]
    header = json.loads((folder / "agent.json").read_text())
    assert header["format"] == "rlpair-agent"
    assert header["format_version"] == 1
    assert header["sha256"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("agent.safetensors", "replay.safetensors", "run.json")
    }


def test_every_file_is_as_readable_as_the_umask_says(tmp_path):
    folder = save(tmp_path / "c")
    (tmp_path / "plain").touch()
    expected = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {expected}


def test_saving_again_replaces_the_whole_folder(tmp_path):
    folder = save(tmp_path / "best")
    save(folder, meta=META | {"seed": 8}, run=None, replay=None)
    assert names(folder) == ["agent.json", "agent.safetensors"]
    assert load_checkpoint(folder)[0]["seed"] == 8
    assert names(tmp_path) == ["best"]


def test_a_link_to_a_checkpoint_is_read_but_not_written_through(tmp_path):
    (tmp_path / "link").symlink_to(save(tmp_path / "best"))
    assert load_checkpoint(tmp_path / "link")[0]["seed"] == 7
    with pytest.raises(CheckpointError) as error:
        save(tmp_path / "link", meta=META | {"seed": 8})
    cause = "is a link, and links inside a run's folder are not followed"
    assert str(error.value) == f"{tmp_path}/link: cannot be written: {cause}"
    assert load_checkpoint(tmp_path / "best")[0]["seed"] == 7


# What cannot be saved


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_saved(tmp_path, value):
    with pytest.raises(NonFiniteError, match=r"^critic.0.0.bias holds a NaN or an infinity; .*/best is not written$"):
        save(tmp_path / "best", tensors=TENSORS | {"critic.0.0.bias": np.array([1, value], np.float32)})
    assert names(tmp_path) == []


def test_a_failed_save_leaves_the_old_checkpoint_and_no_litter(tmp_path):
    folder = save(tmp_path / "best")
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        save(folder, run={"mean": float("nan")})
    with pytest.raises(TypeError, match="log_alpha has dtype float16, which no checkpoint holds"):
        save(folder, tensors={"log_alpha": np.float16(1)})
    assert load_run(folder)[0] == RUN
    assert names(tmp_path) == ["best"]


def test_only_a_checkpoint_is_ever_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"exists and is not a checkpoint folder; it is left alone$"):
        save(tmp_path)
    with pytest.raises(CheckpointError, match=r"/thesis.tex: exists and is not a checkpoint folder; it is left alone$"):
        save(tmp_path / "thesis.tex")
    assert names(tmp_path) == ["thesis.tex"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"/file/best: cannot be written: Not a directory"):
        save(tmp_path / "file" / "best")


# Which checkpoint


def test_a_run_dir_means_its_last_checkpoint(tmp_path):
    for step in (500, 10_000, 2_500):
        save(tmp_path / "checkpoints" / f"step_{step}", meta=META | {"seed": step})
    save(tmp_path / "checkpoints" / "best")
    (tmp_path / "checkpoints" / ".step_20000.tmp").mkdir()
    (tmp_path / "checkpoints" / "step_30000").mkdir()  # not complete
    (tmp_path / "checkpoints" / "step_x").mkdir()
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step_10000"
    assert load_checkpoint(tmp_path)[0]["seed"] == 10_000
    assert find_checkpoint(tmp_path / "checkpoints" / "best") == tmp_path / "checkpoints" / "best"


def test_paths_without_a_checkpoint(tmp_path):
    assert message(tmp_path / "absent") == "PATH: does not exist"
    (tmp_path / "file").touch()
    assert message(tmp_path / "file") == "PATH: is a file; a checkpoint is a folder"
    assert message(tmp_path) == "PATH: holds no checkpoint: neither agent.json nor checkpoints/step_N"
    assert message(tmp_path / ("x" * 300)).startswith("PATH: cannot be read: File name too long")


def test_only_the_newest_checkpoint_keeps_its_replay(tmp_path):
    first, second = save(tmp_path / "checkpoints" / "step_500"), tmp_path / "checkpoints" / "step_1000"
    drop_old_replays(tmp_path / "checkpoints", keep=second)  # which is not there yet
    assert load_run(first)[0] == RUN
    save(second)
    (tmp_path / "checkpoints" / ".step_700.tmp").mkdir()
    drop_old_replays(tmp_path / "checkpoints", keep=second)
    assert names(tmp_path / "checkpoints") == ["step_1000", "step_500"]
    assert load_run(tmp_path)[0] == RUN
    assert load_checkpoint(first)[0]["seed"] == 7
    assert message(first, load_run) == f"PATH: cannot be resumed: only the newest of a run can, {second}"


def test_an_agent_alone_cannot_be_resumed(tmp_path):
    folder = save(tmp_path / "best", run=None, replay=None)
    assert message(folder, load_run) == "PATH: cannot be resumed: it holds an agent only"


# Hostile files

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
            "spec.obs_dtype='object' is not allowed: 'float32' or 'uint8'",
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


def test_the_documented_names_are_the_ones_in_the_code():
    text = (Path(checkpoint.__file__).parents[2] / "docs" / "checkpoints.md").read_text()
    assert f'"format": "{checkpoint.FORMAT}"' in text
    assert f'"format_version": {checkpoint.FORMAT_VERSION}' in text
    for name in (*formats.Header.__annotations__, *EnvSpec._fields):
        assert re.search(rf'"{name}":', text), name
    for name in (checkpoint.AGENT, checkpoint.TENSORS, checkpoint.RUN, checkpoint.REPLAY, *tensors.DTYPES):
        assert f"`{name}`" in text, name
