"""Checks images and outputs without relying on the network's own confidence.

Outputs that cannot be right never reach the track table.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.runtime.perception.preprocess import Letterbox

Alarm = Literal["blind", "frozen", "saturated", "empty", "churn"]


@dataclass(frozen=True)
class ImageSummary:
    """Properties of an image that are computed without the network.

    Attributes:
        blind: it is of one colour: black, white, or a covered lens.
        pixels: its CRC-32; consecutive frames have the same when the camera sends the same picture
            again.
    """

    blind: bool
    pixels: int


def look_at(pixels: NDArray[np.uint8], letterbox: Letterbox, limits: Thresholds) -> ImageSummary:
    """Summarise the part of the network's input (1,H,W,3) that the image fills.

    `letterbox` tells which part that is.
    """
    inner = pixels[0, : letterbox.inner_height, : letterbox.inner_width]
    return ImageSummary(
        int(inner.max()) - int(inner.min()) <= limits.blind_range, zlib.crc32(pixels.data)
    )


def alarms(
    frozen: bool,
    overflow: int,
    semantic: NDArray[np.uint8],
    recent: Sequence[tuple[int, int]],
    limits: Thresholds,
) -> tuple[Alarm, ...]:
    """Return the alarms of a labelled frame.

    Args:
        frozen: its pixels are those of the frame before.
        overflow: objects that were left out.
        semantic: (h,w) train ids.
        recent: births and visible objects of the last `churn_window` frames that followed another.
        limits: when most of them being new is worth a word.
    """
    births, visible = (sum(column) for column in zip(*recent, strict=True)) if recent else (0, 0)
    holds: dict[Alarm, bool] = {
        "frozen": frozen,
        "saturated": overflow > 0,
        "empty": int(semantic.min()) == int(semantic.max()),
        "churn": visible >= limits.churn_objects and births > limits.churn_share * visible,
    }
    return tuple(name for name, held in holds.items() if held)
