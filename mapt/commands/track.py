"""`mapt track`: label a folder of frames, a video or a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from mapt.runtime import PanopticTracker


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(track)


def track(  # noqa: PLR0917  (the command's options)
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="a folder of frames, a video, or a dataset")],
    model: Annotated[Path, typer.Option("--model", help="a bundle, or weights for the PyTorch reference")],
    out: Annotated[Path, typer.Option("--out", help="folder of the outputs")],
    save: Annotated[str, typer.Option("--save", help="any of step,video,json")] = "step,video,json",
    fps: Annotated[float, typer.Option("--fps", min=0.1, help="of a folder of frames")] = 10.0,
    threads: Annotated[int | None, typer.Option("--threads", min=1)] = None,
    association: Annotated[str, typer.Option("--association", help="full, motion, appearance or iou")] = "full",
    sequences: Annotated[str | None, typer.Option("--sequences", help="of a dataset, by comma")] = None,
    size: Annotated[str | None, typer.Option("--size", help="network input HxW, with weights only")] = None,
) -> None:
    """Label every pixel and give every car and person an id that lasts."""
    from rich.progress import Progress

    from mapt.frames import open_sources
    from mapt.tracking import KINDS, track_source

    kinds = tuple(part.strip() for part in save.split(",") if part.strip())
    wrong = next((kind for kind in kinds if kind not in KINDS), None)
    if wrong or not kinds:
        raise InputError(f"--save {save}: {wrong or 'nothing'} is unknown; choose any of {','.join(KINDS)}")
    names = [part.strip() for part in sequences.split(",")] if sequences else None
    sources = open_sources(source, fps, names)
    tracker = open_tracker(model, threads, association, size)
    results = []
    with Progress(transient=True) as progress:
        for entry in sources:
            task = progress.add_task(entry.name, total=len(entry) or None)
            results.append(track_source(tracker, entry, out, kinds, done=lambda t=task: progress.advance(t)))  # type: ignore[misc]
    for r in results:
        typer.echo(f"{r.name}: {r.frames} frames, {r.tracks} tracks, {r.median_ms:.1f} ms a frame (median)")
    typer.echo(f"outputs: {out}")


def open_tracker(
    model: Path, threads: int | None = None, association: str = "full", size: str | None = None
) -> PanopticTracker:
    """A tracker on a bundle's folder or, with PyTorch, on a weight file.

    Raises:
        InputError: neither, or an option that does not fit it.
    """
    from mapt.commands._size import network_size
    from mapt.runtime import PanopticTracker
    from mapt.runtime.tracks import Association

    known = get_args(Association)
    if association not in known:
        raise InputError(f"--association {association}: unknown; choose one of {', '.join(known)}")
    if model.is_dir():
        if size:
            raise InputError("--size: a bundle has one size; export another with `mapt export WEIGHTS --size`")
        return PanopticTracker.load(model, threads=threads, association=association)  # type: ignore[arg-type]
    if not model.exists():
        raise InputError(f"{model}: no such bundle or weights; make a bundle with `mapt export`")
    try:
        from mapt.training.backend import TorchBackend
    except ImportError:
        raise InputError(f"{model}: weights need PyTorch; install mapt[train], or track with a bundle") from None
    backend = TorchBackend.load(model, network_size(size), threads)
    return PanopticTracker(backend, association)  # type: ignore[arg-type]
