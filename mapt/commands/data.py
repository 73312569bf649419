"""`mapt data`: looks at datasets, checks and converts them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mapt.commands._shared.completion import complete_with, datasets
from mapt.errors import InputError, printable


def register(app: typer.Typer, name: str) -> None:
    """Attach the command group."""
    group = typer.Typer(no_args_is_help=True)
    group.command("check")(check)
    group.command("convert")(convert)
    group.command("stats")(stats)
    group.callback()(_group)
    app.add_typer(group, name=name)


def _group() -> None:
    """Check datasets, convert them, look at their statistics."""


def check(
    root: Annotated[
        Path,
        typer.Argument(
            help="panoptic_maps/<split>/<seq>/<frame>.png, or <seq>/<frame>.png, or texts"
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="kitti-step, motchallenge-step, kitti-mots, cityscapes-vps, or a file of classes",
            autocompletion=complete_with(datasets),
        ),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write what was found here")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="threads; 0: one per core")] = 0,
) -> None:
    """Check every label and image of a dataset.

    Problems are counted, and the first files of each kind are named. The exit code is 2 if there
    are any.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress
    from rich.table import Table

    from mapt.cores import usable_cores
    from mapt.data.tools.check import FIRST, check_dataset
    from mapt.io.atomic_files import check_writable, write_json
    from mapt.metrics.frame_pair import labels_of

    labels_of(dataset)
    check_writable(json_file, "--json")
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("checking", total=None)
        findings = check_dataset(
            root, dataset, workers or usable_cores(), lambda: progress.advance(task)
        )
    if json_file:
        write_json(json_file, findings.to_json())
    for title, kinds in (("problem", findings.problems), ("note", findings.notes)):
        table = Table(title, "count", "first")
        for kind, files in kinds.items():
            if files:
                table.add_row(
                    kind, str(len(files)), escape("\n".join(map(printable, files[:FIRST])))
                )
        if table.row_count:
            console.print(table)
    tracks = (
        ", ".join(
            f"{len(t)} {findings.labels.classes[c]}" for c, t in sorted(findings.tracks.items())
        )
        or "no"
    )
    frames = sum(findings.frames.values())
    console.print(
        f"{len(findings.frames)} sequences, {frames} frames, {tracks} tracks", highlight=False
    )
    count = sum(map(len, findings.problems.values()))
    if count:
        raise InputError(
            f"{root}: {count} problem{'s' * (count > 1)}, see the table; correct the files or take"
            " them anew"
        )


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="KITTI-MOTS <seq>.txt, <seq>/<frame>.png of STEP, or a file of COCO, CVAT or YOLO"
        ),
    ],
    out: Annotated[Path, typer.Argument(help="a new folder")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="<seq>/<frame>.*: which frames there are, for texts"),
    ] = None,
) -> None:
    """KITTI-MOTS run-length text to STEP PNGs and back, and exports of labelling tools to STEP."""
    from rich.console import Console
    from rich.progress import Progress

    from mapt.data.tools.check import label_folders
    from mapt.data.tools.convert import mots_to_step, step_to_mots
    from mapt.data.tools.convert_annotations import annotations_to_step
    from mapt.labels.annotations.formats import CLASS_READERS
    from mapt.labels.mots_text import mots_texts

    if not source.exists():
        raise InputError(f"{source}: no such file or folder; check the path")
    export = source.is_file() and source.suffix.lower() in CLASS_READERS
    texts = {} if export else mots_texts(source)
    folders = {} if export or texts else label_folders(source)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("converting", total=None)

        def on_progress() -> None:
            progress.advance(task)

        if texts:
            message = f"{mots_to_step(texts, out, images, on_progress)} PNGs"
        elif images:
            raise InputError(f"--images {images}: is for texts, {source} holds none; leave it out")
        elif export:
            message = f"{annotations_to_step(source, out, done=on_progress)} images"
        else:
            message = f"{step_to_mots(folders, out, on_progress)} masks"
    count = len(texts or folders)
    of = "" if export else f" of {count} sequence{'s' * (count > 1)}"
    console.print(
        f"{printable(str(out))}: {message}{of}",
        highlight=False,
        soft_wrap=True,
    )


def stats(
    root: Annotated[Path, typer.Argument(help="KITTI-MOTS texts, or <seq>/<frame>.png labels")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write the statistics here")
    ] = None,
) -> None:
    """Sizes, speeds, lifetimes and gaps of cars and people, beside those of KITTI-MOTS."""
    import json

    from rich.console import Console
    from rich.table import Table

    from mapt.data.tools.statistics import REFERENCE, dataset_statistics
    from mapt.io.atomic_files import check_writable, write_json

    check_writable(json_file, "--json")
    found = dataset_statistics(root)
    reference = json.loads(REFERENCE.read_text())
    console = Console()
    for name, own in found.items():
        table = Table(name, "here", "KITTI-MOTS")
        for key, value in own.items():
            table.add_row(key, _cell(value), _cell(reference[name][key]))
        console.print(table)
    console.print(
        "quantiles are p10 / p25 / p50 / p75 / p90; pixels at the dataset's own size",
        highlight=False,
    )
    if json_file:
        write_json(json_file, found)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{v:g}" for v in value.values()) or "-"
    return f"{value:g}"
