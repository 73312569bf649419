"""The work of a fleet's worker: one recording after the other, with one network in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mapt.app.selection import select
from mapt.app.track_source import class_set_of, track_source
from mapt.fleet.job import TrackJob
from mapt.fleet.marks import is_whole, mark_name, mark_outputs, read_mark, write_mark
from mapt.fleet.pieces.piecewise import label_in_pieces
from mapt.fleet.pieces.store import PieceStore
from mapt.fleet.rows.row import RowBuilder
from mapt.fleet.rows.truth import find_truth
from mapt.fleet.sources.fingerprint import source_fingerprint
from mapt.fleet.sources.recordings import Recording
from mapt.io.atomic_files import temporary_folder
from mapt.io.sources.frame import Source
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.folder import FolderStorage
from mapt.io.storage.places import in_bucket, open_storage
from mapt.runtime import PanopticTracker
from mapt.runtime.bundle.input_sizes import Size


@dataclass(frozen=True)
class RecordingDone:
    """What became of a recording.

    Attributes:
        frames: how many.
        tracks: how many identities it got.
        seconds: that it took.
        before: it was whole already, and nothing was done.
    """

    frames: int
    tracks: int
    seconds: float
    before: bool = False


class RecordingWorker:
    """Tracks recordings. The network is loaded when it is first needed, and stays."""

    def __init__(self, job: TrackJob) -> None:
        self._job = job
        self._archive = open_storage(job.out)
        self._trackers: dict[Size, PanopticTracker] = {}

    def __call__(self, recording: Recording) -> RecordingDone:
        """Track a recording, unless its outputs are whole.

        Raises:
            InputError: it cannot be read, or its outputs cannot be written.
        """
        key = self._job.key(source_fingerprint(recording))
        mark = read_mark(self._archive, recording.name)
        if mark and mark.key == key and is_whole(self._archive, recording.name, mark):
            return _done(dict(mark.row), before=True)
        with at_hand(recording) as place:
            source = self._job.reading.open(recording, place)
            row = self._track(recording, source, key)
        return _done(row, before=False)

    def _track(self, recording: Recording, source: Source, key: str) -> dict[str, object]:
        """Track a source, publish its outputs, and mark them last."""
        job = self._job
        name = recording.name
        builder = RowBuilder(source.fps, find_truth(job.truth, name, job.dataset))
        tracker = self._tracker(source)
        selection = select(job.classes, job.conf, class_set_of(tracker))
        store = PieceStore(self._archive, name, key)
        with label_in_pieces(tracker, source, store, job.piece) as labeller, self._out() as out:
            self._archive.remove([mark_name(name)])
            track_source(labeller, source, out, job.kinds, show=builder.add, selection=selection)
            if not isinstance(self._archive, FolderStorage):
                self._publish(out, name)
        facts = {
            "recording": name,
            "source": recording.source,
            "bundle": job.bundle,
            "versions": job.versions,
            "key": key,
        }
        row = builder.row(facts)
        write_mark(self._archive, name, mark_outputs(self._archive, name, key, row, job.kinds))
        store.clear()
        return row

    def _tracker(self, source: Source) -> PanopticTracker:
        """The tracker for frames of this size. Few sizes occur in a fleet."""
        frame = next(iter(source), None)
        size = (0, 0) if frame is None else (frame.image.shape[0], frame.image.shape[1])
        if size not in self._trackers:
            self._trackers[size] = self._job.open(source)
        return self._trackers[size]

    @contextmanager
    def _out(self) -> Iterator[Path]:
        """The folder in which outputs are made: the archive itself, where it is one."""
        if isinstance(self._archive, FolderStorage):
            yield self._archive.folder
            return
        with temporary_folder() as folder:
            yield folder

    def _publish(self, out: Path, name: str) -> None:
        """Copy outputs into the archive, and remove what they replace."""
        for below in (name, f"step/{name}"):
            if not (out / below).is_dir():
                continue
            self._archive.upload(out / below, below)
            new = FolderStorage(out).sizes(below)
            old = self._archive.sizes(below)
            if below != name:  # other kinds of outputs stay
                self._archive.remove([f"{below}/{file}" for file in old if file not in new])


@contextmanager
def at_hand(recording: Recording) -> Iterator[str]:
    """Yield where a recording's files are on this machine.

    What lies in an object store is copied, and removed afterwards: a worker never holds more than
    one recording.

    Raises:
        InputError: it cannot be copied, or not all of it came.
    """
    if not in_bucket(recording.source):
        yield recording.source
        return
    storage = BucketStorage(recording.source)
    path = PurePosixPath(recording.source)
    with temporary_folder() as folder:
        place = folder / path.name
        if storage.entry() is not None:
            storage.fetch(place)
        else:
            storage.download("", place)
        yield str(place)


def _done(row: dict[str, object], *, before: bool) -> RecordingDone:
    return RecordingDone(
        int(str(row["frames"])), int(str(row["tracks"])), float(str(row["seconds"])), before
    )
