"""The sections of the other suites, and the paper's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mapt.bench.report.constants import percent, with_spread
from mapt.bench.report.page.elements import Panel, Report, Section, TableRow, bundle_row
from mapt.bench.report.page.plots import curves
from mapt.bench.report.paper_tables import MISPRINTS, TABLES, PaperTable, Published, mismatches

COMPOSITES = ("PAT", "PQ", "TQ", "STQ", "AQ", "SQ")


def ablation(report: Report) -> Section:
    """Show the association's variants beside the paper's."""
    rows = []
    for name, about in report["ablation_rows"].items():
        scores = report["ablation"].get(name, [])
        cells = [""] * len(COMPOSITES)
        if scores:
            cells = [with_spread([s[key] for s in scores], 2) for key in COMPOSITES]
        switches = str(sum(s["IDS"] for s in scores)) if scores else ""
        first = (about["title"], about["proof"], cells[0], f"{about['paper_PAT']:.2f}", switches)
        rows.append(TableRow((*first, *cells[1:]), "strong" if name == "full" else ""))
    order = "; ".join(report["out_of_order"]) or "the means are in the paper's order"
    over = (
        f"mean and standard deviation over seeds {', '.join(map(str, report['seeds']))}; IDS:"
        " their sum"
    )
    text = (
        f"Percent{', ' + over if len(report['seeds']) > 1 else ''}. MAPT, each cue alone, IoU"
        f" matching: {order}."
    )
    columns = ("association", "standing", "PAT", "paper's PAT", "IDS", *COMPOSITES[1:])
    notes = [
        "The paper's PAT is of KITTI-STEP validation with its own weights: published, not measured"
        " here."
    ]
    notes += [
        f"{about['title']}: {about['why']}."
        for about in report["ablation_rows"].values()
        if about["why"]
    ]
    return Section("Ablation", (text,), (Panel("", columns, tuple(rows), tuple(notes)),))


def scale(report: Report) -> Section:
    """Show how the cost grows."""
    blocks = []
    for name, sweep in report["scale"].items():
        series = {s: [(p["x"], p["ms"]) for p in points] for s, points in sweep["series"].items()}
        fits = {s: f"{f['text']}" for s, f in sweep["fits"].items()}
        blocks.append(Panel(sweep["title"], svg=curves(series, sweep["unit"], "ms", fits)))
        xs = sorted({p[0] for line in series.values() for p in line})
        cells = [
            TableRow(
                (
                    s,
                    *(f"{dict(line)[x]:.2f}" if x in dict(line) else "" for x in xs),
                    fits.get(s, ""),
                )
            )
            for s, line in series.items()
        ]
        blocks.append(
            Panel(
                f"{name}: the numbers, ms",
                (name, *(f"{x:g}" for x in xs), "fit"),
                tuple(cells),
                folded=True,
            )
        )
    return Section("Scale", (), tuple(blocks))


def deadline(report: Report) -> Section:
    """Show what shorter and shorter deadlines cost."""
    rows = [
        TableRow(
            (
                "none" if p["deadline_ms"] is None else f"{p['deadline_ms']:.1f}",
                *(f"{100 * p[k]:.0f} %" for k in ("late", "no_appearance", "no_motion")),
                f"{p['p50']:.1f}",
                f"{p['p99']:.1f}",
                percent(p["TQ"]),
                str(p["IDS"]),
            )
        )
        for p in report["deadline"]
    ]
    columns = ("deadline ms", "late", "no appearance", "no motion", "p50", "p99", "TQ", "IDS")
    return Section("Deadlines", (), (Panel("", columns, tuple(rows)),))


def paper(report: Report) -> Section:
    """Show the paper's published tables, with this run as the last row of each."""
    text = (
        "Published numbers, in percent, on data and with training that this project does not have:"
        " not measured here. A composite further from its parts than rounding explains is red, with"
        " what the parts give. The last row of each is this run, on the data named above: not"
        " comparable, only beside."
    )
    name = bundle_row(report)
    ours = report["accuracy"][name] if name else None
    return Section(
        "The paper's tables",
        (text, MISPRINTS),
        tuple(_published(table, ours) for table in TABLES),
        folded=True,
    )


def _published(table: PaperTable, ours: Mapping[str, Any] | None) -> Panel:
    keys: Sequence[str] = (
        COMPOSITES if any(row.PAT is not None for row in table.rows) else COMPOSITES[3:]
    )
    rows = [
        TableRow((row.system, *_cells(row, table.decimals, keys)), _mark(row, table))
        for row in table.rows
    ]
    if ours:
        rows.append(
            TableRow(("here, on other data", *(percent(ours.get(key)) for key in keys)), "strong")
        )
    return Panel(f"Table {table.number}: {table.title} (published)", ("system", *keys), tuple(rows))


def _cells(row: Published, decimals: int, keys: Sequence[str]) -> Iterator[str]:
    wrong = {m.score: m for m in mismatches(row, decimals)}
    for key in keys:
        value: float | None = getattr(row, key)
        parts = f" (parts: {wrong[key].parts:.{decimals}f})" if key in wrong else ""
        yield "-" if value is None else f"{value:.{decimals}f}{parts}"


def _mark(row: Published, table: PaperTable) -> str:
    return "flag" if mismatches(row, table.decimals) else ""
