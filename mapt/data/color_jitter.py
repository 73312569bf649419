"""Varies colours the way light, lens and camera do.

The change is drawn once per triplet, with a small part drawn anew for every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri

from mapt.config import Frozen
from mapt.data.triplet import Image

_GREY = np.array([0.299, 0.587, 0.114])
# RGB to YIQ: luminance, and a chroma plane in which hue is an angle and saturation a length.
_YIQ = np.array([_GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
# The normal distribution's quantiles at 256 levels, in standard deviations: random bytes become
# Gaussian grain.
_QUANTILES = ndtri((np.arange(256) + 0.5) / 256)


class Photometry(Frozen):
    """Strengths; a value drawn lies within +- the strength around "unchanged".

    Attributes:
        brightness: added, as a share of full scale.
        contrast: relative gain about the image's mean.
        gamma: of the exponent's logarithm.
        saturation: relative.
        hue: turns.
        cast: relative gain of each channel.
        flicker: share of the above that is drawn anew for every frame.
        blur: probability; noise: probability; jpeg: probability.
    """

    brightness: float = Field(0.12, ge=0, le=1)
    contrast: float = Field(0.25, ge=0, lt=1)
    gamma: float = Field(0.25, ge=0)
    saturation: float = Field(0.4, ge=0)
    hue: float = Field(0.03, ge=0, le=0.5)
    cast: float = Field(0.08, ge=0, lt=1)
    flicker: float = Field(0.2, ge=0, le=1)
    blur: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.3, ge=0, le=1)
    jpeg: float = Field(0.3, ge=0, le=1)


@dataclass(frozen=True)
class _Light:
    """One draw of the changes to single pixels.

    They are brightness, contrast, gamma, saturation, hue, and three channel gains.
    """

    values: NDArray[np.float64]

    def table(self, mean: float) -> NDArray[np.uint8]:
        """Tone curve (256,) uint8."""
        curve = 255 * (np.arange(256) / 255) ** float(np.exp(self.values[2]))
        bright = (curve - mean) * (1 + self.values[1]) + mean + 255 * self.values[0]
        return np.asarray(np.clip(np.rint(bright), 0, 255), np.uint8)

    def matrix(self) -> NDArray[np.float32]:
        """Colour matrix (3,3): saturation, hue, cast."""
        angle = 2 * np.pi * self.values[4]
        length = max(0.0, 1 + self.values[3])
        cos = length * np.cos(angle)
        sin = length * np.sin(angle)
        chroma = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        return np.asarray(
            (1 + self.values[5:])[:, None] * (np.linalg.inv(_YIQ) @ chroma @ _YIQ), np.float32
        )


def vary_colours(images: list[Image], how: Photometry, rng: np.random.Generator) -> list[Image]:
    """Change the frames (H,W,3) uint8 RGB of one scene alike, and each a little on its own."""
    limits = np.array(
        [how.brightness, how.contrast, how.gamma, how.saturation, how.hue, *[how.cast] * 3]
    )
    scene = rng.uniform(-limits, limits)
    own = [rng.uniform(-limits, limits) * how.flicker for _ in images]
    mean = float(images[-1][::8, ::8].mean())
    blur = float(rng.uniform(0.4, 1.3)) if rng.random() < how.blur else 0.0
    noise = float(rng.uniform(2, 9)) if rng.random() < how.noise else 0.0
    quality = int(rng.integers(35, 92)) if rng.random() < how.jpeg else 0
    varied = []
    for image, flicker in zip(images, own, strict=True):
        light = _Light(scene + flicker)
        out = np.asarray(cv2.transform(cv2.LUT(image, light.table(mean)), light.matrix()), np.uint8)
        if blur:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), blur), np.uint8)
        varied.append(_compress(_add_grain(out, noise, rng) if noise else out, quality))
    return varied


def _add_grain(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add Gaussian noise of `deviation` grey levels."""
    grain = np.rint(_QUANTILES * deviation).astype(np.int8)
    levels = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    return np.asarray(cv2.add(image, grain[levels], dtype=cv2.CV_8U), np.uint8)


def _compress(image: Image, quality: int) -> Image:
    """JPEG's artefacts at `quality`; 0 leaves the image alone."""
    if not quality:
        return image
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
