"""What a live source reads from: one connection, which can be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ConnectionLost(Exception):
    """A connection that cannot be opened, or that ended; the message says why in a few words."""


@dataclass(frozen=True)
class Received:
    """A frame that has arrived.

    Attributes:
        source_ns: the time that its source gives it, in ns from anywhere; None: it gives none.
        convert: gives its pixels (H,W,3) uint8 RGB; called for frames that are tracked only.
    """

    source_ns: int | None
    convert: Callable[[], NDArray[np.uint8]]


class Connection(Protocol):
    """A source that is open.

    Attributes:
        fps: frames per second that it announces, 0 where it announces none.
        size: (height, width) of the frames that it announces, None where it announces none.
        damaged: frames so far that could not be decoded.
    """

    fps: float
    damaged: int

    @property
    def size(self) -> tuple[int, int] | None: ...  # noqa: D102

    def frames(self) -> Iterator[Received]:
        """Yield frames as they arrive, until the source ends.

        Raises:
            ConnectionLost: nothing more arrives.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...
