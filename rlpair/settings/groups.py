"""Groups of settings: a field whose type is a dataclass of its own, whose keys stand under the field's name."""

from dataclasses import fields, is_dataclass
from typing import Any


def groups_of(settings: type[Any]) -> dict[str, type[Any]]:
    """Return the groups of a dataclass by the name of their field, in its order."""
    return {
        field.name: field.type
        for field in fields(settings)
        if isinstance(field.type, type) and is_dataclass(field.type)
    }
