"""YAML and JSON that a stranger wrote: every single refusal, by its whole message."""

import pytest
from refused import refused

from rlpair.disk.documents import parse_json, parse_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object:os.system x", "line 1 has a tag, an anchor or an alias (!, & or *)"),
        ("a: !x 1", "line 1 has a tag, an anchor or an alias (!, & or *)"),
        ("b: 1\na: &x 1", "line 2 has a tag, an anchor or an alias (!, & or *)"),
        ("b: 1\na: *x", "line 2 has a tag, an anchor or an alias (!, & or *)"),
        ("[" * 21, "it is nested in more than 20 levels"),
        ("a: 1\na: 2", "the key 'a' comes twice"),
        (f"{'a' * 70}: 1\n{'a' * 70}: 2", f"the key '{'a' * 60}...' comes twice"),
        ("1: 2", "the key 1 is not a text"),
        ("a: 2020-01-01", "line 1 has '2020-01-01': a text wants quotes"),
        ("a: " + "1" * 101, f"line 1 has '{'1' * 100}': a text wants quotes"),
        ("<<: 1", "line 1 has '<<': a text wants quotes"),
    ],
)
def test_yaml(text: str, message: str) -> None:
    assert refused(lambda: parse_yaml(text.encode()), ValueError) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' comes twice"),
        ("-Infinity", "-Infinity is not a number"),
        ("NaN", "NaN is not a number"),
        ("[" * 100_000, "nested too deeply"),
        ("[1" + ",1" * 250_000 + "]", "more than 250,000 values"),
    ],
    ids=lambda value: value[:20],
)
def test_json(text: str, message: str) -> None:
    assert refused(lambda: parse_json(text.encode()), ValueError) == message
