"""Outputs that show a frame: STEP's label images and the annotated video."""

from __future__ import annotations

from pathlib import Path

from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.errors import InputError
from mapt.io.video.writer import VideoWriter
from mapt.labels.step_png import MAX_INSTANCE, write_step


class StepOutput:
    """Label images in KITTI-STEP's format, one a frame."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.folder = folder

    def write(self, labelled: Labelled) -> None:
        """Write the frame's image."""
        labels = labelled.labels
        most = max((t.id for t in labels.tracks), default=0)
        if most > MAX_INSTANCE:
            raise InputError(
                f"frame {labelled.frame.stem}: track {most} is beyond STEP's {MAX_INSTANCE}; split"
                " the sequence"
            )
        write_step(self.folder / f"{labelled.frame.stem}.png", labels.semantic, labels.instance)

    def finish(self) -> None:
        """Leave everything: every image is whole."""

    def abort(self) -> None:
        """Leave everything: nothing is open."""


class VideoOutput:
    """The annotated frames at their own times, `video.mp4`."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.path = folder / "video.mp4"
        self.fps = sequence.fps
        self.writer: VideoWriter | None = None
        self.begin_ns = 0

    def write(self, labelled: Labelled) -> None:
        """Add the annotated frame; the video begins with the first one."""
        picture = labelled.picture
        if self.writer is None:
            self.begin_ns = labelled.labels.stamp_ns
            size = (picture.shape[1], picture.shape[0])
            self.writer = VideoWriter(self.path, size, self.fps)
        self.writer.write(labelled.labels.stamp_ns - self.begin_ns, picture)

    def finish(self) -> None:
        """Finish the video."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def abort(self) -> None:
        """Discard a video that is not finished."""
        if self.writer is not None:
            self.writer.abort()
            self.writer = None
