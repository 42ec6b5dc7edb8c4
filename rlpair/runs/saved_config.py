"""A run's settings by dotted key, and config.yaml, which keeps them in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rlpair.algos.registry import find, names, registered
from rlpair.config import RunConfig
from rlpair.disk.documents import parse_yaml
from rlpair.disk.files import write
from rlpair.disk.layout import CONFIG, RunDir
from rlpair.disk.tensors import read_whole
from rlpair.errors import ConfigError, first_line, refuse
from rlpair.runs import formats
from rlpair.runs.strict import brief, refuse_value
from rlpair.settings.groups import groups_of

Values = dict[str, Any]  # by dotted key


def flat(values: Mapping[Any, Any]) -> Values:
    """Flatten every group of settings: ``{"algo": {"tau": 1}}`` -> ``{"algo.tau": 1}``."""
    groups, flattened = {"algo", *groups_of(RunConfig)}, {}
    for key, value in values.items():
        parts = {f"{key}.{name}": x for name, x in value.items()} if key in groups and isinstance(value, dict) else {}
        for name, x in (parts or {str(key): value}).items():
            flattened[name] = tuple(x) if isinstance(x, list) else x
    return flattened


def nested(values: Values) -> dict[str, Any]:
    """Nest settings: the inverse of ``flat``."""
    whole: dict[str, Any] = {}
    for key, value in values.items():
        group, dot, name = key.partition(".")
        if dot:
            whole[group] = (found if isinstance(found := whole.get(group), dict) else {}) | {name: value}
        else:
            whole.setdefault(key, value)
    return whole


def save_config(config: RunConfig, run_dir: Path) -> None:
    """Write config.yaml, whole: what ``resume`` and ``evaluate`` start from. Raises ConfigError where none can be."""
    write(RunDir(run_dir).config, to_yaml(config))


def to_yaml(config: RunConfig) -> bytes:
    """Return what config.yaml holds: the folder has its name from outside, and may be moved.

    Raises ConfigError for settings that could not be read from it again.
    """
    values = config.to_dict() | {"run_dir": None, "resume": None}
    sizes = {}
    for key, value in flat(values).items():
        try:
            part = _dumped({key: value})
            parse_yaml(part)
        except (ValueError, yaml.YAMLError) as error:
            raise ConfigError(key, brief.repr(value), f"what {CONFIG} can hold: {first_line(error)}") from error
        sizes[key] = len(part)
    content, most = _dumped(values), formats.YAML_BYTES
    if len(content) > most:
        key = max(sizes, key=sizes.__getitem__)
        allowed = f"less, as the settings together take {len(content):,} bytes of {CONFIG}, which has at most {most:,}"
        raise ConfigError(key, brief.repr(flat(values)[key]), allowed)
    return content


def _dumped(values: Any) -> bytes:
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return text.encode()


def load_config(run_dir: Path) -> RunConfig:
    """Read the configuration in config.yaml. Raises CheckpointError where it is not there or not one."""
    path = RunDir(run_dir).config
    values = _read_settings(path)
    if registered(name := values["algo"].get("name")) is None:
        refuse_value(path, "algo.name", name, "one of " + ", ".join(names()))
    return _config_of(path, values)


def load_values(run_dir: Path) -> Values:
    """Read the settings in config.yaml, by dotted key, to be shown.

    Those of an algorithm that is not registered are as they stand there. Raises CheckpointError as ``load_config``.
    """
    path = RunDir(run_dir).config
    values = _read_settings(path)
    return flat(values if registered(values["algo"].get("name")) is None else _config_of(path, values).to_dict())


def _read_settings(path: Path) -> dict[str, Any]:
    """Return what config.yaml holds: a mapping, and in it a mapping ``algo``. Raises CheckpointError."""
    content = read_whole(path, formats.YAML_BYTES)
    try:
        values = parse_yaml(content)
    except ValueError as error:
        refuse(path, f"is not a run's configuration: {error}")
    if not isinstance(values, dict) or not isinstance(values.get("algo"), dict):
        refuse(path, "is not a run's configuration: it has no algo")
    return values


def _config_of(path: Path, values: dict[str, Any]) -> RunConfig:
    """Check the settings of a registered algorithm's run. Raises CheckpointError."""
    algo = dict(values["algo"])
    algorithm = find(algo.pop("name"))
    return formats.settings(path, RunConfig, values | {"algo": formats.settings(path, algorithm.config, algo, "algo.")})
