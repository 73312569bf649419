"""What `mapt track` says at its end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from mapt.app.track_source import Tracked
from mapt.errors import printable
from mapt.io.sources.frame import Source


def tell_results(results: Iterable[Tracked], sources: Iterable[Source], out: Path) -> None:
    """Print a line or more for every sequence, what was assumed, and where the outputs are."""
    for r in results:
        typer.echo(
            f"{printable(r.name)}: {r.frames} frames, {r.tracks} tracks, {r.median_ms:.1f} ms a"
            " frame (median)"
        )
        if r.alarms:
            seen = ", ".join(f"{kind} in {count}" for kind, count in sorted(r.alarms.items()))
            typer.echo(
                f"{printable(r.name)}: alarms: {seen} of {r.frames} frames; tracks.json says which"
            )
        if r.stream:
            typer.echo(f"{printable(r.name)}: {printable(r.stream.told())}")
    for assumed in dict.fromkeys(s.assumed for s in sources if s.assumed):
        typer.echo(assumed)
    typer.echo(f"outputs: {printable(str(out))}")
