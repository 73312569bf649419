"""Labels a recording piece by piece, so that it can go on where it was interrupted.

Each piece leaves its labels and the tracker's state. When all are there the outputs are written
from the labels, by the same code and in the same bytes as those of one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.app.frame_labeller import FrameLabeller
from mapt.app.track_source import renumbered
from mapt.errors import InputError
from mapt.fleet.pieces.label_files import read_frames, write_frame
from mapt.fleet.pieces.store import PieceStore, SavedState, labels_name
from mapt.io.atomic_files import temporary_folder
from mapt.io.sources.frame import Source
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.monitoring.health import Health


@contextmanager
def label_in_pieces(
    tracker: PanopticTracker, source: Source, store: PieceStore, length: int | None
) -> Iterator[FrameLabeller]:
    """Yield what labels the frames of a source, from the first on.

    With pieces, everything is labelled before that, and what was saved earlier is not done again.

    Args:
        tracker: the network.
        source: the frames.
        store: where pieces are kept.
        length: frames of a piece; None: the tracker itself is yielded.
    """
    if length is None:
        yield tracker
        return
    with temporary_folder() as folder:
        _label(tracker, source, store, length)
        yield PieceReplay(tracker, store, folder)


def _label(tracker: PanopticTracker, source: Source, store: PieceStore, length: int) -> None:
    """Label what is left, piece by piece."""
    number = store.count()
    tracker.reset()
    saved = SavedState(0, tracker.next_id - 1, b"")
    if number:
        saved = store.state(number - 1)
        tracker.restore_state(saved.state)
    frames = islice(iter(source), saved.frames, None)
    for first in frames:
        with temporary_folder() as work:
            path = work / labels_name(number)
            with path.open("wb") as file:
                done = 0
                for frame in chain([first], islice(frames, length - 1)):
                    labels = tracker.step(frame.image, frame.stamp_ns)
                    write_frame(file, renumbered(labels, saved.before))
                    done += 1
            saved = SavedState(saved.frames + done, saved.before, tracker.save_state())
            store.add(number, work, saved)
        number += 1


class PieceReplay:
    """Gives the labels of saved pieces as if they were labelled now."""

    def __init__(self, tracker: PanopticTracker, store: PieceStore, folder: Path) -> None:
        self._tracker = tracker
        self._frames = _saved_frames(store, folder)

    @property
    def backend(self) -> Backend:
        """What the labels came from."""
        return self._tracker.backend

    @property
    def next_id(self) -> int:
        """The recording's ids begin at 1."""
        return 1

    def reset(self) -> None:
        """Leave everything: the labels begin with the first frame."""

    def health(self) -> Health:
        """The health of the tracker that the labels came from."""
        return self._tracker.health()

    def step(self, image: NDArray[np.uint8], stamp_ns: int) -> PanopticFrame:
        """Return the labels of the next frame.

        Raises:
            InputError: the source has another frame there than when it was labelled.
        """
        frame = next(self._frames, None)
        if frame is None or (frame.stamp_ns, frame.semantic.shape) != (stamp_ns, image.shape[:2]):
            raise InputError("the source changed while it was tracked; run it again")
        return frame


def _saved_frames(store: PieceStore, folder: Path) -> Iterator[PanopticFrame]:
    for number in range(store.count()):
        path = store.fetch(number, folder)
        yield from read_frames(path)
        path.unlink()
