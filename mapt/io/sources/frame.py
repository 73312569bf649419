"""What a source gives: frames with their names and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One frame: its name for outputs, its time, and its pixels (H,W,3) uint8 RGB.

    `file` is the name of its file, if it has one.
    """

    stem: str
    stamp_ns: int
    image: NDArray[np.uint8]
    file: str = ""


class Source(Protocol):
    """A sequence of frames.

    Attributes:
        name: of the sequence.
        fps: frames per second, the mean where they vary.
        assumed: why `fps` is a guess; empty where it is none.
        inputs: the files and folders that outputs may not replace.
        stems: the names of the frames that are known before they are read.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def fps(self) -> float: ...  # noqa: D102

    @property
    def assumed(self) -> str: ...  # noqa: D102

    @property
    def inputs(self) -> frozenset[Path]: ...  # noqa: D102

    @property
    def stems(self) -> frozenset[str]: ...  # noqa: D102

    def __len__(self) -> int:
        """Return the number of frames; 0 where nobody knows."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames; what is wrong with one is an InputError."""
        ...
