"""What outputs are written from: something that labels frames in order."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.runtime import PanopticFrame
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.monitoring.health import Health


class FrameLabeller(Protocol):
    """Labels frames in order: a tracker, or what stands for one."""

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        ...

    @property
    def next_id(self) -> int:
        """The id that the next new track gets."""
        ...

    def reset(self) -> None:
        """Forget all tracks; ids go on counting."""
        ...

    def health(self) -> Health:
        """Say what runs, and how well."""
        ...

    def step(self, image: NDArray[np.uint8], stamp_ns: int) -> PanopticFrame:
        """Label the next frame (h,w,3) uint8 RGB."""
        ...
