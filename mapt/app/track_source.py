"""Tracks a source and writes what was asked for, whole sequences or nothing. No torch."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from mapt.app.frame_labeller import FrameLabeller
from mapt.app.outputs.kinds import Outputs, is_of_a_run, stays
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.app.selection import Selection, Selector
from mapt.app.stopping import stopped_by_signals
from mapt.app.viewers import Show
from mapt.drawing.frames import FrameDrawing
from mapt.drawing.text import Image
from mapt.errors import InputError
from mapt.io.atomic_folders import Ours, find_place, nothing, published
from mapt.io.image_files import is_written_here
from mapt.io.sources.frame import Frame, Source
from mapt.io.sources.live.source import LiveSource, StreamCounts
from mapt.labels.class_sets import ClassSet, find_class_set
from mapt.runtime import BackendError, PanopticFrame
from mapt.runtime.native.recorder import NativeRecorder
from mapt.runtime.persistence.recording import Recorder, Replayer, ReplayMismatch

EVERYTHING = Selection()
LATEST = 100_000  # steps whose time is remembered, so that a stream's memory does not grow


@dataclass
class Tracked:
    """A summary of one sequence.

    Attributes:
        name: of the sequence.
        frames: how many.
        tracks: how many identities it got.
        alarms: in how many frames the monitor saw what; see `mapt.runtime.PanopticFrame`.
        ms: milliseconds of the latest steps.
        samples: some annotated frames with captions, evenly spread, for a contact sheet.
        stream: what became of the frames of a live source; None for others.
    """

    name: str
    frames: int = 0
    tracks: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    samples: list[tuple[Image, str]] = field(default_factory=list)
    stream: StreamCounts | None = None

    @property
    def median_ms(self) -> float:
        """Median milliseconds of a step."""
        return statistics.median(self.ms) if self.ms else 0.0


def class_set_of(tracker: FrameLabeller) -> ClassSet:
    """Return the class set with the names and colours of a network's classes."""
    info = tracker.backend.info
    return find_class_set(info.classes, info.things)


