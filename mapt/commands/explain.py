"""`mapt explain`: explains the identity decisions of a track."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(explain)


def explain(
    run: Annotated[
        Path,
        typer.Argument(metavar="OUT/<seq>", help="a sequence's folder written by `mapt track`"),
    ],
    track: Annotated[
        int | None, typer.Option("--track", help="the track's id; default: list every track")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="the tracked frames; default: the run's video")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="the picture; default: in the run's folder")
    ] = None,
) -> None:
    """Tell the life of a track, and explain every decision about its identity.

    Prints from when to when it was seen and lost, then each decision with its scores and margins.
    Draws a strip of crops above a bar of the whole life. Without --track it lists the lives of all
    tracks, with their classes.
    """
    import numpy as np
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if track is None:
        _list_lives(run)
        return
    from mapt.app.track_history import choose_moments, draw_life, read_decisions, tell_gate
    from mapt.app.track_lives import draw_timeline, find_life
    from mapt.errors import InputError, printable
    from mapt.io.atomic_files import check_writable
    from mapt.io.image_files import write_signed_image

    path = out or run / f"track_{track}.png"
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out {path}: is no picture's name; end it in .png")
    check_writable(out, "--out")
    rows = read_decisions(run, track)
    life = find_life(run, track)
    typer.echo(printable(f"{life.label} {track}: {life.spells()}"))
    table = Table("frame", "decision", "score", "runner-up", "threshold", "margin", "gate")
    for row in rows:
        runner_up = "-" if row["runner_up"] is None else f"{row['runner_up']:.3f}"
        numbers = [f"{row[key]:.3f}" for key in ("score", "threshold", "margin")]
        table.add_row(
            escape(printable(row["frame"])),
            row["stage"],
            numbers[0],
            runner_up,
            *numbers[1:],
            tell_gate(row),
        )
    Console().print(table)
    if images is None and not (run / "video.mp4").exists():
        typer.echo("no picture: the run has no video.mp4; give the tracked frames with --images")
        return
    moments = choose_moments(run, track, rows)
    crops = draw_life(run, track, moments, images)
    timeline = draw_timeline(life, [moment.index for moment in moments], crops.shape[1])
    write_signed_image(path, np.vstack((crops, timeline)))
    typer.echo(f"picture: {printable(str(path))}")


def _list_lives(run: Path) -> None:
    """Print a line for each track: class, first and last frame, frames seen and lost."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mapt.app.track_lives import read_lives
    from mapt.errors import printable

    table = Table("track", "class", "first seen", "last seen", "frames seen", "lost")
    for life in read_lives(run):
        names = [escape(printable(text)) for text in (life.label, life.first, life.last)]
        table.add_row(str(life.track), *names, str(life.count("seen")), str(life.count("lost")))
    Console().print(table)
    typer.echo("explain one of them with --track ID")
