"""What the commands share: Hydra with structured configs, one line for every error, exit code 2 for a user's."""

import ast
import dataclasses
import difflib
import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from rlpair.config import ALGO_CONFIGS, DEFAULTS, RunConfig
from rlpair.errors import CheckpointError, ConfigError, RLPairError

Values = dict[str, Any]  # by dotted key
CONFIG = "config.yaml"  # of a run, in its run_dir
TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "tuple[int, ...]": "a list of whole numbers, such as [256,256]",
    "dict[str, Any]": "a mapping, such as {KEY:VALUE}",
    "float | str": "a number or a text",
    "None": "null",
}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: ``python -m rlpair.<name> KEY=VALUE ...``."""

    name: str
    schema: type[Any]  # a dataclass: its keys, their types, defaults and docstrings
    task: Callable[[Values, set[str]], int]  # (all values by dotted key, which of them were given) -> exit code
    has_algo: bool = False  # whether ``algo`` is a key, with the algorithm's own settings under it
    prepare: Callable[[list[str]], list[str]] = list  # what to make of the arguments first

    def main(self) -> int:
        """Parse ``sys.argv``, run the task and return the exit code."""
        arguments = sys.argv[1:]
        if {"--help", "-h"} & set(arguments):
            print(self.help())
            return 0
        try:
            return self._run(self.prepare(arguments))
        except RLPairError as error:
            print(f"rlpair: {error}", file=sys.stderr)
        except (HydraException, OmegaConfBaseException) as error:
            print(f"rlpair: {first_line(error)}", file=sys.stderr)
        return 2

    def _run(self, arguments: list[str]) -> int:
        overrides = parse(arguments)
        schemas = {"": OmegaConf.structured(self.schema)}
        if self.has_algo:
            algo = chosen(overrides, "algo", "sac")
            names = ALGO_CONFIGS if is_sweep(overrides, "algo") else {algo: ALGO_CONFIGS[algo]}
            schemas |= {f"algo.{name}": OmegaConf.structured(schema) for name, schema in names.items()}
        check_overrides(overrides, schemas)
        exit_codes: list[int] = []
        errors: list[RLPairError] = []

        def job(config: DictConfig) -> None:
            given = list(HydraConfig.get().overrides.task)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                exit_codes.append(run_apart(self.name, given))
                return
            try:
                exit_codes.append(self.task(values_of(config), {key_of(o) for o in parse(given)}))
            except RLPairError as error:  # past Hydra, which would print a line of its own
                errors.append(error)

        self._register()
        os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come up as exceptions, not as Hydra's own many lines
        sys.argv[1:] = [unlocked(argument) for argument in arguments]
        hydra.main(version_base="1.3", config_path=None, config_name=self.name)(job)()
        if errors:
            raise errors[0]
        return next((code for code in exit_codes if code), 0)

    def _register(self) -> None:
        """The schema as Hydra's primary config, told to write no folder and to leave logging alone."""
        store = ConfigStore.instance()
        quiet = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]
        node = OmegaConf.create(
            {
                "defaults": [*([{"algo": "sac"}] if self.has_algo else []), "_self_", *quiet],
                "hydra": {"output_subdir": None, "run": {"dir": "."}, "sweep": {"dir": "runs/multirun", "subdir": "."}},
            }
        )
        fields = OmegaConf.structured(self.schema)
        OmegaConf.set_readonly(fields, False)
        store.store(
            name=f"{self.name}_schema",
            node={k: v for k, v in fields.items_ex(resolve=False) if not (self.has_algo and k == "algo")},
        )
        node.defaults.insert(0, f"{self.name}_schema")
        store.store(name=self.name, node=node)
        for name, schema in ALGO_CONFIGS.items() if self.has_algo else ():
            algo = OmegaConf.structured(schema)
            OmegaConf.set_readonly(algo, False)
            store.store(group="algo", name=name, node=algo)

    def help(self) -> str:
        """Every key with its default and its docstring."""
        lines = [f"python -m rlpair.{self.name} KEY=VALUE ...", ""]
        lines += describe(self.schema, "")
        for name, schema in ALGO_CONFIGS.items() if self.has_algo else ():
            lines += ["", f"With algo={name}:", "", *describe(schema, "algo.")]
            lines += ["", f"Its defaults by environment go over these ({name}, * is any):", ""]
            for env, values in DEFAULTS[name].items():
                text = f"  {env}: " + " ".join(f"{key}={value}".replace(", ", ",") for key, value in values.items())
                lines += textwrap.wrap(text, 98, subsequent_indent="      ", break_on_hyphens=False)
        return "\n".join([*lines, "", "-m sweeps: -m seed=0,1,2 backend=torch,jax runs each combination in a process."])


def parse(arguments: list[str]) -> list[Override]:
    """The overrides among the arguments (flags such as -m are Hydra's). Raises ConfigError for what is none."""
    parsed = []
    for argument in arguments:
        if argument.startswith("-"):
            continue
        try:
            parsed += OverridesParser.create().parse_overrides([argument])
        except HydraException as error:
            raise ConfigError("argument", argument, "KEY=VALUE") from error
    return parsed


