"""`mapt eval`: scores predictions against ground truth."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapt.commands._shared.completion import complete_with, datasets
from mapt.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from mapt.engines.choice import EngineOptions
    from mapt.metrics.engine_eval import EvalJob
    from mapt.metrics.evaluate import Evaluation, Variant
    from mapt.metrics.frame_pair import FramePair

VARIANTS = ("step", "nuscenes")


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(evaluate)


def evaluate(  # noqa: PLR0917  (the command's options)
    gt: Annotated[Path, typer.Argument(help="ground truth: <seq>/<frame>.png, or KITTI-MOTS text")],
    pred: Annotated[
        Path, typer.Argument(help="predictions: <seq>/<frame>.png, as `mapt track` writes them")
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="kitti-step, motchallenge-step, kitti-mots, cityscapes-vps, or a file of classes",
            autocompletion=complete_with(datasets),
        ),
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="write the results here")] = None,
    sequences: Annotated[
        str | None, typer.Option("--sequences", help="only these, by comma")
    ] = None,
    variant: Annotated[
        str,
        typer.Option(
            "--variant",
            help="step or nuscenes",
            autocompletion=complete_with(lambda: VARIANTS),
        ),
    ] = "step",
    labelled_only: Annotated[
        bool,
        typer.Option(
            "--labelled-only", help="score the frames with ground truth, leave the others out"
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, help="threads, on an engine sequences at once; 0: one per core"
        ),
    ] = 0,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="share the sequences: local (processes), or ray"),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="of the Ray cluster: auto, or HOST:PORT")
    ] = None,
) -> None:
    """Compute PAT, PQ, TQ, STQ, HOTA, IDF1, MOTA and more; every frame counts or the command stops.

    Under torchrun the sequences are shared among the processes.
    """
    from rich.console import Console

    from mapt.engines.choice import EngineOptions
    from mapt.io.atomic_files import check_writable, write_json
    from mapt.metrics.engine_eval import EvalJob
    from mapt.metrics.folders import pair_frames
    from mapt.metrics.frame_pair import labels_of
    from mapt.metrics.tables import show, show_mot, show_sizes

    labels_of(dataset)
    if variant not in VARIANTS:
        raise InputError(f"--variant {variant}: unknown; {suggest(variant, VARIANTS)}")
    check_writable(json_file, "--json")
    console = Console()
    chosen = [s.strip() for s in sequences.split(",") if s.strip()] if sequences else None
    find = partial(pair_frames, gt, pred, dataset, chosen, labelled_only)
    kind: Variant = "nuscenes" if variant == "nuscenes" else "step"
    if engine or address:
        options = EngineOptions(engine or "local", address, workers or None)
        job = EvalJob(gt.absolute(), pred.absolute(), dataset, kind, labelled_only)
        evaluation: Evaluation | None = _on_engine(find, job, options, console)
    else:
        evaluation = _count(find, dataset, kind, workers, console)
    if evaluation is None:  # another rank shows the results
        return
    show(
        console,
        evaluation.metrics.compute(),
        evaluation.recall.to_json() if evaluation.recall else {},
    )
    show_mot(console, evaluation.mot.compute())
    show_sizes(console, evaluation.sizes.to_json())
    if json_file:
        write_json(json_file, evaluation.to_json())


def _on_engine(
    find: Callable[[], list[FramePair]], job: EvalJob, options: EngineOptions, console: Console
) -> Evaluation:
    from rich.progress import Progress

    from mapt.engines.choice import open_engine
    from mapt.metrics.engine_eval import evaluate_on_engine

    names = list(dict.fromkeys(pair.sequence for pair in find()))  # refuses what does not fit
    with open_engine(options) as engine, Progress(console=console, transient=True) as progress:
        task = progress.add_task("evaluating", total=len(names))
        return evaluate_on_engine(engine, job, names, lambda: progress.advance(task))


def _count(
    find: Callable[[], list[FramePair]],
    dataset: str,
    variant: Variant,
    workers: int,
    console: Console,
) -> Evaluation | None:
    from rich.progress import Progress

    from mapt.cores import usable_cores
    from mapt.engines.torchrun import world_size
    from mapt.metrics.distributed_eval import evaluate_on_ranks
    from mapt.metrics.evaluate import evaluate_pairs

    if world_size() > 1:
        local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return evaluate_on_ranks(find, dataset, variant, workers or max(1, usable_cores() // local))
    pairs = find()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("evaluating", total=len(pairs))
        return evaluate_pairs(
            pairs, dataset, variant, workers or usable_cores(), lambda: progress.advance(task)
        )
