"""Annotated frames of a benchmark's run, for the report."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.report.page.elements import Picture
from mapt.runtime import PanopticFrame

WIDTH = 960  # pixels at most
QUALITY = 82  # of JPEG
INDICES = (3, 20)  # frames of a sequence: tracks have begun
MOST = 6  # pictures


class AnnotatedFrames:
    """Keeps some of the frames that a benchmark shows it.

    Args:
        backend: whose labels are drawn.

    Attributes:
        images: what was kept, in the run's order.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.images = list[Picture]()

    def show(
        self,
        sequence: str,
        index: int,
        image: NDArray[np.uint8],
        frames: Mapping[str, PanopticFrame],
    ) -> None:
        """Keep a frame from the beginning of a sequence and a later one, until there are six.

        Args:
            sequence: its name.
            index: of the frame in it.
            image: (h,w,3) uint8 RGB.
            frames: its labels by backend.
        """
        labelled = frames.get(self.backend)
        if labelled is None or index not in INDICES or len(self.images) == MOST:
            return
        drawn = labelled.plot(image)
        active = sum(1 for track in labelled.tracks if not track.lost)
        caption = f"{self.backend}, sequence {sequence}, frame {index}: {active} tracks"
        self.images.append(Picture(encode(drawn), caption))


def encode(image: NDArray[np.uint8]) -> str:
    """Return (h,w,3) uint8 RGB as the data URI of a JPEG, at most 960 pixels wide."""
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, round(height * WIDTH / width))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = np.ascontiguousarray(image[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
