"""A run's settings by dotted key, and config.yaml, which keeps them in its folder."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from rlpair import files
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError, ConfigError, first_line, reason

Values = dict[str, Any]  # by dotted key
CONFIG = "config.yaml"  # of a run, in its run_dir
LARGEST_CONFIG = 2**20  # bytes


def flat(values: Mapping[Any, Any]) -> Values:
    """``{"algo": {"tau": 1}}`` -> ``{"algo.tau": 1}``."""
    flattened: Values = {}
    for key, value in values.items():
        parts = {f"algo.{name}": x for name, x in value.items()} if key == "algo" and isinstance(value, dict) else {}
        for name, x in (parts or {str(key): value}).items():
            flattened[name] = tuple(x) if isinstance(x, list) else x
    return flattened


def nested(values: Values) -> dict[str, Any]:
    """The inverse of ``flat``."""
    algo = {key.removeprefix("algo."): value for key, value in values.items() if key.startswith("algo.")}
    rest = {key: value for key, value in values.items() if not key.startswith("algo.")}
    return {**rest, "algo": algo}


def save_config(config: RunConfig, run_dir: Path) -> None:
    """Write config.yaml, whole: what ``resume`` and ``evaluate`` start from."""
    files.write(run_dir / CONFIG, to_yaml(config))


def to_yaml(config: RunConfig) -> bytes:
    """What config.yaml holds: the folder has its name from outside, and may be moved."""
    return OmegaConf.to_yaml(OmegaConf.create(config.to_dict() | {"run_dir": None, "resume": None})).encode()


def load_values(run_dir: Path) -> Values:
    """The values in config.yaml by dotted key. Raises CheckpointError where it is not there or not one."""
    try:
        text = files.read(run_dir / CONFIG, LARGEST_CONFIG).decode()
        values = OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))
        assert isinstance(values, dict)
        return flat(values)
    except (OSError, OmegaConfBaseException, YAMLError, ValueError, AttributeError, AssertionError) as error:
        raise CheckpointError(f"{run_dir / CONFIG} is not a run's configuration: {reason(error)}") from error


def load_config(run_dir: Path) -> RunConfig:
    """The configuration in config.yaml. Raises CheckpointError where it is not there or not one."""
    try:
        return RunConfig.from_dict(nested(load_values(run_dir)))
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{run_dir / CONFIG} is not a run's configuration: {first_line(error)}") from error
