"""How a document is held against a type, strictly, and how it is said what is off: in one line."""

import reprlib
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic import with_config as configured

from rlpair.errors import refuse, shortened

STRICT = configured(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
WORDS = {  # of pydantic's types of errors; others say it well themselves
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number that is neither infinite nor NaN",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_attributes_type": "a mapping",
}
brief = reprlib.Repr()
brief.maxlevel, brief.maxstring, brief.maxother, brief.maxlong = 2, 60, 60, 60


def refuse_value(path: Path, key: str, value: object, allowed: str) -> NoReturn:
    """Raise CheckpointError that names the key, the value, shortened, and what is allowed."""
    refuse(path, _cause(key, value, allowed))


def _cause(key: str, value: object, allowed: str) -> str:
    return f"{key}={brief.repr(value)} is not allowed: {allowed}"


def checked(path: Path, kind: Any, value: Any) -> Any:
    """Return a document's value, if it is of that kind: a type, as pydantic takes it. Raises CheckpointError."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        refuse(path, cause_of(error))


def cause_of(error: ValidationError) -> str:
    """Say what is off first: the key, the value, shortened, and what is allowed."""
    first = error.errors(include_url=False)[0]
    parts = (f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in first["loc"])
    key = "".join(parts).removeprefix(".")
    match first["type"]:
        case "missing":
            return f"it lacks {key}"
        case "extra_forbidden":
            return f"it has an unknown key, {key}"
        case "json_invalid":
            return first["msg"]
        case kind:
            text = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            return _cause(key or "its content", first["input"], WORDS.get(kind, text))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
