"""Worker processes: what ends one is said where it was asked."""

import os

from refused import refused

from rlpair.errors import RLPairError
from rlpair.system.workers import Workers, usable_cores


def test_a_worker_that_is_gone() -> None:
    line = refused(lambda: Workers(os._exit, [(3,), (3,)], [usable_cores()] * 2), RLPairError)
    assert line == "a worker process ended with exit code 3"


def test_what_one_of_several_workers_cannot_make() -> None:
    line = refused(lambda: Workers(int, [("1",), ("one",)], [usable_cores()] * 2), RuntimeError)
    assert line.endswith("ValueError: invalid literal for int() with base 10: 'one'\n")
