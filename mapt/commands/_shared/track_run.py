"""What `mapt track` does once it knows what is asked: checks, tracks, and tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import typer
from rich.progress import Progress

from mapt.app.outputs.kinds import check_kinds
from mapt.app.rerun_view import LIVE
from mapt.app.selection import Selection
from mapt.app.track_source import Tracked, check_places, class_set_of, track_source
from mapt.app.viewers import viewers
from mapt.errors import printable
from mapt.io.atomic_files import atomic_file, check_writable
from mapt.io.sources.frame import Source
from mapt.runtime import PanopticTracker
from mapt.runtime.persistence.recording import Recorder


def check_outputs(
    out: Path,
    sources: Sequence[Source],
    kinds: Sequence[str],
    record: Path | None,
    rerun: str | None,
) -> None:
    """Check before the work that outputs can be written and replace no other data."""
    view = Path(rerun) if rerun and rerun != LIVE else None
    check_writable(record, "--record")
    check_writable(view, "--rerun")
    check_places(out, sources, kinds, [path for path in (record, view) if path])


def track_all(
    tracker: PanopticTracker,
    sources: Sequence[Source],
    out: Path,
    kinds: tuple[str, ...],
    record: Path | None,
    shown: tuple[str | None, bool],
    selection: Selection,
) -> list[Tracked]:
    """Track every source in turn; record it and show it, in rerun and in a window, if asked for.

    The record, and rerun's file, appear when all are done.
    """
    results = []
    labels = class_set_of(tracker)
    check_kinds(kinds, labels)
    with ExitStack() as stack:
        if record:
            file = stack.enter_context(stack.enter_context(atomic_file(record)).open("wb"))
            tracker = PanopticTracker(
                Recorder(tracker.backend, file, tracker.association), tracker.association
            )
        show = stack.enter_context(viewers(*shown, labels))
        progress = stack.enter_context(Progress(transient=True))
        for entry in sources:
            task = progress.add_task(entry.name, total=len(entry) or None)
            advance = partial(progress.advance, task)
            results.append(
                track_source(
                    tracker,
                    entry,
                    out,
                    kinds,
                    on_progress=advance,
                    show=show,
                    selection=selection,
                )
            )
    return results


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
