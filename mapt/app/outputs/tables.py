"""Outputs as tables: a row for each visible track of each frame, in CSV or Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from mapt.app.outputs.output import Labelled, Sequence
from mapt.errors import InputError
from mapt.runtime.conversions import COLUMNS, rows

HEAD = {"sequence": "str", "frame": "str", "index": "int64", **COLUMNS}
MISSING_PYARROW = "--save parquet needs pyarrow; pip install 'mapt[parquet]'"


class TableOutput:
    """Collects the rows.

    Args:
        sequence: its name is the first column.
    """

    def __init__(self, sequence: Sequence) -> None:
        self.name = sequence.name
        self.rows: list[tuple[int | float | str, ...]] = []

    def write(self, labelled: Labelled) -> None:
        """Add the frame's rows."""
        start = (self.name, labelled.frame.stem, labelled.index)
        self.rows += [(*start, *row) for row in rows(labelled.labels)]

    def abort(self) -> None:
        """Leave everything: nothing is open."""


class CsvOutput(TableOutput):
    """`tracks.csv`, with the names of the columns in its first line."""

    def __init__(self, folder: Path, sequence: Sequence) -> None:
        super().__init__(sequence)
        self.path = folder / "tracks.csv"

    def finish(self) -> None:
        """Write the file."""
        with self.path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEAD)
            writer.writerows(self.rows)


class ParquetOutput(TableOutput):
    """`tracks.parquet`, the same table with typed columns."""

    def __init__(self, folder: Path, sequence: Sequence) -> None:
        super().__init__(sequence)
        self.path = folder / "tracks.parquet"

    def finish(self) -> None:
        """Write the file."""
        import pyarrow
        from pyarrow import parquet

        kinds = {"str": pyarrow.string(), "int64": pyarrow.int64(), "int32": pyarrow.int32()}
        kinds["float32"] = pyarrow.float32()
        columns: dict[str, Any] = {
            name: pyarrow.array([row[i] for row in self.rows], kinds[kind])
            for i, (name, kind) in enumerate(HEAD.items())
        }
        parquet.write_table(pyarrow.table(columns), self.path)


def check_pyarrow() -> None:
    """Refuse to begin without pyarrow.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError(MISSING_PYARROW) from None
