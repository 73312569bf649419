"""Prints the tables of `mapt bench`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from mapt.bench.accuracy.ablation import VARIANTS, Ablation, out_of_order
from mapt.bench.costs.counts import HeadCost, Operators
from mapt.bench.latency.interleaved import RunResult
from mapt.bench.report.bench_report import Costs, RunReport
from mapt.bench.report.compare import ENOUGH, Change, Report, drift
from mapt.bench.report.constants import (
    CONVENTION,
    NETWORKS,
    PAPER,
    REFERENCE_POINT,
    STAGES,
    percent,
    with_spread,
)

if TYPE_CHECKING:
    from mapt.bench.latency.scaling import Sweep

COMPOSITES = ("PAT", "PQ", "TQ", "STQ", "AQ")  # of the ablation
SHOWN = 10  # frames whose ids differ, one by one


def print_heads(console: Console, heads: dict[str, HeadCost]) -> None:
    """Print parameters and multiply-adds per head."""
    table = Table("head", "parameters", "multiply-adds", "per instance")
    for name, cost in heads.items():
        each = f"{cost.per_instance / 1e9:.4f} G" if cost.per_instance else ""
        table.add_row(name, f"{cost.params / 1e6:.3f} M", f"{cost.flops / 1e9:.3f} G", each)
    total = sum(c.params for c in heads.values()), sum(c.flops for c in heads.values())
    table.add_row("all", f"{total[0] / 1e6:.3f} M", f"{total[1] / 1e9:.3f} G", "", style="bold")
    console.print(table)
    console.print(CONVENTION, highlight=False)


def print_costs(console: Console, costs: Costs) -> None:
    """Print the costs per head, and per kind of operator on model and exported graphs."""
    print_heads(console, costs.heads)
    kinds = [f.name for f in fields(Operators)]
    table = Table("graph, M", "conv.", *kinds[1:], "params", "folded", "agrees")
    for name, cost in costs.subgraphs.items():
        cells = [f"{getattr(cost.graph, kind) / 1e6:.2f}" for kind in kinds]
        numbers = (f"{n / 1e6:.3f}" for n in (cost.graph_params, cost.folded))
        table.add_row(name, *cells, *numbers, "yes" if cost.agree else f"no: model {cost.model}")
    console.print(table)
    base = costs.base_motion
    shared = base.flops - base.per_instance
    each = base.per_instance
    console.print(
        f"motion head of base at 384x1248: {base.params / 1e6:.3f} M parameters, {shared / 1e9:.3f}"
        f" + {each / 1e9:.4f} N G with N instances. {PAPER}.",
        highlight=False,
    )


def print_backends(console: Console, report: RunReport) -> None:
    """Print how far each backend is verified, its memory and its throughput.

    The table also shows how much of the rate of a matrix product each subgraph reaches.
    """
    shown = NETWORKS if report.limits else ()
    table = Table("backend", "frames/s", "MiB", *shown, padding=0)
    for row in report.rows:
        alone = (
            (f"{row.alone.frames_per_second:.1f}", f"{row.alone.peak_mib:.0f}")
            if row.alone
            else ("", "")
        )
        shares = [f"{row.shares[n]:.0%}" if n in row.shares else "" for n in shown]
        if row.providers:
            table.add_row(row.contender.name, *alone, *shares)
    console.print(table)
    note = "frames/s and memory: in a process of its own"
    if report.limits:
        note += (
            "; subgraphs: share of a float32 matrix product's"
            f" {report.limits.flops / 1e9:.0f} GFLOP/s here, a multiply-add being two"
        )
    console.print(note, highlight=False)
    proven = [row.contender.name for row in report.rows if not row.standing.why]
    console.print(f"proven here: {', '.join(proven)}", highlight=False)
    for row in report.rows:
        if row.standing.why:
            line = f"{row.standing.proof}: {row.contender.name}: {row.standing.why}"
            console.print(line, highlight=False, markup=False)


def print_latency(console: Console, result: RunResult) -> None:
    """Print milliseconds by stage and backend, and the ratio of the networks."""
    latency = result.latency()
    table = Table(
        Column("ms, p50", no_wrap=True),
        *(Column(name, overflow="fold") for name in latency),
        padding=0,
    )
    rows = [(stage, stage, "p50") for stage in STAGES] + [
        (f"frame {q}", "frame", q) for q in ("p95", "p99", "max")
    ]
    for title, stage, quantile in rows:
        cells = [f"{latency[name][stage][quantile]:.1f}" for name in latency]
        table.add_row(title, *cells, style="bold" if title in ("networks", "frame") else "")
    console.print(table)
    names = list(latency)
    for name in names[1:]:
        for stage in ("networks", "frame"):
            ratio = latency[names[0]][stage]["p50"] / latency[name][stage]["p50"]
            console.print(
                f"{stage}: {name} is {ratio:.2f} times as fast as {names[0]} (p50)", highlight=False
            )
    console.print(REFERENCE_POINT, highlight=False)


def print_accuracy(console: Console, result: RunResult) -> None:
    """Print the scores of every backend, and the frames whose ids differ."""
    table = Table("backend", "PAT", "PQ", "TQ", "STQ", "IDS")
    for name, s in result.scores.items():
        table.add_row(name, *(percent(v) for v in (s.PAT, s.PQ, s.TQ, s.STQ)), f"{s.IDS}/{s.N_IDS}")
    console.print(table)
    if not result.differences and len(result.scores) > 1:
        console.print(f"identities equal in all {result.frames} frames", highlight=False)
    for d in result.differences[:SHOWN]:
        console.print(
            f"{d.backend} {d.sequence} frame {d.frame}: ids differ ({d.pixels} pixels), narrowest"
            f" decision so far {d.margin:.2e}",
            highlight=False,
        )
    if len(result.differences) > SHOWN:
        console.print(
            f"and {len(result.differences) - SHOWN} more, all of them in --json", highlight=False
        )


def print_ablation(console: Console, found: Ablation, seeds: list[int]) -> None:
    """Print mean and spread over seeds, failed rows, and deviations from the paper's order."""
    table = Table("association", padding=0)  # whose names wrap, so that numbers need not
    for head in (*COMPOSITES, "IDS", "paper"):
        table.add_column(head, no_wrap=True)
    for name, variant in VARIANTS.items():
        scores = found.scores.get(name, [])
        cells = [found.standings[name].proof, *[""] * len(COMPOSITES)]
        if scores:
            cells = [with_spread([getattr(s, key) for s in scores], 1, "±") for key in COMPOSITES]
            cells.append(f"{sum(s.IDS for s in scores)}")
        table.add_row(variant.title, *cells, f"{variant.paper:.2f}")
    console.print(table)
    if len(seeds) > 1:
        over = ", ".join(map(str, seeds))
        note = f"mean±standard deviation over seeds {over}; IDS: their sum"
        console.print(note, highlight=False)
    console.print("paper: its PAT on KITTI-STEP validation", highlight=False)
    for name, standing in found.standings.items():
        if standing.why:
            console.print(
                f"{VARIANTS[name].title}: {standing.why}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    for line in out_of_order(found.scores) or ["means are in the paper's order"]:
        console.print(line, highlight=False)


def print_scale(console: Console, sweeps: dict[str, Sweep]) -> None:
    """Print every sweep with the fitted law of each series."""
    for name, sweep in sweeps.items():
        xs = sorted({x for points in sweep.series.values() for x, _ in points})
        table = Table(f"ms by {name}", *(f"{x:g}" for x in xs), "law")
        for series, points in sweep.series.items():
            law = str(sweep.fits[series]) if series in sweep.fits else ""
            table.add_row(
                series, *(f"{dict(points)[x]:.2f}" if x in dict(points) else "" for x in xs), law
            )
        console.print(table)
        console.print(f"x: {sweep.unit}. {sweep.title}", highlight=False)


def print_changes(console: Console, changes: list[Change], old: Report, new: Report) -> None:
    """Print the changes that a comparison found."""
    console.print(
        f"compared over {len(new['yardstick_ms'])} frames; the machine's pace is"
        f" {drift(old, new):.2f} times then's, which is taken out",
        highlight=False,
    )
    versions = {
        name: (old["machine"]["libraries"].get(name), v)
        for name, v in new["machine"]["libraries"].items()
    }
    for name, (then, now) in versions.items():
        if then != now:
            console.print(f"{name} was {then}, is {now}", highlight=False)
    for change in changes:
        verdict = "[red]worse[/red]" if change.worse else "changed"
        line = f"{verdict} {change.backend} {change.what}: {escape(change.text)}"
        console.print(line, highlight=False, soft_wrap=True)
    enough = len(new["yardstick_ms"]) >= ENOUGH
    if not enough:
        console.print(
            f"latency was not compared: that needs {ENOUGH} frames whose times are kept",
            highlight=False,
        )
    if not any(change.worse for change in changes):
        what = "slower or less accurate" if enough else "less accurate"
        console.print(f"nothing got {what} beyond noise", highlight=False)
