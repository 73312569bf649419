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
        Path | None, typer.Option("--model", help="weights or a bundle, default: shipped nano")
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=4, help="per synthetic sequence")] = 50,
) -> None:
    """Render, export, track, score, compare with PyTorch, and leave a video and a contact sheet."""
    from rich.console import Console

    from mapt.demo import run_demo
    from mapt.errors import InputError
    from mapt.io.pretrained import shipped_weights

    chosen = model or shipped_weights()
    if not chosen.exists():
        raise InputError(f"{chosen}: no such weights or bundle; check --model")
    run_demo(out, chosen, source, Console(), frames)
