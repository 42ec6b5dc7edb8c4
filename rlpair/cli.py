"""What the commands share: Hydra with structured configs, one line for every error, exit code 2 for a user's."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlpair.config import ALGO_CONFIGS
from rlpair.errors import RLPairError, first_line
from rlpair.help import help_text
from rlpair.overrides import check_overrides, chosen, is_sweep, key_of, parse, unlocked
from rlpair.saved_config import Values, flat


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
            print(help_text(self.name, self.schema, self.has_algo))
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


def values_of(config: DictConfig) -> Values:
    """All values by dotted key; the algorithm's name as ``algo.name``, lists as tuples."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    if "algo" in HydraConfig.get().runtime.choices:
        values["algo"] = {"name": HydraConfig.get().runtime.choices["algo"], **values["algo"]}
    return flat(values)


def run_apart(command: str, overrides: list[str]) -> int:
    """Run one job of a sweep in a process of its own: a framework's settings and memory are a process's."""
    print(f"rlpair: {' '.join(overrides)}", file=sys.stderr)
    return subprocess.run([sys.executable, "-m", f"rlpair.{command}", *overrides], check=False).returncode
