"""Outputs as tables: a row for each visible track of each frame, in CSV or Parquet."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.errors import InputError
from mapt.runtime.conversions import COLUMNS, rows

HEAD = {"sequence": "str", "frame": "str", "index": "int64", **COLUMNS}
GROUP = 50_000  # rows of a Parquet file that are written together
MISSING_PYARROW = "--save parquet needs pyarrow; pip install 'mapt[parquet]'"


Row = tuple[int | float | str, ...]


def _rows(name: str, labelled: Labelled) -> list[Row]:
    """The rows of a frame of the sequence `name`."""
    start = (name, labelled.frame.stem, labelled.index)
    return [(*start, *row) for row in rows(labelled.labels)]


class CsvOutput:
    """`tracks.csv`, with the names of the columns in its first line."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.name = sequence.name
        self._file = (folder / "tracks.csv").open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(HEAD)

    def write(self, labelled: Labelled) -> None:
        """Write the frame's rows."""
        self._writer.writerows(_rows(self.name, labelled))

    def finish(self) -> None:
        """Complete the file."""
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):  # it is thrown away
            self._file.close()


class ParquetOutput:
    """`tracks.parquet`, the same table with typed columns."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        import pyarrow
        from pyarrow import parquet

        kinds = {"str": pyarrow.string(), "int64": pyarrow.int64(), "int32": pyarrow.int32()}
        kinds["float32"] = pyarrow.float32()
        self.name = sequence.name
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in HEAD.items()])
        self._writer: Any = parquet.ParquetWriter(folder / "tracks.parquet", self._schema)
        self._waiting: list[Row] = []

    def write(self, labelled: Labelled) -> None:
        """Add the frame's rows."""
        self._waiting += _rows(self.name, labelled)
        if len(self._waiting) >= GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow

        columns = [
            pyarrow.array([row[i] for row in self._waiting], field.type)
            for i, field in enumerate(self._schema)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))
        self._waiting.clear()

    def finish(self) -> None:
        """Complete the file."""
        self._write_group()
        self._writer.close()

    def abort(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):  # it is thrown away
            self._writer.close()


def check_pyarrow() -> None:
    """Refuse to begin without pyarrow.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError(MISSING_PYARROW) from None
