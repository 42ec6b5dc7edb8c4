"""What a command prints with --help."""

import dataclasses
import textwrap
from typing import Any

from omegaconf import OmegaConf

from rlpair.config import ALGO_CONFIGS
from rlpair.presets import DEFAULTS
from rlpair.schema import field_docs


def help_text(name: str, schema: type[Any], has_algo: bool) -> str:
    """Every key with its default and its docstring."""
    lines = [f"python -m rlpair.{name} KEY=VALUE ...", ""]
    lines += describe(schema, "")
    for algo, settings in ALGO_CONFIGS.items() if has_algo else ():
        lines += ["", f"With algo={algo}:", "", *describe(settings, "algo.")]
        lines += ["", f"Its defaults by environment go over these ({algo}, * is any):", ""]
        for env, values in DEFAULTS[algo].items():
            text = f"  {env}: " + " ".join(f"{key}={value}".replace(", ", ",") for key, value in values.items())
            lines += textwrap.wrap(text, 98, subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join([*lines, "", "-m sweeps: -m seed=0,1,2 backend=torch,jax runs each combination in a process."])


def describe(schema: type[Any], prefix: str) -> list[str]:
    """Each field of a dataclass: key, default, docstring, wrapped for a terminal."""
    defaults, docs, lines = OmegaConf.structured(schema), field_docs(schema), []
    for field in dataclasses.fields(schema):
        value = "sac" if field.name == "algo" else defaults[field.name]
        shown = {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value).replace(", ", ","))
        head = f"{prefix}{field.name}={shown}"
        lines += textwrap.wrap(docs[field.name], 98, initial_indent=f"  {head:38}  ", subsequent_indent=" " * 42)
    return lines
