"""Results as tables on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapt.errors import printable
from mapt.metrics.mot import MotResults
from mapt.metrics.results import Results


def show(console: Console, results: Results, recall: dict[str, Any]) -> None:
    """Print results as tables, in percent."""
    table = Table("", "PAT", "PQ", "TQ", "STQ", "AQ", "SQ", "IDS", "tracks")
    for name, s in [*results.sequences.items(), ("all", results.dataset)]:
        values = [_percent(v) for v in (s.PAT, s.PQ, s.TQ, s.STQ, s.AQ, s.SQ)]
        table.add_row(
            escape(printable(name)),
            *values,
            f"{s.IDS}/{s.N_IDS}",
            str(s.num_gt_tracks),
            style="bold" if name == "all" else "",
        )
    console.print(table)
    classes = Table("class", "PQ", "IoU", "TQ", "PAT", "IDS")
    for name, c in results.classes.items():
        classes.add_row(
            name,
            _percent(c.PQ),
            _percent(c.IoU),
            _percent(c.TQ),
            _percent(c.PAT),
            "-" if c.IDS is None else str(c.IDS),
        )
    console.print(classes)
    for name, areas in recall.items():
        found = ", ".join(
            f"{area} px {v['found']}/{v['masks']}" for area, v in areas.items() if v["masks"]
        )
        if found:
            console.print(f"recall of {name} masks by area: {found}", highlight=False)


def show_mot(console: Console, results: MotResults) -> None:
    """Print HOTA, IDF1 and MOTA by class, in percent and as counts."""
    rows = [*results.classes.items(), ("all", results.dataset)] if results.classes else []
    fractions = ("HOTA", "DetA", "AssA", "LocA", "IDF1", "IDP", "IDR")
    identities = Table("tracking", *fractions)
    for name, s in rows:
        values = [_percent(getattr(s, key)) for key in fractions]
        identities.add_row(name, *values, style="bold" if name == "all" else "")
    clear = Table("tracking", "MOTA\nMOTSA", "sMOTSA", "MOTP\nMOTSP", "IDSW", "FP", "FN", "Frag")
    for name, s in rows:
        clear.add_row(
            name,
            *map(_percent, (s.MOTA, s.sMOTSA, s.MOTP)),
            *map(str, (s.IDSW, s.FP, s.FN, s.Frag)),
            style="bold" if name == "all" else "",
        )
    if rows:
        console.print(identities)
        console.print(clear)


def show_sizes(console: Console, sizes: dict[str, Any]) -> None:
    """Print what was found, missed and false, by class and by the root of the area."""
    table = Table("class", "pixels, root of the area", "objects", "found", "missed", "false")
    for name, parts in sizes.items():
        for row, (part, count) in enumerate(parts.items()):
            missed = count["masks"] - count["found"]
            numbers = (count["masks"], count["found"], missed, count["false"])
            table.add_row("" if row else name, part, *map(str, numbers))
    if sizes:
        console.print(table)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
