"""Reads a camera of this machine with OpenCV."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.io.sources.live.connection import ConnectionLost, Received

DEVICES = Path("/dev")


class CameraConnection:
    """A camera that is open; see `Connection`.

    Args:
        capture: OpenCV's.
        has_clock: it gives every frame the time at which its driver got it.
    """

    def __init__(self, capture: cv2.VideoCapture, has_clock: bool) -> None:
        self._capture = capture
        self._has_clock = has_clock
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = rate if 0 < rate < 1000 else 0.0
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.size = (height, width) if height > 0 and width > 0 else None
        self.damaged = 0

    def frames(self) -> Iterator[Received]:
        """See `Connection.frames`."""
        while True:
            good, image = self._capture.read()
            if not good:
                raise ConnectionLost("it gives no frame")
            stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) if self._has_clock else 0.0
            yield Received(round(stamp * 1e6) if stamp > 0 else None, partial(_to_rgb, image))

    def close(self) -> None:
        """Release the camera for others."""
        self._capture.release()


def _to_rgb(image: cv2.typing.MatLike) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def open_camera(index: int) -> CameraConnection:
    """Open a camera by its number.

    Raises:
        ConnectionLost: there is none, it may not be used, or another program uses it.
    """
    linux = sys.platform.startswith("linux")
    if linux:
        device = DEVICES / f"video{index}"
        if not device.exists():
            others = sorted(p.name.removeprefix("video") for p in DEVICES.glob("video[0-9]*"))
            raise ConnectionLost(
                f"there is no {device}, "
                + (f"there are {', '.join(others)}" if others else "and no other camera")
            )
        if not os.access(device, os.R_OK | os.W_OK):
            raise ConnectionLost(f"{device} may not be read; join the group video")
    capture = cv2.VideoCapture(index, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
    if not capture.isOpened():
        capture.release()
        raise ConnectionLost("another program uses it, or it gives no pictures")
    return CameraConnection(capture, has_clock=linux)
