"""Runs two networks over an archive on an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mapt.app.track_source import renumbered
from mapt.engines.engine import TaskEngine
from mapt.errors import InputError
from mapt.fleet.comparison.differences import DifferenceCounter, RecordingDifference
from mapt.fleet.job import OpenTracker, Reading
from mapt.fleet.rows.index import NAME, read_index
from mapt.fleet.rows.truth import RecordingTruth, find_truth
from mapt.fleet.sources.recordings import Recording, find_recordings
from mapt.fleet.worker import at_hand
from mapt.io.sources.frame import Source
from mapt.io.storage.places import in_bucket, local_path, open_storage
from mapt.runtime import PanopticFrame, PanopticTracker


@dataclass(frozen=True)
class CompareJob:
    """What is done with every recording.

    Attributes:
        open: opens the tracker of each network.
        reading: how recordings are read.
        truth: folder of ground truth; None: it is not known.
        dataset: its classes.
    """

    open: tuple[OpenTracker, OpenTracker]
    reading: Reading = field(default_factory=Reading)
    truth: Path | None = None
    dataset: str = "kitti-step"


class CompareWorker:
    """Compares recordings. Both networks are loaded once."""

    def __init__(self, job: CompareJob) -> None:
        self._job = job
        self._trackers = dict[tuple[int, ...], list[PanopticTracker]]()

    def __call__(self, recording: Recording) -> RecordingDifference:
        """Track a recording with both networks, frame by frame.

        Raises:
            InputError: it cannot be read.
        """
        job = self._job
        with at_hand(recording) as place:
            source = job.reading.open(recording, place)
            trackers = self._open(source)
            before = [_begin(tracker) for tracker in trackers]
            truths = [find_truth(job.truth, recording.name, job.dataset) for _ in trackers]
            counter = DifferenceCounter()
            for frame in source:
                found = [
                    renumbered(tracker.step(frame.image, frame.stamp_ns), start)
                    for tracker, start in zip(trackers, before, strict=True)
                ]
                _score(truths, frame.stem, found)
                counter.add(frame.stem, found[0], found[1])
        if not counter.frames:
            raise InputError(f"{recording.source}: has no frame; check it")
        pats = [None if truth is None else truth.pat() for truth in truths]
        return RecordingDifference(
            recording.name,
            recording.source,
            counter.frames,
            counter.labels,
            counter.ids,
            counter.tracks,
            (pats[0], pats[1]),
            counter.decision,
        )

    def _open(self, source: Source) -> list[PanopticTracker]:
        frame = next(iter(source), None)
        size = () if frame is None else frame.image.shape[:2]
        if size not in self._trackers:
            self._trackers[size] = [opened(source) for opened in self._job.open]
        return self._trackers[size]


def _begin(tracker: PanopticTracker) -> int:
    tracker.reset()
    return tracker.next_id - 1


def _score(truths: list[RecordingTruth | None], stem: str, found: list[PanopticFrame]) -> None:
    for truth, labels in zip(truths, found, strict=True):
        if truth is not None:
            truth.add(stem, labels)


def archived(text: str) -> list[Recording]:
    """Return the recordings of an archive: those of its index, or what lies there.

    Raises:
        InputError: nothing there.
    """
    path = local_path(text)
    if in_bucket(text) or (path is not None and (path / NAME).is_file()):
        storage = open_storage(text, "--archive")
        if not in_bucket(text) or storage.read(NAME) is not None:
            return _indexed(list(read_index(storage)))
    return find_recordings([text])


def _indexed(rows: list[dict[str, Any]]) -> list[Recording]:
    """The recordings of an index; of a dataset, its sequences. A dataset is looked at once."""
    inside = {source: _sequences(source) for source in {row["source"] for row in rows}}
    return [
        Recording(source, name, name if name in inside[source] else "")
        for source, name in ((row["source"], row["recording"]) for row in rows)
    ]


def _sequences(source: str) -> set[str]:
    """The sequences of a dataset; of a source that is none, or is gone, there are none."""
    try:
        found = [] if in_bucket(source) else find_recordings([source])
    except InputError:
        return set()  # the worker tells what is missing, and the others are compared
    return {recording.name for recording in found if recording.sequence}


def compare_archive(
    engine: TaskEngine,
    job: CompareJob,
    recordings: Sequence[Recording],
    tell: Callable[[str], None],
    on_progress: Callable[[], None],
) -> list[RecordingDifference]:
    """Compare every recording, and return those that differ, most first.

    Args:
        engine: does the work.
        job: what is done.
        recordings: which.
        tell: is given a line for each recording that failed.
        on_progress: is called after each recording.

    Raises:
        InputError: every recording failed.
    """
    differing = list[RecordingDifference]()
    failed = 0
    with closing(engine.run(partial(CompareWorker, job), recordings)) as outcomes:
        for outcome in outcomes:
            if outcome.failure is not None:
                failed += 1
                tell(f"{outcome.task.name}: {outcome.failure.text}")
            elif outcome.result is not None and (outcome.result.much or outcome.result.decision):
                differing.append(outcome.result)
            on_progress()
    if failed == len(recordings):
        raise InputError("no recording could be compared; see the lines above")
    return sorted(differing, key=lambda found: (-found.much, found.name))
