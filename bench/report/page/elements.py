"""The parts of the HTML report, which `report.html.j2` lays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Report = Mapping[str, Any]  # the JSON of `mapt bench`


@dataclass(frozen=True)
class TableRow:
    """A row of a table; `mark` is "strong", "flag" or nothing."""

    cells: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True)
class Panel:
    """A table or a figure.

    Attributes:
        caption: above a table, below a figure.
        columns: of a table.
        rows: of a table.
        notes: below a table.
        folded: shown on demand.
        svg: of a figure.
    """

    caption: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    notes: tuple[str, ...] = ()
    folded: bool = False
    svg: str = ""


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, and a line below it."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the page; a folded one is shown on demand."""

    title: str
    texts: tuple[str, ...]
    blocks: tuple[Panel, ...] = ()
    pictures: tuple[Picture, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Card:
    """One number on top of the page."""

    value: str
    label: str


def bundle_row(report: Report) -> str | None:
    """The bundle's row on ONNX Runtime; None where it was not measured."""
    rows = report.get("backends", {})
    latency = report.get("latency_ms", {})
    return next(
        (name for name, row in rows.items() if row["kind"] == "ort" and name in latency), None
    )
