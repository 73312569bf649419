"""Reports the parity ladder as tables and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from mapt.bench.parity.margins import EPSILONS, KINDS
from mapt.bench.parity.measure import Parity, SequenceGap
from mapt.bench.parity.paired_backend import Divergence
from mapt.bench.report.constants import percent
from mapt.export.bundle.compare_outputs import TOLERANCE

SHOWN = 10  # frames that are listed one by one
SCORES = ("PAT", "PQ", "TQ", "STQ", "IDS")


def print_parity(console: Console, parity: Parity) -> None:
    """Print the ladder, from tensors to sequences."""
    _print_heads(console, parity)
    _print_frames(console, parity)
    _print_sequences(console, parity)
    _print_margins(console, parity)


def _print_heads(console: Console, parity: Parity) -> None:
    table = Table("head", "precision", "calls", "beyond", "largest difference", "where")
    for name, head in parity.heads.items():
        row = [
            name,
            head.precision,
            str(head.calls),
            str(head.beyond) if head.precision == "fp32" else "-",
        ]
        if head.worst:
            worst = head.worst
            row += [
                f"{worst.relative:.1e} ({worst.tensor})",
                f"{worst.sequence} frame {worst.frame}",
            ]
        else:
            row += ["never ran: nothing was detected", ""]
        table.add_row(*row)
    console.print(table)
    first = parity.first
    if first:
        console.print(
            f"first divergence: {first.head}, frame {first.frame} of {first.sequence} "
            f"({first.tensor}, {first.relative:.1e}, more than {TOLERANCE:g})",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(f"no divergence: every float32 head within {TOLERANCE:g}", highlight=False)
    moved = parity.heads["instance"].reordered
    if moved:
        console.print(
            f"detections in another order: {moved} frames (compared in PyTorch's)", highlight=False
        )
    tied = parity.heads["instance"].tied
    if tied:
        console.print(
            f"other detections by a near tie: {tied} frames (not compared)", highlight=False
        )


def _print_frames(console: Console, parity: Parity) -> None:
    frames = sum(s.frames for s in parity.sequences)
    if not parity.frames:
        console.print(
            f"identities and classes equal in every pixel of all {frames} frames", highlight=False
        )
        return
    changed = sum(f.ids for f in parity.frames)
    console.print(
        f"of {frames} frames {changed} with other ids, {len(parity.frames)} with other pixels",
        highlight=False,
    )
    for f in sorted(parity.frames, key=lambda f: not f.ids)[:SHOWN]:
        what = "ids differ" if f.ids else "ids equal"
        console.print(
            f"  {f.sequence} frame {f.frame}: {what}, {f.pixels} pixels, objects {f.detections[0]}"
            f" -> {f.detections[1]}, narrowest decision so far {f.margin:.1e}",
            highlight=False,
            soft_wrap=True,
        )
    if len(parity.frames) > SHOWN:
        console.print(f"  and {len(parity.frames) - SHOWN} more", highlight=False)


def _print_sequences(console: Console, parity: Parity) -> None:
    labelled = parity.scores is not None
    table = Table("sequence", "frames", "ids differ", "first", "pixels", "tracks", "PAT*", "TQ*")
    for column in ("PAT", "TQ", "IDS") if labelled else ():
        table.add_column(column)
    for s in parity.sequences:
        row = [
            s.sequence,
            str(s.frames),
            str(s.ids_differ),
            "-" if s.first is None else str(s.first),
            f"{100 * s.pixels:.2f} %",
            f"{s.tracks[0]} -> {s.tracks[1]}",
            percent(s.agreement.PAT),
            percent(s.agreement.TQ),
        ]
        table.add_row(*row, *(_truth(s) if labelled else ()))
    console.print(table)
    console.print(
        "pixels: the worst frame's; *: the bundle scored with PyTorch's output as the truth",
        highlight=False,
        soft_wrap=True,
    )


def _truth(sequence: SequenceGap) -> tuple[str, ...]:
    if sequence.scores is None:
        return ("-", "-", "-")
    ours, theirs = sequence.scores
    pairs = (
        (percent(ours.PAT), percent(theirs.PAT)),
        (percent(ours.TQ), percent(theirs.TQ)),
        (ours.IDS, theirs.IDS),
    )
    return tuple(f"{a} -> {b}" for a, b in pairs)


def _print_margins(console: Console, parity: Parity) -> None:
    table = Table("decision", "margin in", "count", "narrowest", *(f"< {e:g}" for e in EPSILONS))
    for kind, tally in parity.margins.items():
        narrow = f"{tally.smallest:.1e}" if math.isfinite(tally.smallest) else "-"
        table.add_row(kind, KINDS[kind], str(tally.total), narrow, *map(str, tally.within))
    console.print(table)


def parity_json(parity: Parity) -> dict[str, Any]:
    """Return all results as plain values; infinite or undefined ones are null."""
    return {
        "precision": parity.precision,
        "tolerance": TOLERANCE,
        "faults": parity.faults(),
        "heads": {
            name: {**asdict(head), "worst": _place(head.worst)}
            for name, head in parity.heads.items()
        },
        "first_divergence": _place(parity.first),
        "frames": [{**asdict(f), "margin": _finite(f.margin)} for f in parity.frames],
        "sequences": [asdict(s) for s in parity.sequences],
        "accuracy": {
            side: {name: getattr(scores, name) for name in SCORES}
            for side, scores in zip(("torch", "bundle"), parity.scores or (), strict=False)
        },
        "margins": {
            kind: {
                "total": tally.total,
                "smallest": _finite(tally.smallest),
                "within": {f"{e:g}": n for e, n in zip(EPSILONS, tally.within, strict=True)},
            }
            for kind, tally in parity.margins.items()
        },
    }


def _place(found: Divergence | None) -> dict[str, Any] | None:
    return {**asdict(found), "relative": _finite(found.relative)} if found else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
