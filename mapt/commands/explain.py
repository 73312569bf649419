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
    track: Annotated[int, typer.Option("--track", help="the track's id")],
    images: Annotated[
        Path | None, typer.Option("--images", help="the tracked frames; default: the run's video")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="the picture; default: in the run's folder")
    ] = None,
) -> None:
    """Explain every identity decision of a track.

    Prints each decision with its scores and margins, and draws the track's history as a strip of
    crops.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mapt.app.track_history import choose_moments, draw_life, read_decisions, tell_gate
    from mapt.app.visualize import write_picture
    from mapt.errors import InputError, printable
    from mapt.io.atomic_files import check_writable

    path = out or run / f"track_{track}.png"
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out {path}: is no picture's name; end it in .png")
    check_writable(out, "--out")
    rows = read_decisions(run, track)
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
    write_picture(path, draw_life(run, track, choose_moments(run, track, rows), images))
    typer.echo(f"picture: {printable(str(path))}")
