"""metrics.jsonl read, whoever wrote it: line by line, so that its length does not matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from rlpair.errors import refuse
from rlpair.formats import LINE_BYTES, Line, cause_of


def read_records(path: Path, file: BinaryIO) -> Iterator[tuple[bytes, Line]]:
    """Every line of a metrics.jsonl, as it is and as what it says; without one that a kill left half-written.

    Args:
        path: named in errors.
        file: open for reading.

    Raises:
        CheckpointError: a line is not a record.
    """
    number = 0
    while text := file.readline(LINE_BYTES + 1):
        number += 1
        if len(text) > LINE_BYTES:
            refuse(path, f"line {number} is not a record: it has more than {LINE_BYTES:,} bytes")
        try:
            record = Line.model_validate_json(text)
        except ValidationError as error:
            if not text.endswith(b"\n"):
                return
            refuse(path, f"line {number} is not a record: {cause_of(error)}")
        yield text, record
