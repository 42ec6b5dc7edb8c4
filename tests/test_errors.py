"""Errors: one line each, whatever is in what they tell."""

import pytest

from rlpair.errors import ConfigError, EnvFailedError, RLPairError


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("one\n  two\tthree\r\n", "one two three"),
        ("\x1b[31mred\x07 \x9b2J", r"\x1b[31mred\x07 \x9b2J"),  # what a terminal would obey
        ("left \u202eright\u2028next", r"left \u202eright next"),  # and what would turn a line around, or break it
        ("café 雪 'quoted' \\", "café 雪 'quoted' \\"),
    ],
)
def test_a_message_is_one_line_without_what_a_terminal_would_obey(message: str, line: str) -> None:
    assert str(RLPairError(message)) == line
    assert str(EnvFailedError("env=x", message).at("step 3")) == f"env=x at step 3: {line}"


def test_a_long_value_is_shown_by_its_beginning() -> None:
    assert str(ConfigError("key", "x" * 498, "short")) == f"key='{'x' * 498}' is not allowed: short"
    assert str(ConfigError("key", "x" * 499, "short")) == f"key='{'x' * 499}... is not allowed: short"