def check_places(
    out: Path, sources: Iterable[Source], kinds: Collection[str], files: Iterable[Path] = ()
) -> None:
    """Refuse places whose contents would be lost when the outputs of a sequence replace older ones.

    Args:
        out: see `track_source`.
        sources: what will be tracked.
        kinds: see `track_source`.
        files: what else is written meanwhile.

    Raises:
        InputError: `out` is a file or cannot be written; a sequence is called step, as the folder
            of the PNGs is; two are called the same; or a place to be replaced holds a source, one
            of `files`, or what no run of ours wrote.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder with --out")
    names = set[str]()
    for source in sources:
        if source.name == "step":
            raise InputError(
                f"{source.name}: is where the PNGs go, no sequence can be called so; rename it"
            )
        if source.name.startswith("."):
            raise InputError(
                f"{source.name}: is a hidden name, its outputs would not be found; rename it"
            )
        if source.name in names:
            raise InputError(
                f"{source.name}: two sequences are called so, their outputs would be one;"
                " rename one"
            )
        names.add(source.name)
        for place in _targets(out, source, kinds):
            target = place.folder
            lost = next(
                (
                    p
                    for p in (*source.inputs, *files)
                    if target.resolve() in (p.resolve(), *p.resolve().parents)
                ),
                None,
            )
            if lost is not None:
                raise InputError(
                    f"{target}: is replaced by the outputs, and {lost} lies there; choose another"
                    " place"
                )
            find_place(target, place.ours)


@dataclass(frozen=True)
class _Target:
    """An output folder, with the rules for replacing its files.

    The rules tell which files there are ours, and which of those stay.
    """

    folder: Path
    ours: Ours
    keep: Ours


def _targets(out: Path, source: Source, kinds: Collection[str]) -> list[_Target]:
    found = list[_Target]()
    if "step" in kinds:
        folder = out / "step" / source.name
        frames = {f"{stem}.png" for stem in source.stems}
        found.append(
            _Target(folder, lambda name: name in frames or is_written_here(folder / name), nothing)
        )
    if {*kinds} - {"step"}:
        run = out / source.name
        found.append(_Target(run, partial(is_of_a_run, run), partial(stays, run, kinds=kinds)))
    return found


def track_source(
    tracker: FrameLabeller,
    source: Source,
    out: Path,
    kinds: tuple[str, ...],
    samples: int = 0,
    on_progress: Callable[[], None] | None = None,
    show: Show | None = None,
    selection: Selection = EVERYTHING,
) -> Tracked:
    """Track a sequence from its first frame and write its outputs, in which ids count from 1.

    Args:
        tracker: is reset first; where its backend records or replays, every frame is announced to
            it.
        source: the frames.
        out: gets `step/<seq>/<stem>.png`, and in `<seq>` the files of the other kinds. Outputs of
            other kinds that an earlier run left in `<seq>` stay.
        kinds: of `mapt.app.outputs.kinds`.
        samples: annotated frames to keep for a contact sheet.
        on_progress: called after each frame.
        show: is given the sequence's name and each frame.
        selection: what is written, shown and counted; the tracker goes on with everything.

    Ctrl-C and SIGTERM end a live source, and so does a bad frame of it. Its outputs are whole then.

    Raises:
        InputError: a bad frame, or more tracks than STEP has ids; nothing of the sequence is left
            behind. Also what `check_places` says.
        Difference: a replayed run left its record; nothing of the sequence is left behind.
    """
    check_places(out, [source], kinds)
    tracker.reset()
    before = tracker.next_id - 1
    out.mkdir(parents=True, exist_ok=True)
    result = Tracked(source.name)
    seen = set[int]()
    wanted = _spread(len(source), samples)
    live = source if isinstance(source, LiveSource) else None
    with ExitStack() as stack:
        if live is not None:
            stack.enter_context(stopped_by_signals(live))  # to the end: outputs are published in it
        folders = [
            stack.enter_context(published(t.folder, t.ours, t.keep))
            for t in _targets(out, source, kinds)
        ]
        labels = class_set_of(tracker)
        sequence = OutputSequence(
            source.name,
            source.fps,
            labels,
            tracker.health().providers,
            lambda: live.counts if live is not None else None,
        )
        outputs = Outputs(folders[0], folders[-1], kinds, sequence)
        stack.enter_context(closing(outputs))
        drawing = FrameDrawing()
        selector = Selector(selection)
        for frame in source:
            try:
                everything = renumbered(_step(tracker, source.name, frame), before)
                found = selector.apply(everything)
                labelled = Labelled(result.frames, frame, found, drawing)
                outputs.write(labelled)
            except InputError as error:
                if live is None or result.frames == 0:
                    raise
                live.end(str(error))  # what it gave so far cannot be had again
                break
            if show:
                show(source.name, labelled)
            if result.frames in wanted:
                result.samples.append((labelled.picture, frame.stem))
            new = {t.id for t in found.tracks} - seen
            result.tracks += len(new)
            seen = (seen | new) & {t.id for t in everything.tracks}  # others never come back
            result.frames += 1
            result.alarms.update(found.alarms)
            result.ms.append(found.timings_ms["frame"])
            if on_progress:
                on_progress()
        if result.frames == 0:
            if live is not None:
                raise KeyboardInterrupt  # stopped before its first frame
            raise InputError(
                f"{source.name}: has no frame in what was asked for; check --start and --end"
            )
        result.stream = live.counts if live is not None else None
        outputs.finish()
    return result


def _spread(total: int, samples: int) -> set[int]:
    """Indices of some frames, evenly spread over `total`."""
    return {round(i) for i in np.linspace(0, max(total - 1, 0), samples)}


def renumbered(frame: PanopticFrame, before: int) -> PanopticFrame:
    """Return the frame with `before` subtracted from every id.

    So a sequence's ids do not depend on the sequences before it.
    """
    if not before:
        return frame
    return replace(
        frame,
        instance=np.where(frame.instance > 0, frame.instance - np.int32(before), 0),
        tracks=tuple(replace(t, id=t.id - before) for t in frame.tracks),
        decisions=tuple(replace(d, track=d.track - before) for d in frame.decisions),
    )


def _step(tracker: FrameLabeller, sequence: str, frame: Frame) -> PanopticFrame:
    """Track one frame.

    A backend that records or replays is told the frame before the step, and the result after it.
    """
    backend = tracker.backend
    if not isinstance(backend, Recorder | NativeRecorder | Replayer):
        return tracker.step(frame.image, frame.stamp_ns)
    backend.begin(sequence, frame.stem, frame.stamp_ns)
    try:
        labelled = tracker.step(frame.image, frame.stamp_ns)
    except BackendError as error:
        if isinstance(error.__cause__, ReplayMismatch | InputError):
            raise error.__cause__ from None
        raise
    backend.end(labelled)
    return labelled
