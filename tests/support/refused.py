"""The whole line that something is refused with."""

from collections.abc import Callable
from typing import Any

import pytest


def refused(call: Callable[[], Any], kind: type[Exception]) -> str:
    """The line of the error of that kind that a call has to end with."""
    with pytest.raises(kind) as error:
        call()
    return str(error.value)
