"""Tables on the screen and the JSON of `mapt bench`."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from mapt.bench.ablation import NAMES, mean_and_spread
from mapt.bench.flops import HeadCost
from mapt.bench.run import RunResult
from mapt.metrics import Scores

STAGES = (
    "preprocess", "backbone", "semantic", "instance", "fusion", "motion", "appearance", "association", "output",
    "networks", "frame",
)  # fmt: skip
# Measured once with 2 threads on a machine of this kind; the package is not a dependency of this project.
REFERENCE_POINT = (
    "reference point, not measured here: YOLO11n-seg's network alone, ONNX Runtime, 192x640, 2 threads: 27 ms"
)
PAPER = "paper, Table V: motion head 0.38 M parameters, 3.50 G; FlowNet2 162.51 M, 993.13 G"


def print_heads(console: Console, heads: dict[str, HeadCost]) -> None:
    """Parameters and multiply-adds."""
    table = Table("head", "parameters", "multiply-adds", "per instance")
    for name, cost in heads.items():
        each = f"{cost.per_instance / 1e9:.4f} G" if cost.per_instance else ""
        table.add_row(name, f"{cost.params / 1e6:.3f} M", f"{cost.flops / 1e9:.3f} G", each)
    total = sum(c.params for c in heads.values()), sum(c.flops for c in heads.values())
    table.add_row("all", f"{total[0] / 1e6:.3f} M", f"{total[1] / 1e9:.3f} G", "", style="bold")
    console.print(table)
    console.print(f"One FLOP is one multiply-add. {PAPER}.", highlight=False)


def print_latency(console: Console, result: RunResult) -> None:
    """Milliseconds by stage and backend, and the ratio of the networks."""
    latency = result.latency()
    table = Table("ms", *(f"{name} {q}" for name in latency for q in ("p50", "p95", "p99")))
    for stage in STAGES:
        cells = [f"{latency[name][stage][q]:.1f}" for name in latency for q in ("p50", "p95", "p99")]
        table.add_row(stage, *cells, style="bold" if stage in ("networks", "frame") else "")
    console.print(table)
    names = list(latency)
    for name in names[1:]:
        for stage in ("networks", "frame"):
            ratio = latency[names[0]][stage]["p50"] / latency[name][stage]["p50"]
            console.print(f"{stage}: {name} is {ratio:.2f} times as fast as {names[0]} (p50)", highlight=False)
    console.print(REFERENCE_POINT, highlight=False)


def print_accuracy(console: Console, result: RunResult) -> None:
    """Scores of every backend, and the frames whose ids differ."""
    table = Table("backend", "PAT", "PQ", "TQ", "STQ", "IDS")
    for name, s in result.scores.items():
        table.add_row(name, *(percent(v) for v in (s.PAT, s.PQ, s.TQ, s.STQ)), f"{s.IDS}/{s.N_IDS}")
    console.print(table)
    if not result.differences:
        console.print(f"identities equal in all {result.frames} frames", highlight=False)
    for d in result.differences:
        console.print(
            f"{d.backend} {d.sequence} frame {d.frame}: ids differ ({d.pixels} pixels), narrowest decision so far "
            f"{d.margin:.2e}",
            highlight=False,
        )


def print_ablation(console: Console, scores: dict[str, list[Scores]], seeds: list[int]) -> None:
    """Mean and spread over seeds."""
    table = Table("association", "PAT", "PQ", "TQ", "STQ", "AQ", "IDS")
    for association, name in NAMES.items():
        cells = []
        for key in ("PAT", "PQ", "TQ", "STQ", "AQ"):
            mean, spread = mean_and_spread([getattr(s, key) for s in scores[association]])
            cells.append(f"{100 * mean:.2f} ± {100 * spread:.2f}")
        table.add_row(name, *cells, f"{sum(s.IDS for s in scores[association])}")
    console.print(table)
    console.print(f"mean and standard deviation over seeds {', '.join(map(str, seeds))}", highlight=False)


def to_json(
    machine: dict[str, object], bundle: dict[str, object], heads: dict[str, HeadCost], result: RunResult | None,
    ablation: dict[str, list[Scores]] | None = None,
) -> dict[str, object]:  # fmt: skip
    """The JSON of `mapt bench --json`."""
    out: dict[str, object] = {
        "machine": machine,
        "bundle": bundle,
        "heads": {name: asdict(cost) for name, cost in heads.items()},
        "latency_ms": result.latency() if result else {},
        "accuracy": {
            name: {k: getattr(s, k) for k in ("PAT", "PQ", "TQ", "STQ", "IDS")}
            for name, s in (result.scores if result else {}).items()
        },
    }
    if result:
        out["parity"] = {"frames": result.frames, "differences": [asdict(d) for d in result.differences]}
    if ablation:
        out["ablation"] = {name: [asdict(s) for s in scores] for name, scores in ablation.items()}
    return out


def percent(value: float | None) -> str:
    """A fraction in percent, a dash where undefined."""
    return "-" if value is None else f"{100 * value:.2f}"
