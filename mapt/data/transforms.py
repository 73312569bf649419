"""Draws random views of a triplet.

All frames of a triplet share one scale, crop and flip, so that ids and motion stay valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mapt.config import Frozen
from mapt.data.color_jitter import Photometry, vary_colours
from mapt.data.triplet import Image, Triplet, last_frames
from mapt.labels.step_png import VOID

Label = TypeVar("Label", np.uint8, np.int32)


class Augmentation(Frozen):
    """The strengths of the random changes of a triplet.

    Attributes:
        flip: probability that the frames are mirrored.
        focus: probability that the crop contains a point of a random object of frame t.
        focus_class: probability that the crop contains a point of a random class of frame t. All
            classes of the frame are equally likely. Any other crop lies anywhere.
        colours: strengths of the changes of colour.
    """

    flip: float = Field(0.5, ge=0, le=1)
    focus: float = Field(0.6, ge=0, le=1)
    focus_class: float = Field(0.0, ge=0, le=1)
    colours: Photometry = Photometry()

    @model_validator(mode="after")
    def _shares(self) -> Augmentation:
        if self.focus + self.focus_class > 1:
            raise ValueError(
                "focus and focus_class are shares of the crops; together they must not exceed 1"
            )
        return self


@dataclass(frozen=True)
class View:
    """The size of a view, and the scale of the frames in it.

    Attributes:
        height: of the view, pixels.
        width: of the view, pixels.
        heights: the least and the largest height in pixels to which a frame is scaled before it is
            cropped.
    """

    height: int
    width: int
    heights: tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A rectangle of the source frame, and how it is resampled.

    Attributes:
        y: first row.
        x: first column.
        height: rows.
        width: columns.
        out: height and width of the result, pixels.
        interpolation: OpenCV's flag for images.
        flip: mirror the result.
    """

    y: int
    x: int
    height: int
    width: int
    out: tuple[int, int]
    interpolation: int
    flip: bool


def augment(
    triplet: Triplet, view: View, how: Augmentation, rng: np.random.Generator, distinct: int = 3
) -> Triplet:
    """Draw a random view of a triplet.

    The view is padded on the right and below where the frames do not cover it, as in the runtime.
    The padding is black and void, and has no instance.

    Args:
        triplet: the source frames.
        view: the size of the result.
        how: the strengths of the random changes.
        rng: draws the view.
        distinct: the last frames that are resampled, 1 to 3. The first of them replaces those
            before it.

    Returns:
        A triplet of (view.height, view.width) pixels.
    """
    window = draw_window(triplet, view, how, rng)
    size = (view.height, view.width)
    cut = vary_colours(
        [cut_image(image, window) for image in triplet.images[-distinct:]], how.colours, rng
    )
    images = [_pad(image, size, 0) for image in cut]
    semantics = [
        _pad(cut_label(label, window), size, VOID) for label in triplet.semantic[-distinct:]
    ]
    instances = [_pad(cut_label(label, window), size, 0) for label in triplet.instance[-distinct:]]
    return last_frames(images, semantics, instances, triplet.name)


def draw_window(
    triplet: Triplet, view: View, how: Augmentation, rng: np.random.Generator
) -> Window:
    """Draw a scale, and a window at a random or focused place.

    The scale's logarithm is uniform, and the scaled frame fills the view's height. Frames are
    shrunk by area averages or by the runtime's bilinear samples, so that the network learns both.

    Args:
        triplet: the source frames.
        view: the size of the result, and the range of scales.
        how: the strengths of the random changes.
        rng: draws the window.
    """
    rows, columns = triplet.semantic[1].shape
    low, high = np.log(view.heights)
    scale = max(float(np.exp(rng.uniform(low, high))), view.height) / rows
    height = min(rows, round(view.height / scale))
    width = min(columns, round(view.width / scale))
    out = (min(view.height, round(height * scale)), min(view.width, round(width * scale)))
    draw = rng.random()
    point = None
    if draw < how.focus:
        point = _random_point(triplet.instance[1], triplet.instance[1] > 0, 4, rng)
    elif draw < how.focus + how.focus_class:
        point = _random_point(triplet.semantic[1], triplet.semantic[1] != VOID, 2, rng)
    # Without a point, windows near the middle, where the horizon is, are more likely.
    y = (
        round((rows - height) * float(rng.beta(2, 2)))
        if point is None
        else _offset(point[0], height, rows, rng)
    )
    x = (
        round((columns - width) * float(rng.random()))
        if point is None
        else _offset(point[1], width, columns, rng)
    )
    interpolation = cv2.INTER_AREA if scale < 1 and rng.random() < 0.5 else cv2.INTER_LINEAR
    return Window(y, x, height, width, out, interpolation, bool(rng.random() < how.flip))


def _random_point(
    labels: NDArray[Label], known: NDArray[np.bool_], step: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Draw a label of the known pixels, and then a pixel (y, x) of it.

    Labels and mask have the shape (H,W). Only every `step`-th row and column is searched. The
    result is None if no pixel is known.
    """
    y, x = np.nonzero(known[::step, ::step])
    if not len(y):
        return None
    values = labels[::step, ::step][y, x]
    k = int(rng.choice(np.flatnonzero(values == rng.choice(np.unique(values)))))
    return int(y[k]) * step, int(x[k]) * step


def _offset(point: int, length: int, limit: int, rng: np.random.Generator) -> int:
    """Draw the start of a window of `length` within 0..limit that contains `point`."""
    return int(rng.integers(max(0, point - length + 1), min(point, limit - length) + 1))


def cut_image(image: Image, window: Window) -> Image:
    """Cut a window out of an image (H,W,3) uint8, and resample and flip it.

    Returns:
        (*window.out, 3) uint8.
    """
    height, width = window.out
    part = image[window.y : window.y + window.height, window.x : window.x + window.width]
    cut = np.asarray(
        cv2.resize(part, (width, height), interpolation=window.interpolation), np.uint8
    )
    return np.ascontiguousarray(cut[:, ::-1]) if window.flip else cut


def cut_label(label: NDArray[Label], window: Window) -> NDArray[Label]:
    """Cut a window out of a label (H,W), aligned with `cut_image`.

    Each pixel takes the value of the nearest neighbour, with pixel centres at .5.

    Returns:
        (*window.out) of the label's type.
    """
    height, width = window.out
    y = window.y + ((np.arange(height) + 0.5) * (window.height / height)).astype(np.intp)
    x = window.x + ((np.arange(width) + 0.5) * (window.width / width)).astype(np.intp)
    return label[y][:, x[::-1] if window.flip else x]


def _pad(frame: NDArray[Label], size: tuple[int, int], value: int) -> NDArray[Label]:
    """Extend a frame (h,w,...) to `size` on the right and below."""
    if frame.shape[:2] == size:
        return frame
    padded = np.full((*size, *frame.shape[2:]), value, frame.dtype)
    padded[: frame.shape[0], : frame.shape[1]] = frame
    return padded