def key_of(override: Override) -> str:
    """Its dotted key; a mapping's own keys count as the mapping."""
    key = override.key_or_group
    return "env_kwargs" if key.startswith("env_kwargs.") else key


def chosen(overrides: list[Override], key: str, default: str) -> str:
    """The value given for a key that names one of a few."""
    given = [o.value() for o in overrides if o.key_or_group == key and not o.is_sweep_override()]
    value = str(given[-1]) if given else default
    if value not in ALGO_CONFIGS:
        raise ConfigError(key, value, "one of " + ", ".join(ALGO_CONFIGS))
    return value


def is_sweep(overrides: list[Override], key: str) -> bool:
    """Whether several values are given for the key."""
    return any(o.key_or_group == key and o.is_sweep_override() for o in overrides)


def check_overrides(overrides: list[Override], schemas: Mapping[str, DictConfig]) -> None:
    """Raises ConfigError for a key that there is not, and for a value of another type."""
    known: dict[str, DictConfig] = {}
    for prefix, schema in schemas.items():
        known |= {f"algo.{key!s}" if prefix else str(key): schema for key in schema}
    for override in overrides:
        key = override.key_or_group
        is_group = key == "algo" and len(schemas) > 1
        if key.startswith("hydra") or is_group or key.startswith("env_kwargs."):
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                key, override.value(), f"there is no such key; {hint}the keys are {', '.join(map(str, known))}"
            )
        if not override.is_sweep_override():
            check_type(known[key], key, override.value())


def check_type(schema: DictConfig, key: str, value: Any) -> None:
    """Raises ConfigError unless the schema takes the value."""
    name = key.rpartition(".")[2]
    scratch = schema.copy()
    OmegaConf.set_readonly(scratch, False)
    try:
        OmegaConf.update(scratch, name, value)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        kind: Any = OmegaConf.get_type(schema)
        annotation = next(field.type for field in dataclasses.fields(kind) if field.name == name)
        raise ConfigError(key, value, type_name(annotation)) from error


def type_name(annotation: Any) -> str:
    """int | None -> a whole number or null."""
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    text = text.replace("typing.", "")
    return TYPES.get(text) or " or ".join(TYPES.get(part, part) for part in text.split(" | "))


def unlocked(argument: str) -> str:
    """env_kwargs takes any key, where Hydra wants a ++ before a new one."""
    return f"++{argument}" if argument.startswith("env_kwargs.") else argument


def values_of(config: DictConfig) -> Values:
    """All values by dotted key; the algorithm's name as ``algo.name``, lists as tuples."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    if "algo" in HydraConfig.get().runtime.choices:
        values["algo"] = {"name": HydraConfig.get().runtime.choices["algo"], **values["algo"]}
    return flat(values)


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
    temp = run_dir / f".{CONFIG}.tmp"
    values = config.to_dict() | {"run_dir": None, "resume": None}
    temp.write_text(OmegaConf.to_yaml(OmegaConf.create(values)), encoding="utf-8")
    os.replace(temp, run_dir / CONFIG)


def load_values(run_dir: Path) -> Values:
    """The values in config.yaml by dotted key. Raises CheckpointError where it is not there or not one."""
    try:
        values = OmegaConf.to_container(OmegaConf.load(run_dir / CONFIG))
        assert isinstance(values, dict)
        return flat(values)
    except (OSError, OmegaConfBaseException, YAMLError, ValueError, AttributeError, AssertionError) as error:
        raise CheckpointError(f"{run_dir / CONFIG} is not a run's configuration: {first_line(error)}") from error


def load_config(run_dir: Path) -> RunConfig:
    """The configuration in config.yaml. Raises CheckpointError where it is not there or not one."""
    try:
        return RunConfig.from_dict(nested(load_values(run_dir)))
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{run_dir / CONFIG} is not a run's configuration: {first_line(error)}") from error


def run_apart(command: str, overrides: list[str]) -> int:
    """Run one job of a sweep in a process of its own: a framework's settings and memory are a process's."""
    print(f"rlpair: {' '.join(overrides)}", file=sys.stderr)
    return subprocess.run([sys.executable, "-m", f"rlpair.{command}", *overrides], check=False).returncode


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


def describe(schema: type[Any], prefix: str) -> list[str]:
    """Each field of a dataclass: key, default, docstring, wrapped for a terminal."""
    defaults, docs, lines = OmegaConf.structured(schema), field_docs(schema), []
    for field in dataclasses.fields(schema):
        value = "sac" if field.name == "algo" else defaults[field.name]
        shown = {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value).replace(", ", ","))
        head = f"{prefix}{field.name}={shown}"
        lines += textwrap.wrap(docs[field.name], 98, initial_indent=f"  {head:38}  ", subsequent_indent=" " * 42)
    return lines


def field_docs(schema: type[Any]) -> dict[str, str]:
    """The string under each field of a dataclass and of its bases."""
    docs = {}
    for base in reversed(schema.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for node, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(node.target, ast.Name):
                docs[node.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return docs
