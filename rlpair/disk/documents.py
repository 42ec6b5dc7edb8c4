"""JSON and YAML that a stranger may have written, as plain values: null, booleans, numbers, texts, lists and mappings.

How large, how deep and how many is bounded, no key comes twice, and nothing is resolved or constructed: of YAML there
is what JSON has, without tags, anchors and aliases.
"""

import json
from typing import Any

import yaml

from rlpair.errors import first_line, shortened

MOST_VALUES = 250_000  # of a JSON document; up to a kilobyte each by the time that all are found to be wrong
DEEPEST, LONGEST_NUMBER = 20, 100  # of YAML: levels, characters
SCALARS = ("null", "bool", "int", "float", "str")  # and not a timestamp


def parse_json(raw: bytes, most: int = MOST_VALUES) -> Any:
    """Parse strict JSON of at most ``most`` values. Raises ValueError, which says in one line what it is not."""
    if sum(map(raw.count, (b",", b"[", b"{"))) > most:
        raise ValueError(f"more than {most:,} values")
    try:
        return json.loads(raw, object_pairs_hook=_without_twins, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_yaml(raw: bytes) -> Any:
    """Parse a YAML document. Raises ValueError, which says in one line what it is not."""
    try:
        node = yaml.compose(raw.decode("utf-8"), _Loader)
        return None if node is None else _value(node)
    except yaml.YAMLError as error:
        raise ValueError(first_line(error)) from error


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Composes nodes of bounded depth that are a tree: an alias would make it a graph, which can be huge."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} has a tag, an anchor or an alias (!, & or *)")
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested in more than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _value(node: Any) -> Any:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    match node:
        case yaml.MappingNode(value=pairs):
            return _without_twins([(_value(key), _value(value)) for key, value in pairs])
        case yaml.SequenceNode(value=nodes):
            return [_value(each) for each in nodes]
        case yaml.ScalarNode(value=text) if kind in SCALARS and (kind == "str" or len(text) <= LONGEST_NUMBER):
            text.encode("utf-8")  # half of a surrogate pair cannot be
            return yaml.constructor.SafeConstructor().construct_object(node)
    raise ValueError(f"line {node.start_mark.line + 1} has {node.value[:LONGEST_NUMBER]!r}: a text wants quotes")


def _without_twins(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    values = dict[str, Any]()
    for key, value in pairs:
        if not isinstance(key, str):
            raise ValueError(f"the key {shortened(repr(key))} is not a text")
        if key in values:
            raise ValueError(f"the key {shortened(key)!r} comes twice")
        values[key] = value
    return values


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")
