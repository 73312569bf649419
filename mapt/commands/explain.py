"""`mapt explain`: why a track has its identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mapt.errors import InputError


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(explain)


def explain(
    run: Annotated[Path, typer.Argument(metavar="OUT/<seq>", help="a sequence's folder written by `mapt track`")],
    track: Annotated[int, typer.Option("--track", help="the track's id")],
) -> None:
    """Print every identity decision of a track with its scores and margins."""
    from rich.console import Console
    from rich.table import Table

    path = run / "decisions.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    except OSError:
        raise InputError(f"{path}: no such file; run `mapt track ... --save json` first") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: is damaged; run `mapt track` again") from None
    own = [row for row in rows if row["track"] == track]
    if not own:
        ids = sorted({row["track"] for row in rows})
        raise InputError(f"{path}: has no track {track}; it has {', '.join(map(str, ids)) or 'none'}")
    table = Table("frame", "decision", "score", "runner-up", "threshold", "margin")
    for row in own:
        runner_up = "-" if row["runner_up"] is None else f"{row['runner_up']:.3f}"
        numbers = [f"{row[key]:.3f}" for key in ("score", "threshold", "margin")]
        table.add_row(row["frame"], row["stage"], numbers[0], runner_up, *numbers[1:])
    Console().print(table)
