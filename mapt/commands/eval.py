"""`mapt eval`: predictions against ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mapt.metrics import Results


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(evaluate)


def evaluate(
    gt: Annotated[Path, typer.Argument(help="ground truth: <seq>/<frame>.png, or KITTI-MOTS text")],
    pred: Annotated[Path, typer.Argument(help="predictions: <seq>/<frame>.png, as `mapt track` writes them")],
    dataset: Annotated[
        str, typer.Option("--dataset", help="kitti-step, motchallenge-step, kitti-mots, cityscapes-vps")
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="write the results here")] = None,
    sequences: Annotated[str | None, typer.Option("--sequences", help="only these, by comma")] = None,
    variant: Annotated[str, typer.Option("--variant", help="step or nuscenes")] = "step",
) -> None:
    """Compute PAT, PQ, TQ, STQ, AQ and SQ; every frame counts or the command stops."""
    from rich.console import Console

    from mapt.files import write_json
    from mapt.metrics.folders import LABELS

    if dataset not in LABELS:
        raise InputError(f"--dataset {dataset}: unknown; choose one of {', '.join(LABELS)}")
    if variant not in ("step", "nuscenes"):
        raise InputError(f"--variant {variant}: unknown; choose step or nuscenes")
    console = Console()
    results, recall = _count(gt, pred, dataset, sequences, variant, console)
    show(console, results, recall)
    if json_file:
        write_json(json_file, {**results.to_json(), **({"recall_by_area": recall} if recall else {})})


def _count(
    gt: Path, pred: Path, dataset: str, sequences: str | None, variant: str, console: Console
) -> tuple[Results, dict[str, Any]]:
    from rich.progress import track

    from mapt.metrics import PanopticTrackingMetrics
    from mapt.metrics.folders import LABELS, pair_frames
    from mapt.metrics.recall import RecallByArea

    names = [s.strip() for s in sequences.split(",") if s.strip()] if sequences else None
    pairs = pair_frames(gt, pred, dataset, names)
    metrics = PanopticTrackingMetrics(LABELS[dataset], "nuscenes" if variant == "nuscenes" else "step")
    recall = RecallByArea(LABELS[dataset]) if dataset == "kitti-mots" else None
    for pair in track(pairs, "evaluating", console=console, transient=True):
        truth, guess = pair.read(dataset)
        metrics.update(pair.sequence, truth, guess)
        if recall:
            recall.update(truth, guess)
    return metrics.compute(), recall.to_json() if recall else {}


def show(console: Console, results: Results, recall: dict[str, Any]) -> None:
    """Print results as tables, in percent."""
    from rich.table import Table

    table = Table("", "PAT", "PQ", "TQ", "STQ", "AQ", "SQ", "IDS", "tracks")
    for name, s in [*results.sequences.items(), ("all", results.dataset)]:
        values = [_percent(v) for v in (s.PAT, s.PQ, s.TQ, s.STQ, s.AQ, s.SQ)]
        table.add_row(name, *values, f"{s.IDS}/{s.N_IDS}", str(s.num_gt_tracks), style="bold" if name == "all" else "")
    console.print(table)
    classes = Table("class", "PQ", "IoU", "TQ", "PAT", "IDS")
    for name, c in results.classes.items():
        classes.add_row(
            name, _percent(c.PQ), _percent(c.IoU), _percent(c.TQ), _percent(c.PAT), "-" if c.IDS is None else str(c.IDS)
        )
    console.print(classes)
    for name, areas in recall.items():
        found = ", ".join(f"{area} px {v['found']}/{v['masks']}" for area, v in areas.items())
        console.print(f"recall of {name} masks by area: {found}", highlight=False)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
