"""Prints the tables of `mapt export`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mapt.export.bundle.compare_outputs import TOLERANCE, Deviation
from mapt.export.precision.accuracy_gate import LIMITS, PrecisionTrial

if TYPE_CHECKING:
    from mapt.export.bundle.writer import Graph
    from mapt.export.precision.mixed_precision import Lowered
    from mapt.export.tensorrt.engines import BuiltEngine

COMPUTED = ("FLOAT", "HALF", "INT8")  # output types of layers that are counted apart


def show_graphs(console: Console, graphs: list[Graph], differences: dict[str, Deviation]) -> None:
    """Print a table with one row per subgraph."""
    table = Table("subgraph", "precision", "parameters", "nodes", "size")
    if differences:
        table.add_column("largest difference from PyTorch")
    for graph in graphs:
        size = f"{graph.size / 2**20:.1f} MiB"
        row = [
            graph.name,
            graph.precision,
            f"{graph.parameters / 1e6:.3f} M",
            str(graph.nodes),
            size,
        ]
        if differences:
            row.append(f"{differences[graph.name].relative:.1e} ({differences[graph.name].tensor})")
        table.add_row(*row)
    console.print(table)
    if differences and any(g.precision != "fp32" for g in graphs):
        console.print(
            f"float32 subgraphs must stay within {TOLERANCE:g}; the others are judged by the task,"
            " and detections that change places count as differences here",
            highlight=False,
        )


def show_trials(console: Console, lowered: Lowered, precision: str, frames: str) -> None:
    """Print what each head costs and gains in the lower precision, and which heads passed.

    For each head that was reverted the table gives the reason.
    """
    limit = LIMITS[precision]
    verdict = lowered.verdict
    console.print(
        f"gate: {frames}; beside fp32, PAT may fall by {limit:g}, TQ by {2 * limit:g}, id switches"
        " rise by a tenth",
        highlight=False,
    )
    table = Table(
        f"in {precision}", "PAT", "TQ", "IDS", "ms fp32", f"ms {precision}", "faster", "gate"
    )
    for trial in verdict.trials:
        score = trial.score
        ms = [lowered.ms[head] for head in trial.heads or lowered.ms]
        full, lower = (sum(column) for column in zip(*ms, strict=True))
        speed = [f"{lower:.1f}", f"{full / lower:.2f}"] if trial.heads else ["", ""]
        told = _told(trial)
        table.add_row(
            _heads(trial, len(lowered.ms)),
            f"{score.pat:.4f}",
            f"{score.tq:.4f}",
            str(score.ids),
            f"{full:.1f}",
            *speed,
            told,
        )
    console.print(table)
    console.print("ms: the subgraphs' medians on this machine, one call each", highlight=False)
    console.print(f"{precision}: {', '.join(verdict.kept) or 'no head passed'}", highlight=False)
    for head, reason in verdict.returned.items():
        console.print(f"back to fp32: {head} ({reason})", highlight=False, soft_wrap=True)


def _told(trial: PrecisionTrial) -> str:
    if not trial.heads:
        return "reference"
    return "; ".join(trial.faults) or "passes"


def _heads(trial: PrecisionTrial, count: int) -> str:
    """Return the names of the heads as a text that fits a table."""
    if not trial.heads:
        return "nothing"
    return "all heads" if len(trial.heads) == count else ", ".join(trial.heads)


def show_engines(
    console: Console, engines: list[BuiltEngine], refused: tuple[str, ...], out: Path
) -> None:
    """Print a table with one row per target.

    It also lists engines that were not built, and engines that were not verified.
    """
    for line in refused:
        console.print(f"not built: {line}", highlight=False, markup=False, soft_wrap=True)
    if not engines:
        return
    table = Table("target", "engines", "size", "seconds", "layers", *COMPUTED)
    for target in dict.fromkeys(e.target for e in engines):
        own = [e for e in engines if e.target == target]
        size = sum((out / e.file).stat().st_size for e in own)
        layers = Counter[str]()
        for types in (types for e in own for types in e.layers.values()):
            layers.update(types)
        row = (
            str(len(own)),
            f"{size / 2**20:.1f} MiB",
            f"{sum(e.seconds for e in own):.1f}",
            str(layers.total()),
        )
        table.add_row(target, *row, *(str(layers[kind]) for kind in COMPUTED))
    console.print(table)
    console.print("layers: all of them, and by the type of what they give", highlight=False)
    console.print(
        f"{engines[0].library} built them; they were not run here, which needs such a GPU",
        highlight=False,
    )
