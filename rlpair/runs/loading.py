"""Checkpoints read, whoever wrote them: agent.json at once, every other file when it is asked for."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlpair.algos.base import OffPolicyConfig
from rlpair.algos.registry import find, names, registered
from rlpair.config import RunConfig
from rlpair.disk import checkpoint
from rlpair.disk.documents import MOST_VALUES, parse_json
from rlpair.disk.layout import AGENT, REPLAY, RUN, TENSORS, step_of
from rlpair.disk.tensors import Tensor, read_shapes, read_tensors, read_whole
from rlpair.envs.spec import unlike
from rlpair.errors import CheckpointError, ConfigError, refuse
from rlpair.nets.arch import named_arrays
from rlpair.replay.buffer import row_prefix
from rlpair.runs import formats
from rlpair.runs.strict import brief, checked, refuse_value
from rlpair.types import EnvSpec, State

RUNS = {"host": formats.HostLoopState, "fused": formats.FusedLoopState}  # by mode: run.json
Check = Callable[[dict[str, Tensor]], None]


class Checkpoint:
    """A checkpoint whose agent.json has been read and found good.

    Attributes:
        folder: that of the checkpoint.
        meta: agent.json.
        config: the algorithm's.
        spec: of the environment that the agent was trained in.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the header at ``path``: a checkpoint, or a run_dir, whose last one is meant. Raises CheckpointError."""
        self.folder = checkpoint.find_checkpoint(path)
        self._header = self.folder / AGENT
        self.meta: dict[str, Any] = checked(self._header, formats.Header, self._read_header())
        self._digests = self.meta["sha256"]
        if (algorithm := registered(self.meta["algo"])) is None:
            refuse_value(self._header, "algo", self.meta["algo"], "one of " + ", ".join(names()))
        self.config = formats.settings(self._header, algorithm.config, self.meta["config"], "algo.")
        self.spec = formats.spec_of(self._header, self.meta["spec"])

    def _read_header(self) -> dict[str, Any]:
        header = read_json(self._header)
        version = header.get("format_version")
        if header.get("format") != checkpoint.FORMAT or type(version) is not int:
            found = brief.repr(header.get("format")), brief.repr(version)
            refuse(self._header, "is not of an rlpair checkpoint: format={}, format_version={}".format(*found))
        if version != checkpoint.FORMAT_VERSION:
            why = "a newer rlpair wrote it" if version > checkpoint.FORMAT_VERSION else "no rlpair wrote it"
            refuse(
                self._header,
                f"has format_version {version}, and this rlpair reads {checkpoint.FORMAT_VERSION}: {why}",
            )
        return header

    def check_networks(self, config: OffPolicyConfig) -> None:
        """Raise CheckpointError unless the networks of these settings are those of the agent: memory is not taken."""
        found = read_shapes(self.folder / TENSORS)
        try:
            networks = find(config.name).networks(config, self.spec)
        except ConfigError as error:
            refuse(self._header, str(error))
        for name, array in named_arrays(networks).items():
            if name not in found or found[name].shape != array.shape:
                there = f"has shape {found[name].shape}" if name in found else "is not there"
                refuse(self.folder, f"{name} {there}, and the settings describe a network with {array.shape}")

    def check_replay(self, config: RunConfig) -> None:
        """Raise CheckpointError where the replay is not as these settings want it, before memory is taken."""
        checkpoint.check_resumable(self.folder)
        path = self.folder / REPLAY
        name = "reward" if config.mode == "host" else f"replay.{row_prefix(self.spec)}reward"
        found = read_shapes(path)
        if name not in found:
            refuse(path, f"it has no {name}, as a run with mode={config.mode} has")
        shape, num_envs = found[name].shape, config.num_envs
        rows = config.algo.buffer_size // num_envs
        if shape[1:] != (num_envs,) or shape[0] > rows or (config.mode == "fused" and shape[0] != rows):
            sizes = f"num_envs={num_envs} and algo.buffer_size={config.algo.buffer_size}"
            refuse(path, f"{name} has shape {shape}, and there is room for {(rows, num_envs)} with {sizes}")

    def state(self, check: Check) -> State:
        """Read the agent's state, once ``check`` lets its names, shapes and dtypes pass. Raises CheckpointError."""
        return self._read(TENSORS, check)

    def replay(self, check: Check) -> State:
        """Read the replay's state in the same way, of a checkpoint that can be resumed."""
        checkpoint.check_resumable(self.folder)
        return self._read(REPLAY, check)

    def run(self, mode: str) -> dict[str, Any]:
        """Read the loop's state. ``mode``: host or fused. Raises CheckpointError."""
        checkpoint.check_resumable(self.folder)
        path = self.folder / RUN
        values = read_json(path, self._digests.get(path.name, "none"))
        if (found := "host" if "envs" in values else "fused") != mode:
            refuse(path, f"is of a run with mode={found}, and not of one with mode={mode}")
        state: dict[str, Any] = checked(path, RUNS[mode], values)
        for name in (self.folder.name, self.folder.parent.name):  # of many seeds: step_N/seed_K
            if (step := step_of(name)) is not None and step != state["env_steps"]:
                refuse_value(path, "env_steps", state["env_steps"], f"{step}, as in {name}")
        return state

    def _read(self, name: str, check: Check) -> State:
        return read_tensors(self.folder / name, self._digests.get(name), check)


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Let a CheckpointError inside, which tells what is wrong, tell of which checkpoint too."""
    try:
        yield
    except CheckpointError as error:
        refuse(folder, str(error))


def check_spec(path: Path, trained: EnvSpec, here: EnvSpec) -> None:
    """Raise CheckpointError unless an agent, of this path, was trained in environments like this one."""
    if (key := unlike(trained, here)) is not None:
        its, own = getattr(trained, key), getattr(here, key)
        refuse(path, f"its agent is of an environment with {key}={its}, and this one has {key}={own}")


def read_json(path: Path, digest: str | None = None, most: int = MOST_VALUES) -> dict[str, Any]:
    """Read the JSON object in a file, of ``most`` values at most.

    Raises CheckpointError, also where ``digest`` is given and is not the file's sha256.
    """
    content = read_whole(path, formats.JSON_BYTES)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        refuse(path, "is corrupt: its sha256 is not the one in agent.json")
    try:
        value = parse_json(content, most)
    except ValueError as error:
        refuse(path, f"is not JSON: {error}")
    if not isinstance(value, dict):
        refuse(path, f"is not a JSON object but a {type(value).__name__}")
    return value
