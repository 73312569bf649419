"""Builds the sections of the HTML report from the JSON of `mapt bench`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mapt.bench.report.constants import (
    CONVENTION,
    NETWORKS,
    PAPER,
    REFERENCE_POINT,
    STAGES,
    percent,
    with_spread,
)
from mapt.bench.report.page import Card, Panel, Section, TableRow
from mapt.bench.report.paper_tables import MISPRINTS, TABLES, PaperTable, Published, mismatches
from mapt.bench.report.plots import curves, stacked_bars

Report = Mapping[str, Any]
QUANTILES = ("p50", "p95", "p99", "max")
COMPOSITES = ("PAT", "PQ", "TQ", "STQ", "AQ", "SQ")


def cards(report: Report) -> list[Card]:
    """Return the few key numbers on top of the report."""
    latency = report["latency_ms"]
    rows = report.get("backends", {})
    ours = _ours(report)
    if ours is None:
        return []
    out = [Card(f"{latency[ours]['frame']['p50']:.1f} ms", f"a frame on {ours}, p50")]
    if "torch" in latency:
        times = latency["torch"]["networks"]["p50"] / latency[ours]["networks"]["p50"]
        out.append(Card(f"{times:.2f} times", "PyTorch eager's speed, networks"))
    if "peak_mib" in rows[ours]:
        out.append(Card(f"{rows[ours]['peak_mib']:.0f} MiB", "most memory, the whole process"))
    accuracy = report["accuracy"][ours]
    out += [
        Card(percent(accuracy["PAT"]), "PAT, percent"),
        Card(str(accuracy["IDS"]), "identity switches"),
    ]
    out.append(
        Card(str(len(report["parity"]["differences"])), "frames in which some backend's ids differ")
    )
    return out


def _ours(report: Report) -> str | None:
    """The bundle's row on ONNX Runtime; None where it was not measured."""
    rows = report.get("backends", {})
    latency = report.get("latency_ms", {})
    return next(
        (name for name, row in rows.items() if row["kind"] == "ort" and name in latency), None
    )


def sections(report: Report) -> list[Section]:
    """Build every section that the report has numbers for, and the paper's tables."""
    makers = (
        ("latency_ms", _latency), ("accuracy", _accuracy), ("operators", _costs),
        ("ablation", _ablation), ("scale", _scale), ("deadline", _deadline),
    )  # fmt: skip
    return [make(report) for key, make in makers if report.get(key)] + [_paper(report)]


def _latency(report: Report) -> Section:
    latency = report["latency_ms"]
    rows = report.get("backends", {})
    shown = [stage for stage in STAGES if stage not in ("networks", "frame")]
    bars = {
        name: {s: stages[s]["p50"] for s in shown if s in stages}
        for name, stages in latency.items()
    }
    blocks = [Panel("Median milliseconds by stage.", svg=stacked_bars(bars, "ms"))]
    frames = [
        TableRow((n, *(f"{s['frame'][q]:.1f}" for q in QUANTILES)), "strong")
        for n, s in latency.items()
    ]
    blocks.append(
        Panel("The whole frame, ms", ("backend", *QUANTILES), tuple(frames), (REFERENCE_POINT,))
    )
    if rows:
        blocks += [_standing(rows), _shares(report)]
    for name, stages in latency.items():
        cells = [
            TableRow((s, *(f"{stages[s][q]:.2f}" for q in QUANTILES)))
            for s in STAGES
            if s in stages
        ]
        blocks.append(
            Panel(f"{name}: every stage, ms", ("stage", *QUANTILES), tuple(cells), folded=True)
        )
    text = (
        "All backends step through the same frames in turn, with the same threads; the first frames"
        " are not counted."
    )
    return Section("Latency", (text,), tuple(blocks))


def _standing(rows: Mapping[str, Any]) -> Panel:
    cells = [
        TableRow(
            (
                name,
                row["proof"],
                f"{row['frames_per_second']:.1f}" if "frames_per_second" in row else "",
                f"{row['peak_mib']:.0f}" if "peak_mib" in row else "",
            )
        )
        for name, row in rows.items()
    ]
    notes = [
        "Frames a second and memory are measured in a process of its own, which runs nothing else."
    ]
    notes += [
        f"{name} is {row['proof']}: {row['why']}." for name, row in rows.items() if row["why"]
    ]
    columns = ("backend", "standing", "frames/s", "peak MiB")
    return Panel("What was proven, throughput and memory", columns, tuple(cells), tuple(notes))


