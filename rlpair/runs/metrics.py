"""metrics.jsonl read, whoever wrote it: line by line, so that its length does not matter."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from rlpair.disk import files
from rlpair.disk.tensors import reading
from rlpair.errors import refuse
from rlpair.runs.formats import LINE_BYTES, Line
from rlpair.runs.strict import cause_of


def read_records(path: Path, most: int | None = None) -> Iterator[tuple[bytes, Line]]:
    """Read every line of a metrics.jsonl, as it is and as what it says; without one that a kill left half-written.

    Args:
        path: the file.
        most: bytes that it may have, if not any number.

    Raises:
        CheckpointError: it cannot be read, is too large, or a line is not a record.
    """
    with reading(path):
        file = files.open_to_read(path)
    with file:
        if most is not None and (size := os.fstat(file.fileno()).st_size) > most:
            refuse(path, f"has {size:,} bytes, and at most {most:,} are read")
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
