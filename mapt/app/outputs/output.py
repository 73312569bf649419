"""What every kind of output has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mapt.drawing.frames import FrameDrawing
from mapt.drawing.text import Image
from mapt.io.frame_source import Frame
from mapt.labels.class_sets import ClassSet
from mapt.runtime import PanopticFrame


@dataclass(frozen=True)
class Sequence:
    """The sequence that is written.

    Attributes:
        name: of the sequence.
        fps: nominal frames per second.
        labels: names and things of the classes.
        providers: what runs each subgraph.
    """

    name: str
    fps: float
    labels: ClassSet
    providers: Mapping[str, str]


@dataclass(frozen=True)
class Labelled:
    """A frame with its labels.

    Attributes:
        index: in the sequence, from 0.
        frame: its name and pixels.
        labels: what the tracker found.
        drawing: draws the frames of the sequence.
    """

    index: int
    frame: Frame
    labels: PanopticFrame
    drawing: FrameDrawing

    @cached_property
    def picture(self) -> Image:
        """The annotated frame (H,W,3) uint8 RGB, drawn when it is first asked for."""
        caption = f"frame {self.index}  {self.labels.stamp_ns / 1e9:.2f} s"
        return self.drawing.draw(self.frame.image, self.labels, caption)


class Output(Protocol):
    """Writes one kind of output into a folder that is published as a whole."""

    def write(self, labelled: Labelled) -> None:
        """Add the next frame."""

    def finish(self) -> None:
        """Complete the files."""

    def abort(self) -> None:
        """Release what is open; the files are thrown away. Follows a `finish` too."""


class TextOutput:
    """Collects lines and writes them as one text at the end.

    Args:
        path: the file.
        head: its first line; empty: none.
    """

    def __init__(self, path: Path, head: str = "") -> None:
        self.path = path
        self.lines = [head] if head else []

    def finish(self) -> None:
        """Write the text."""
        self.path.write_text("".join(f"{line}\n" for line in self.lines))

    def abort(self) -> None:
        """Leave everything: nothing is open."""