def _shares(report: Report) -> Panel:
    rate = report["limits"]["flops"] / 1e9
    rows = [
        TableRow(
            (
                name,
                *(
                    f"{100 * row['gemm_share'][n]:.0f} %" if n in row["gemm_share"] else ""
                    for n in NETWORKS
                ),
            )
        )
        for name, row in report["backends"].items()
        if row["gemm_share"]
    ]
    note = (
        f"A float32 matrix product of PyTorch reached {rate:.0f} GFLOP/s in this run; a"
        " multiply-add is two FLOPs here."
    )
    return Panel("Share of a matrix product's rate", ("backend", *NETWORKS), tuple(rows), (note,))


def _accuracy(report: Report) -> Section:
    keys = ("PAT", "PQ", "TQ", "STQ")
    rows = [
        TableRow((n, *(percent(s[k]) for k in keys), str(s["IDS"])))
        for n, s in report["accuracy"].items()
    ]
    table = Panel(
        "", ("backend", *keys, "IDS"), tuple(rows), ("From the same artifact and the same run.",)
    )
    differences = report["parity"]["differences"]
    frames = report["parity"]["frames"]
    if not differences:
        return Section(
            "Accuracy and parity", (f"All identities are equal in all {frames} frames.",), (table,)
        )
    cells = [
        TableRow(
            (d["backend"], d["sequence"], str(d["frame"]), str(d["pixels"]), f"{d['margin']:.1e}")
        )
        for d in differences
    ]
    columns = ("backend", "sequence", "frame", "pixels", "narrowest decision so far")
    folded = Panel(
        f"{len(cells)} frames with other ids than the first backend's",
        columns,
        tuple(cells),
        folded=True,
    )
    return Section("Accuracy and parity", (), (table, folded))


def _costs(report: Report) -> Section:
    heads = [
        TableRow(
            (n, f"{c['params'] / 1e6:.3f}", f"{c['flops'] / 1e9:.3f}", _each(c["per_instance"]))
        )
        for n, c in report["heads"].items()
    ]
    total = [sum(c[key] for c in report["heads"].values()) for key in ("params", "flops")]
    heads.append(TableRow(("all", f"{total[0] / 1e6:.3f}", f"{total[1] / 1e9:.3f}", ""), "strong"))
    kinds = ("convolution", "linear", "product", "sample")
    graphs = [
        TableRow(
            (
                name,
                *(f"{cost['graph'][k] / 1e6:.2f}" for k in kinds),
                f"{cost['graph_params'] / 1e6:.3f}",
                "yes" if cost["agree"] else "no",
            ),
            "" if cost["agree"] else "flag",
        )
        for name, cost in report["operators"].items()
    ]
    base = report["base_motion"]
    shared = (base["flops"] - base["per_instance"]) / 1e9
    each = base["per_instance"] / 1e9
    return Section(
        "Cost",
        (
            f"{CONVENTION}.",
            (
                f"The motion head of base at 384x1248: {base['params'] / 1e6:.3f} M parameters, "
                f"{shared:.3f} + {each:.4f} N G for N instances. {PAPER[0].upper()}{PAPER[1:]}."
            ),
        ),
        (
            Panel("Heads", ("head", "parameters, M", "FLOPs, G", "G each instance"), tuple(heads)),
            Panel(
                "The exported graphs, M",
                ("subgraph", *kinds, "parameters", "equal to the model's"),
                tuple(graphs),
            ),
        ),
    )


def _each(flops: float) -> str:
    return f"{flops / 1e9:.4f}" if flops else ""


def _ablation(report: Report) -> Section:
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


def _scale(report: Report) -> Section:
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


def _deadline(report: Report) -> Section:
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


def _paper(report: Report) -> Section:
    text = (
        "Published numbers, in percent, on data and with training that this project does not have:"
        " not measured here. A composite further from its parts than rounding explains is red, with"
        " what the parts give. The last row of each is this run, on the data named above: not"
        " comparable, only beside."
    )
    name = _ours(report)
    ours = report["accuracy"][name] if name else None
    return Section(
        "The paper's tables", (text, MISPRINTS), tuple(_published(table, ours) for table in TABLES)
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
