"""Reads and writes tables in Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from mapt.errors import InputError

GROUP = 1000  # rows that are in memory together
Row = Mapping[str, Any]


def check_pyarrow(what: str) -> None:
    """Refuse to begin without pyarrow.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError(f"{what} needs pyarrow; pip install 'mapt[parquet]'") from None


def read_columns(
    file: IO[bytes], name: str, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file.

    Args:
        file: the file.
        name: how messages call it.
        columns: which are wanted; None: all.

    Raises:
        InputError: it is no such file, is damaged, or lacks a column.
    """
    check_pyarrow(name)
    import pyarrow
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
        there = opened.schema_arrow.names
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: is no whole Parquet file ({_first_line(error)}); write it again"
        ) from None
    missing = next((column for column in columns or () if column not in there), None)
    if missing is not None:
        raise InputError(f"{name}: has no column {missing}; it has {', '.join(there)}")
    try:
        for batch in opened.iter_batches(GROUP, columns=columns):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name}: is damaged ({_first_line(error)}); write it again") from None


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def write_table(rows: Iterable[Row], columns: Mapping[str, str]) -> bytes:
    """Return a Parquet file.

    Args:
        rows: values by column; a missing one is null.
        columns: pyarrow's name of each column's type.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()]
    )
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, schema) as writer:
        for group in _groups(rows):
            arrays = [pyarrow.array([row.get(f.name) for row in group], f.type) for f in schema]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return buffer.getvalue()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group = list[Row]()
    for row in rows:
        group.append(row)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group
