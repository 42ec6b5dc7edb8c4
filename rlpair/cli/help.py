"""What a command prints with --help."""

import textwrap
from typing import Any

from rlpair.algos.registry import algorithms
from rlpair.presets import rows_of
from rlpair.settings.schema import defaults_of, field_docs, keys_of


def help_text(name: str, schema: type[Any], has_algo: bool, after: str, operands: str | None = None) -> str:
    """Return the text of --help: every key with its default and its docstring."""
    before = f"{operands.removesuffix('s').upper()} ... " if operands else ""
    lines = [f"rlpair {name} {before}KEY=VALUE ...     also python -m rlpair.{name}", ""]
    lines += field_lines(schema, "")
    for algorithm in algorithms() if has_algo else ():
        algo = algorithm.name
        lines += ["", f"With algo={algo}:", "", *field_lines(algorithm.config, "algo.")]
        lines += ["", f"Its defaults by environment go over these ({algo}, * is any):", ""]
        for env, values in rows_of(algo).items():
            text = f"  {env}: " + " ".join(f"{key}={written(value)}" for key, value in values.items())
            lines += textwrap.wrap(text, 98, subsequent_indent="      ", break_on_hyphens=False)
    if after:
        lines += ["", after]
    return "\n".join(lines)


def field_lines(schema: type[Any], prefix: str) -> list[str]:
    """Return a line or more for each field of a dataclass: key, default, docstring, wrapped for a terminal."""
    owners, lines = keys_of(schema), []
    docs = {owner: field_docs(owner) for owner in set(owners.values())}
    for name, value in defaults_of(schema).items():
        head = f"{prefix}{name}={'sac' if name == 'algo' and isinstance(value, dict) else written(value)}"
        doc = docs[owners[name]][name.rpartition(".")[2]]
        lines += textwrap.wrap(doc, 98, initial_indent=f"  {head:38}  ", subsequent_indent=" " * 42)
    return lines


def written(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, tuple | list):
        return f"[{','.join(map(written, value))}]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
