"""`mapt synth`: renders procedural street sequences with exact labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapt.errors import InputError, printable


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(synth)


def synth(  # noqa: PLR0917  (one parameter an option)
    out: Annotated[Path, typer.Argument(help="the dataset's folder")],
    sequences: Annotated[int, typer.Option("--sequences", min=1, max=9999)] = 4,
    frames: Annotated[int, typer.Option("--frames", min=1, max=999_999, help="per sequence")] = 40,
    size: Annotated[str, typer.Option("--size", help="HxW, pixels")] = "384x1248",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1)] = 0,
    fps: Annotated[float, typer.Option("--fps", min=0.1, help="frames per second")] = 10.0,
    split: Annotated[str, typer.Option("--split", help="name of the label folder")] = "val",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="processes, default one a core")
    ] = None,
    rare: Annotated[
        float,
        typer.Option(
            "--rare", min=0, max=1, help="up to 1: many trucks, buses, trams and two-wheelers"
        ),
    ] = 0.0,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            help="plain: as ever, for benchmarks; varied: closer to real frames, to train on",
        ),
    ] = "plain",
) -> None:
    """Render street sequences in KITTI-STEP's layout; the same seed gives the same bytes."""
    import time

    from rich.progress import Progress

    from mapt.commands._shared.size import check_rate, parse_size
    from mapt.synthetic import STYLES, write_dataset

    height, width = parse_size(size)
    check_rate(fps)
    if not 0 <= rare <= 1:
        raise InputError(f"--rare {rare}: is no share; give a number within 0..1")
    chosen = next((known for known in STYLES if known == style), None)
    if chosen is None:
        raise InputError(f"--style {style:.100}: is unknown; use {' or '.join(STYLES)}")
    if min(height, width) < 32:
        raise InputError(f"--size {size}: too small to show a street; use at least 32x32")
    if (
        not split.isprintable()
        or split.startswith(".")
        or set("/\\") & set(split)
        or not 0 < len(split) < 100
    ):
        raise InputError(f"--split {split:.100}: is no name of a folder; use one like val")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not empty; choose another folder")
    start = time.monotonic()
    with Progress(transient=True) as progress:
        task = progress.add_task("rendering", total=sequences)
        write_dataset(
            out,
            sequences,
            frames,
            (height, width),
            seed,
            fps,
            split,
            workers,
            rare,
            on_progress=lambda count: progress.update(task, completed=count),
            style=chosen,
        )
    rate = sequences * frames / (time.monotonic() - start)
    made = (
        f"{sequences} sequences of {frames} frames, {height}x{width}, seed {seed}; {rate:.1f}"
        " frames/s"
    )
    typer.echo(f"{printable(str(out))}: {made}")
