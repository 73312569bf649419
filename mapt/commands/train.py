"""`mapt train`: train a network from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(train)


def train(
    config: Annotated[str, typer.Argument(help="a TOML file, or a shipped name such as nano-street")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value over the configuration")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in --out")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="the run's folder, default runs/<name>")] = None,
    init: Annotated[Path | None, typer.Option("--init", help="weights to start from")] = None,
) -> None:
    """Train a network; writes checkpoints, logs and weights.safetensors into the run's folder."""
    from mapt.training.config import find_config, read_config
    from mapt.training.loop import train as run

    path = find_config(config)
    folder = out or Path("runs") / path.stem
    weights = run(read_config(path, changes or []), folder, resume, init)
    typer.echo(f"weights: {weights}")
