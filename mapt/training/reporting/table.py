"""Writes CSV tables that grow with a run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from mapt.io.atomic_files import atomic_file


class Table:
    """A CSV table with one row per report.

    Rows after iteration `start` are dropped, because their steps are taken again.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.names: list[str] = []
        if path.is_file():
            header, *rows = path.read_text(errors="replace").splitlines() or [""]
            self.names = header.split(",")[1:]
            whole = [row.split(",") for row in rows if row.count(",") == len(self.names)]
            kept = [
                ",".join(row)
                for row in whole
                if row[0].isascii() and row[0].isdecimal() and int(row[0]) <= start
            ]
            if not kept:  # the new table may have other columns
                path.unlink()
                self.names = []
                return
            with atomic_file(path) as temporary:
                temporary.write_text("".join(line + "\n" for line in (header, *kept)))

    def append(self, iteration: int, values: Mapping[str, float]) -> None:
        """Write a row. The first row determines the columns, and is preceded by a header.

        Args:
            iteration: iterations so far.
            values: numbers by column. Missing ones become NaN.
        """
        fresh = not self.names
        self.names = self.names or list(values)
        with self.path.open("a", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            if fresh:
                table.writerow(["iteration", *self.names])
            table.writerow(
                [iteration, *(f"{values.get(name, float('nan')):.6g}" for name in self.names)]
            )
