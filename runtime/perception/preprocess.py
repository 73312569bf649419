"""Turns a camera image into the network's input, and results back to its size.

The kernel of `mapt.runtime.images` does the same for images in a GPU's memory.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime.perception.workspace import Workspace

# Beyond them OpenCV's 32-bit sizes overflow, which can end the process.
MOST_SIDE = 2**16 - 1
MOST_PIXELS = 2**30


@dataclass(frozen=True)
class Letterbox:
    """The position of an image in the network's input.

    Attributes:
        height, width: of the image, pixels.
        inner_height, inner_width: of the part of the input it fills, from the top left corner.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int

    @property
    def scale(self) -> tuple[float, float]:
        """Image pixels per input pixel, (x, y)."""
        return self.width / self.inner_width, self.height / self.inner_height


def check_size(shape: tuple[int, ...], height: int, width: int) -> None:
    """Refuse an image that is empty or too large for OpenCV.

    Args:
        shape: of the array that holds it, for the message.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        InputError: it is.
    """
    if 0 in shape:
        raise InputError(f"image is empty {shape}; step() needs at least one pixel")
    if max(height, width) > MOST_SIDE or height * width > MOST_PIXELS:
        raise InputError(
            f"image is {height}x{width}; step() takes sides of up to {MOST_SIDE} and {MOST_PIXELS}"
            " pixels in all"
        )


def fit(height: int, width: int, input_height: int, input_width: int) -> Letterbox:
    """Compute the largest placement of an image that keeps its aspect.

    An image that fits within 5 % is not resampled at all.
    """
    scale = min(input_height / height, input_width / width)
    if 1 <= scale < 1.05:
        scale = 1.0
    inner = (
        max(1, min(input_height, round(height * scale))),
        max(1, min(input_width, round(width * scale))),
    )
    return Letterbox(height, width, *inner)


def to_input(
    image: NDArray[np.uint8],
    letterbox: Letterbox,
    input_height: int,
    input_width: int,
    workspace: Workspace | None = None,
    *,
    bgr: bool = False,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Turn an image (h,w,3) uint8 into the network's input (1,H,W,3) RGB.

    It is resized bilinearly, with zeros to the right and below.

    Args:
        image: the pixels.
        letterbox: their place in the input.
        input_height: H.
        input_width: W.
        workspace: memory that is used again; None: new.
        bgr: the image's channels are blue, green, red.
        out: where to write the input; None: into the workspace.
    """
    if out is None:
        out = (workspace or Workspace()).take("input", (1, input_height, input_width, 3), np.uint8)
    target = out[0, : letterbox.inner_height, : letterbox.inner_width]
    out[0, letterbox.inner_height :] = 0
    out[0, : letterbox.inner_height, letterbox.inner_width :] = 0
    if image.shape[:2] == target.shape[:2]:
        target[:] = image
    else:
        # INTER_LINEAR rounds otherwise on each processor: on aarch64 up to two of 255 beside
        # x86-64. This does not.
        size = letterbox.inner_width, letterbox.inner_height
        cv2.resize(image, size, target, interpolation=cv2.INTER_LINEAR_EXACT)
    if bgr:
        cv2.cvtColor(target, cv2.COLOR_BGR2RGB, target)
    return out


def to_image(
    labels: NDArray[np.generic], letterbox: Letterbox, workspace: Workspace | None = None
) -> NDArray[np.generic]:
    """Resize a label map (H,W) from the network's resolution to the image's size (h,w).

    The result is a new array. Each pixel takes the one whose area its centre lies in; on a border
    that is the lower or the right one.
    """
    size = letterbox.height, letterbox.width
    if size == (letterbox.inner_height, letterbox.inner_width):
        return labels[: size[0], : size[1]].copy()
    # Versions of OpenCV differ where a centre lies on a border, so its INTER_NEAREST_EXACT does not
    # do. The axis that leaves less to do comes first.
    cells = {
        0: _nearest(letterbox.height, letterbox.inner_height),
        1: _nearest(letterbox.width, letterbox.inner_width),
    }
    first = 0 if letterbox.height < letterbox.inner_height else 1
    shape = (size[0], labels.shape[1]) if first == 0 else (len(labels), size[1])
    out = (workspace or Workspace()).take("narrow", shape, labels.dtype)
    np.take(labels, cells[first], first, out=out, mode="clip")  # "raise" would buffer the result
    return out.take(cells[1 - first], 1 - first, mode="clip")


@functools.lru_cache(maxsize=64)  # a step asks for every frame
def _nearest(count: int, cells: int) -> NDArray[np.int64]:
    """The cell (count,) in which the centre of each of `count` pixels lies along an axis."""
    doubled = 2 * np.arange(count, dtype=np.int64) + 1
    nearest: NDArray[np.int64] = doubled * cells // (2 * count)
    nearest.flags.writeable = False
    return nearest
