"""Tracks all sources of a run of `mapt track`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import Progress

from mapt.app.selection import Selection
from mapt.app.track_source import Tracked, class_set_of, track_source
from mapt.app.viewers import viewers
from mapt.io.atomic_files import atomic_file
from mapt.io.sources.frame import Source
from mapt.runtime import PanopticTracker
from mapt.runtime.native.tracker import NativeTracker
from mapt.runtime.persistence.recording import Recorder


@dataclass(frozen=True)
class Run:
    """What a run leaves and shows.

    Attributes:
        out: folder of the outputs.
        kinds: of `mapt.app.outputs.kinds`.
        selection: what is written and shown.
        record: file for the networks' outputs; None: none.
        rerun: see `mapt.app.rerun_view`; None: not there.
        window: show the frames in a window.
    """

    out: Path
    kinds: tuple[str, ...]
    selection: Selection
    record: Path | None = None
    rerun: str | None = None
    window: bool = False


def track_all(tracker: PanopticTracker, sources: Iterable[Source], run: Run) -> list[Tracked]:
    """Track every source in turn, with a bar of progress.

    The record, and rerun's file, appear when all are done.

    Raises:
        InputError: as `mapt.app.track_source.track_source` and `mapt.app.viewers.viewers`.
    """
    results = []
    with ExitStack() as stack:
        if run.record:
            file = stack.enter_context(stack.enter_context(atomic_file(run.record)).open("wb"))
            tracker = _recorded(tracker, file)
        show = stack.enter_context(viewers(run.rerun, run.window, class_set_of(tracker)))
        console = Console()
        bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        progress = stack.enter_context(bar)
        for source in sources:
            task = progress.add_task(source.name, total=len(source) or None)
            results.append(
                track_source(
                    tracker,
                    source,
                    run.out,
                    run.kinds,
                    on_progress=partial(progress.advance, task),
                    show=show,
                    selection=run.selection,
                )
            )
    return results


def _recorded(tracker: PanopticTracker, file: BinaryIO) -> PanopticTracker:
    """Return a tracker whose backend writes to a record what the networks give."""
    if isinstance(tracker, NativeTracker):
        tracker.record(file)
        return tracker
    recorder = Recorder(tracker.backend, file, tracker.association)
    return PanopticTracker(recorder, tracker.association)
