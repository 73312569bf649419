"""The sections of a run over the frames: latency, accuracy, classes and cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapt.bench.report.constants import (
    CONVENTION,
    NETWORKS,
    PAPER,
    REFERENCE_POINT,
    STAGES,
    percent,
)
from mapt.bench.report.frame_time import split_frame
from mapt.bench.report.page.elements import Panel, Report, Section, TableRow, bundle_row
from mapt.bench.report.page.plots import curves, grouped_bars, stacked_bars

QUANTILES = ("p50", "p95", "p99", "max")
SPLIT = (
    "The median frame. Every stage gets its share of the time of all frames; rest is what a step"
    " does beside its stages."
)
OVER_TIME = "Every frame whose time was kept, one after another."


def latency(report: Report) -> Section:
    """Show the milliseconds of every backend: by stage, over time, as quantiles."""
    stages_of = report["latency_ms"]
    rows = report.get("backends", {})
    samples = report.get("samples_ms", {})
    bars = {name: split_frame(stages, samples.get(name)) for name, stages in stages_of.items()}
    blocks = [Panel(SPLIT, svg=stacked_bars(bars, "ms"))]
    over_time = {
        name: list(enumerate(stages["frame"])) for name, stages in samples.items() if stages
    }
    if over_time:
        blocks.append(Panel(OVER_TIME, svg=curves(over_time, "frame", "ms")))
    frames = [
        TableRow((n, *(f"{s['frame'][q]:.1f}" for q in QUANTILES)), "strong")
        for n, s in stages_of.items()
    ]
    blocks.append(
        Panel("The whole frame, ms", ("backend", *QUANTILES), tuple(frames), (REFERENCE_POINT,))
    )
    if rows:
        blocks += [_standing(rows), *([_shares(report)] if "limits" in report else [])]
    for name, stages in stages_of.items():
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
    alone = any("peak_mib" in row for row in rows.values())
    cells = []
    for name, row in rows.items():
        numbers = [
            f"{row['frames_per_second']:.1f}" if "frames_per_second" in row else "",
            f"{row['peak_mib']:.0f}" if "peak_mib" in row else "",
        ]
        cells.append(TableRow((name, row["proof"], *(numbers if alone else ()))))
    notes = [f"{name} is {row['proof']}: {row['why']}." for name, row in rows.items() if row["why"]]
    if not alone:
        return Panel("What was proven", ("backend", "standing"), tuple(cells), tuple(notes))
    note = (
        "Frames a second and memory are measured in a process of its own, which runs nothing else."
    )
    columns = ("backend", "standing", "frames/s", "peak MiB")
    return Panel("What was proven, throughput and memory", columns, tuple(cells), (note, *notes))


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


def accuracy(report: Report) -> Section:
    """Show the scores of every backend, and the frames whose ids differ."""
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
        alone = len(rows) < 2
        text = "" if alone else f"All identities are equal in all {frames} frames."
        title = "Accuracy" if alone else "Accuracy and parity"
        return Section(title, (text,) if text else (), (table,))
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


def classes(report: Report) -> Section:
    """Draw the scores of each class, of the bundle's row or else of the first."""
    scores_of = report["classes"]
    name = bundle_row(report)
    if name not in scores_of:
        name = next(iter(scores_of))
    keys = ("IoU", "PQ", "TQ")
    bars = {
        label: {key: 100 * scores[key] for key in keys if scores.get(key) is not None}
        for label, scores in scores_of[name].items()
    }
    columns = ("PQ", "IoU", "TQ", "PAT")
    rows = [
        TableRow(
            (
                label,
                *(percent(scores.get(key)) for key in columns),
                "-" if scores.get("IDS") is None else str(scores["IDS"]),
            )
        )
        for label, scores in scores_of[name].items()
    ]
    return Section(
        "Classes",
        (f"On {name}, percent. Only things are tracked and have a TQ.",),
        (
            Panel(svg=grouped_bars(bars, 100)),
            Panel("The numbers", ("class", *columns, "IDS"), tuple(rows), folded=True),
            *_sizes(report.get("objects_by_size", {}).get(name, {})),
        ),
    )


def _sizes(objects: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[Panel]:
    """Show how many objects of each size were found, missed and invented."""
    rows = [
        TableRow(
            (
                label if first else "",
                part,
                str(counts["masks"]),
                str(counts["found"]),
                str(counts["masks"] - counts["found"]),
                str(counts["false"]),
            )
        )
        for label, parts in objects.items()
        for first, (part, counts) in zip(
            [True, *[False] * (len(parts) - 1)], parts.items(), strict=True
        )
    ]
    columns = ("class", "pixels, root of the area", "objects", "found", "missed", "false")
    note = "An object is found if a prediction of its class has an IoU above one half with it."
    return [Panel("Objects by size", columns, tuple(rows), (note,))] if rows else []


def costs(report: Report) -> Section:
    """Show parameters and multiply-adds of heads and graphs."""
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
