"""The index of an archive: `index.parquet`, a row for each recording that is done."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from mapt.errors import InputError
from mapt.fleet.marks import read_rows
from mapt.fleet.rows.row import ALARMS, COLUMNS, TRACKS
from mapt.fleet.rows.tables import read_columns, write_table
from mapt.io.storage.storage import Storage

NAME = "index.parquet"


def write_index(archive: Storage) -> int:
    """Write the index from the marks of all recordings that are done, also by earlier calls.

    Rows wait in a file without a name, so that memory does not grow with their number.

    Returns:
        The number of recordings.
    """
    names = set[str]()
    count = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for row in read_rows(archive):
            names |= {name for name in row if name.startswith((TRACKS, ALARMS))}
            waiting.write(json.dumps(row) + "\n")
            count += 1
        columns = COLUMNS | dict.fromkeys(sorted(names), "int64")
        archive.write(NAME, write_table(_waiting(waiting), columns))
    return count


def _waiting(file: IO[str]) -> Iterator[dict[str, Any]]:
    file.seek(0)
    for line in file:
        yield json.loads(line)


def read_index(archive: Storage) -> Iterator[dict[str, Any]]:
    """Yield the rows of an archive's index.

    Raises:
        InputError: there is none, or it is not whole.
    """
    data = archive.read(NAME)
    if data is None:
        raise InputError(
            f"{archive.uri}: has no {NAME}; name what `mapt track ... --engine` wrote with --out"
        )
    yield from read_columns(io.BytesIO(data), f"{archive.uri}/{NAME}")
