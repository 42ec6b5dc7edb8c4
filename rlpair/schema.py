"""Settings are dataclasses: which values their fields take, said in words, and what their docstrings tell."""

import ast
import dataclasses
import inspect
import textwrap
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlpair.errors import ConfigError

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
