"""Settings are dataclasses: their keys, which values these take, said in words, and what their docstrings tell."""

import ast
import dataclasses
import difflib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlpair.errors import ConfigError
from rlpair.settings.groups import groups_of

Schema = Mapping[str, type[Any]]  # by dotted key, the dataclass that has it as a field
TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "tuple[int, ...]": "a list of whole numbers, such as [256,256]",
    "tuple[str, ...]": "a list of words, such as [torch,jax]",
    "tuple[Any, ...]": "a list",
    "dict[str, Any]": "a mapping, such as {KEY:VALUE}",
    "float | str": "a number or a text",
    "None": "null",
}


def keys_of(settings: type[Any], prefix: str = "") -> dict[str, type[Any]]:
    """Return the schema of a dataclass and of its groups."""
    groups = groups_of(settings)
    schema: dict[str, type[Any]] = {}
    for field in dataclasses.fields(settings):
        key, group = prefix + field.name, groups.get(field.name)
        schema |= keys_of(group, f"{key}.") if group else {key: settings}
    return schema


def defaults_of(settings: type[Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a dataclass and of its groups by dotted key, lists as tuples."""
    groups = groups_of(settings)
    defaults: dict[str, Any] = {}
    for name, value in _values(OmegaConf.structured(settings)).items():
        key = prefix + name
        defaults |= defaults_of(groups[name], f"{key}.") if name in groups else {key: value}
    return defaults


def annotation_of(schema: Schema, key: str) -> Any:
    """Return the type of a key."""
    name = key.rpartition(".")[2]
    return next(field.type for field in dataclasses.fields(schema[key]) if field.name == name)


def is_text(schema: Schema, key: str) -> bool:
    """Return whether the key takes any text."""
    return key in schema and annotation_of(schema, key) in (str, str | None)


def is_mapping(schema: Schema, key: str) -> bool:
    """Return whether the key takes keys of its own."""
    return key in schema and get_origin(annotation_of(schema, key)) is dict


def is_list(annotation: Any) -> bool:
    """Return whether a type is a tuple, or a tuple or None."""
    return tuple in (get_origin(annotation), *map(get_origin, get_args(annotation)))


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that is most like one that is not: algo.learning_rate for lr, algo.lr or learning_rte."""
    name, last = key.rpartition(".")[2], {other: other.rpartition(".")[2] for other in known}
    like = difflib.get_close_matches(name, last.values(), n=1, cutoff=0.6)
    exact = [key for key, other in last.items() if name in (other, "".join(word[0] for word in other.split("_")))]
    other = [key for key, other in last.items() if other in like or name in other.split("_")]
    return next(iter(exact + other), None)


def convert(schema: Schema, key: str, value: Any) -> Any:
    """Convert a value to its field's type: 1e6 to a whole number, one value to a list of it, where such are meant.

    Raises:
        ConfigError: the field does not take it.
    """
    annotation, name, meant = annotation_of(schema, key), key.rpartition(".")[2], value
    if is_list(annotation) and value is not None and not isinstance(value, list):
        meant = [value]
    elif annotation in (int, int | None) and isinstance(value, float) and value.is_integer():
        meant = int(value)
    node = OmegaConf.structured(schema[key])
    OmegaConf.set_readonly(node, False)
    try:
        OmegaConf.update(node, name, meant)
        found = _values(node)[name]
        if isinstance(found, tuple) and "Any" not in str(annotation) and any(isinstance(x, list | dict) for x in found):
            raise TypeError("a list of lists, which OmegaConf lets pass")
    except (OmegaConfBaseException, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(key, value, type_name(annotation)) from error
    return found


def _values(node: DictConfig) -> dict[str, Any]:
    values = OmegaConf.to_container(node)
    assert isinstance(values, dict)
    return {str(key): tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def type_name(annotation: Any) -> str:
    """Name a type in words: int | None -> a whole number or null."""
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    text = text.replace("typing.", "")
    return TYPES.get(text) or " or ".join(TYPES.get(part, part) for part in text.split(" | "))


def field_docs(schema: type[Any]) -> dict[str, str]:
    """Return the string under each field of a dataclass and of its bases."""
    docs = {}
    for base in reversed(schema.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for node, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(node.target, ast.Name):
                docs[node.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return docs
