"""`mapt demo`: runs every step from rendering to scoring in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(demo)


def demo(
    source: Annotated[
        Path | None, typer.Option("--input", help="real frames or a video, default: synthetic")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="folder of everything written")] = Path(
        "demo-out"
    ),
    model: Annotated[
        str | None,
        typer.Option("--model", help="nano, weights, a bundle, ...; default: nano-synthetic"),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=4, help="per synthetic sequence")] = 50,
) -> None:
    """Render, export, track, score, compare with PyTorch, and leave a video and a contact sheet."""
    from rich.console import Console

    from mapt.commands._shared.model import Model, find_model
    from mapt.demo import run_demo
    from mapt.io.pretrained import DEFAULT, PRETRAINED
    from mapt.probes import importable

    here = PRETRAINED.get(model or DEFAULT.name)
    in_checkout = here and here.weights.is_file() and not Path(here.name).exists()
    if here and in_checkout and importable("torch"):
        found = Model(here.weights, here.name, here.licence)  # exporting them is a step of it
    else:
        found = find_model(model)
    typer.echo(str(found))
    run_demo(out, found.path, source, Console(), frames)
