"""The parts of the HTML report, which `report.html.j2` lays out."""

from __future__ import annotations

from dataclasses import dataclass


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
class Section:
    """A part of the page."""

    title: str
    texts: tuple[str, ...]
    blocks: tuple[Panel, ...]


@dataclass(frozen=True)
class Card:
    """One number on top of the page."""

    value: str
    label: str
