"""Labelled frames in rerun's viewer, live or recorded (`mapt track --rerun`). No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mapt.drawing.colours import track_colour
from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.io.sources.frame import Frame
from mapt.labels.class_sets import ClassSet
from mapt.runtime import PanopticFrame

LIVE = "live"


class RerunView:
    """Sends frames to one rerun recording.

    A frame has an image, classes, instances, boxes with ids, timings in milliseconds and alarms.

    Args:
        rerun: the module.
        recording: a `RecordingStream` of it.
        labels: names and colours of the classes.
    """

    def __init__(self, rerun: Any, recording: Any, labels: ClassSet) -> None:
        self.rerun = rerun
        self.recording = recording
        self.labels = labels
        classes = [
            (i, name, tuple(map(int, labels.palette[i]))) for i, name in enumerate(labels.classes)
        ]
        recording.log("/", rerun.AnnotationContext(classes), static=True)

    def show(self, sequence: str, index: int, frame: Frame, labelled: PanopticFrame) -> None:
        """Add the frame `index` of a sequence."""
        rr = self.rerun
        log = self.recording.log
        tracks = [t for t in labelled.tracks if not t.lost]
        self.recording.set_time("frame", sequence=index)
        self.recording.set_time("time", duration=labelled.stamp_ns / 1e9)
        log(f"{sequence}/image", rr.Image(frame.image).compress(jpeg_quality=85))
        log(f"{sequence}/image/semantic", rr.SegmentationImage(labelled.semantic, opacity=0.35))
        log(
            f"{sequence}/image/tracks",
            rr.Boxes2D(
                array=[t.box for t in tracks],
                array_format=rr.Box2DFormat.XYXY,
                labels=[f"{t.id} {self.labels.classes[t.label]}" for t in tracks],
                colors=[track_colour(t.id) for t in tracks],
            ),
        )
        log(f"{sequence}/tracks", rr.Scalars([float(len(tracks))]))
        for stage, ms in labelled.timings_ms.items():
            log(f"{sequence}/ms/{stage}", rr.Scalars([ms]))
        for text in (
            *(f"alarm: {a}" for a in labelled.alarms),
            *(f"left out: {h}" for h in labelled.degraded),
        ):
            log(f"{sequence}/events", rr.TextLog(text))


@contextmanager
def rerun_view(target: str, labels: ClassSet) -> Iterator[RerunView]:
    """Open a view for the duration of a run.

    Args:
        target: "live" opens rerun's viewer, all else is a file (.rrd), which appears when all is in
            it.
        labels: names and colours of the classes.

    Raises:
        InputError: rerun is not installed, or its viewer cannot be opened.
    """
    try:
        import rerun
    except ImportError:
        raise InputError("--rerun: rerun is not installed; pip install 'mapt[rerun]'") from None
    recording = rerun.RecordingStream("mapt")
    if target == LIVE:
        try:
            recording.spawn()
            recording.flush()  # waits for the viewer
        except Exception as error:
            raise InputError(
                f"--rerun live: the viewer cannot be opened ({error}); give a file.rrd instead"
            ) from None
        yield RerunView(rerun, recording, labels)
        recording.flush()
        return
    with atomic_file(Path(target)) as temporary:
        recording.save(temporary)
        yield RerunView(rerun, recording, labels)
        recording.flush()
        recording.disconnect()
