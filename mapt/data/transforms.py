"""Augmentation that treats the frames of a triplet alike and keeps their ids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.config import Frozen
from mapt.data.triplet import Image, Triplet
from mapt.panoptic import VOID


class Augmentation(Frozen):
    """How strongly triplets are varied.

    `heights` is the range the frame's height is scaled into before the crop, pixels; the other numbers are
    probabilities or relative strengths.
    """

    heights: tuple[float, float] = (190.0, 420.0)
    flip: float = 0.5
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    cast: float = 0.08
    flicker: float = 0.06
    blur: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.3


@dataclass(frozen=True)
class Crop:
    """Scale, then cut (height, width) at (y, x) of the scaled frame; what lies outside is padding."""

    scale: float
    y: int
    x: int
    height: int
    width: int


def augment(triplet: Triplet, height: int, width: int, how: Augmentation, rng: np.random.Generator) -> Triplet:
    """A random view of a triplet, (height, width) pixels; padding is black and void."""
    crop = draw_crop(triplet.images[0].shape[:2], height, width, how, rng)
    flip = rng.random() < how.flip
    images = [cut_image(image, crop) for image in triplet.images]
    semantic = [cut_label(label, crop, VOID) for label in triplet.semantic]
    instance = [cut_label(label, crop, 0) for label in triplet.instance]
    if flip:
        images, semantic, instance = (
            [np.ascontiguousarray(frame[:, ::-1]) for frame in frames] for frames in (images, semantic, instance)
        )
    images = vary_colours(images, how, rng)
    return replace(
        triplet,
        images=(images[0], images[1], images[2]),
        semantic=(semantic[0], semantic[1]),
        instance=(instance[0], instance[1]),
    )


def draw_crop(shape: tuple[int, ...], height: int, width: int, how: Augmentation, rng: np.random.Generator) -> Crop:
    """A random scale, uniform in its logarithm and large enough to fill the window, and a window at a random place.

    Rows near the middle, where the horizon is, are kept more often.
    """
    target = float(np.exp(rng.uniform(np.log(how.heights[0]), np.log(how.heights[1]))))
    scale = max(target / shape[0], height / shape[0], width / shape[1])
    free_y, free_x = round(shape[0] * scale) - height, round(shape[1] * scale) - width
    y = round(free_y * float(rng.beta(2, 2))) if free_y > 0 else 0
    x = round(free_x * float(rng.random())) if free_x > 0 else 0
    return Crop(scale, y, x, height, width)


def cut_image(image: Image, crop: Crop) -> Image:
    """The window of an image; only the pixels needed are resampled."""
    return _cut(image, crop, cv2.INTER_AREA if crop.scale < 0.7 else cv2.INTER_LINEAR, 0)


def cut_label(label: NDArray[np.generic], crop: Crop, padding: int) -> NDArray[np.generic]:  # type: ignore[misc]
    """The window of a label by nearest neighbour."""
    return _cut(label, crop, cv2.INTER_NEAREST, padding)


def _cut(frame, crop: Crop, interpolation: int, padding: int):  # type: ignore[no-untyped-def]
    rows, columns = frame.shape[:2]
    y1, x1 = int(crop.y / crop.scale), int(crop.x / crop.scale)
    y2 = min(rows, y1 + int(np.ceil(crop.height / crop.scale)))
    x2 = min(columns, x1 + int(np.ceil(crop.width / crop.scale)))
    size = (min(crop.width, round((x2 - x1) * crop.scale)), min(crop.height, round((y2 - y1) * crop.scale)))
    part = cv2.resize(frame[y1:y2, x1:x2], size, interpolation=interpolation)
    if size == (crop.width, crop.height):
        return part
    out = np.full((crop.height, crop.width, *frame.shape[2:]), padding, frame.dtype)
    out[: size[1], : size[0]] = part
    return out


def vary_colours(images: list[Image], how: Augmentation, rng: np.random.Generator) -> list[Image]:
    """Brightness, contrast, saturation and cast of the scene, a flicker per frame, blur, noise and JPEG."""
    gain = 1 + rng.uniform(-how.contrast, how.contrast)
    lift = 255 * rng.uniform(-how.brightness, how.brightness) * 0.5
    cast = 1 + rng.uniform(-how.cast, how.cast, 3)
    saturation = 1 + rng.uniform(-how.saturation, how.saturation)
    gamma = float(np.exp(rng.uniform(-0.25, 0.25)))
    mean = float(images[-1].mean())
    grey = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * grey[None].repeat(3, 0)
    blur = rng.uniform(0.4, 1.3) if rng.random() < how.blur else 0.0
    noise = rng.uniform(2, 9) if rng.random() < how.noise else 0.0
    quality = int(rng.integers(35, 92)) if rng.random() < how.jpeg else 0
    curve = 255 * (np.arange(256) / 255) ** gamma
    varied = []
    for image in images:
        flicker = 1 + rng.normal(0, how.flicker)
        table = np.clip((curve - mean) * gain + mean * flicker + lift, 0, 255).astype(np.uint8)
        matrix = (mix * cast[:, None]).astype(np.float32)
        out = cv2.transform(cv2.LUT(image, table), matrix)
        if blur:
            out = cv2.GaussianBlur(out, (0, 0), blur)
        if noise:
            grain = np.empty(out.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(1 << 31)))
            cv2.randn(grain, (0, 0, 0), (noise, noise, noise))
            out = cv2.add(out, grain, dtype=cv2.CV_8U)
        if quality:
            _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
            out = cv2.imdecode(data, cv2.IMREAD_COLOR)
        varied.append(out)
    return varied
