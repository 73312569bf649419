"""Builds the cards and sections of the HTML report from the JSON of `mapt bench`."""

from __future__ import annotations

from collections.abc import Sequence

from mapt.bench.report.constants import percent
from mapt.bench.report.frame_time import frame_ms
from mapt.bench.report.page.elements import Card, Picture, Report, Section, bundle_row
from mapt.bench.report.page.run_sections import accuracy, classes, costs, latency
from mapt.bench.report.page.suite_sections import ablation, deadline, paper, scale


def cards(report: Report) -> list[Card]:
    """Return the few key numbers on top of the report."""
    stages = report["latency_ms"]
    rows = report.get("backends", {})
    ours = bundle_row(report)
    if ours is None:
        return []
    out = [Card(f"{frame_ms(stages[ours]):.1f} ms", f"a frame on {ours}, p50")]
    if "torch" in stages:
        times = stages["torch"]["networks"]["p50"] / stages[ours]["networks"]["p50"]
        out.append(Card(f"{times:.2f} times", "PyTorch eager's speed, networks"))
    if "peak_mib" in rows[ours]:
        out.append(Card(f"{rows[ours]['peak_mib']:.0f} MiB", "most memory, the whole process"))
    scores = report["accuracy"][ours]
    out += [
        Card(percent(scores["PAT"]), "PAT, percent"),
        Card(str(scores["IDS"]), "identity switches"),
    ]
    if len(stages) > 1:
        differ = len(report["parity"]["differences"])
        out.append(Card(str(differ), "frames in which some backend's ids differ"))
    return out


def seen(pictures: Sequence[Picture]) -> list[Section]:
    """Build the section of annotated frames; none without pictures."""
    if not pictures:
        return []
    text = "Classes are tinted. Every object has a mask and a label in the colour of its track."
    return [Section("What it sees", (text,), pictures=tuple(pictures))]


def sections(report: Report) -> list[Section]:
    """Build every section that the report has numbers for, and the paper's tables."""
    makers = (
        ("latency_ms", latency), ("accuracy", accuracy), ("classes", classes),
        ("operators", costs),
        ("ablation", ablation), ("scale", scale), ("deadline", deadline),
    )  # fmt: skip
    return [make(report) for key, make in makers if report.get(key)] + [paper(report)]
