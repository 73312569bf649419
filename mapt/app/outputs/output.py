"""What every kind of output has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mapt.drawing.frames import FrameDrawing
from mapt.drawing.text import Image
from mapt.io.sources.frame import Frame
from mapt.io.sources.live.source import StreamCounts
from mapt.labels.class_sets import ClassSet
from mapt.runtime import PanopticFrame


@dataclass(frozen=True)
class OutputSequence:
    """The sequence that is written.

    Attributes:
        name: of the sequence.
        fps: nominal frames per second.
        labels: names and things of the classes.
        providers: what runs each subgraph.
        stream: tells at the end what became of the frames of a live source; None for others.
    """

    name: str
    fps: float
    labels: ClassSet
    providers: Mapping[str, str]
    stream: Callable[[], StreamCounts | None] = lambda: None


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
    """Writes lines as they come.

    Args:
        path: the file.
        head: its first line; empty: none.
    """

    def __init__(self, path: Path, head: str = "") -> None:
        self._file = path.open("w", encoding="utf-8")
        self.add([head] if head else [])

    def add(self, lines: Iterable[str]) -> None:
        """Add lines."""
        self._file.writelines(f"{line}\n" for line in lines)

    def finish(self) -> None:
        """Complete the text."""
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):  # it is thrown away
            self._file.close()
