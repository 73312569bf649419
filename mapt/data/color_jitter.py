"""Varies the colours of training images as light, lens and camera do.

One change is drawn per triplet. A small additional change is drawn for each of its frames.
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
# Turns RGB into YIQ: luminance, and a chroma plane. Hue is an angle in it, and saturation a length.
_YIQ = np.array([_GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
# The normal distribution's quantiles at 256 levels, in standard deviations. They turn random bytes
# into Gaussian noise.
_QUANTILES = ndtri((np.arange(256) + 0.5) / 256)


class Photometry(Frozen):
    """The strengths of the changes of colour.

    A strength s bounds a change: it is drawn uniformly from [-s, s], where 0 changes nothing.

    Attributes:
        brightness: strength of the offset, as a share of full scale.
        contrast: strength of the relative gain about the image's mean.
        gamma: strength of the change of the exponent's natural logarithm.
        saturation: strength of the relative gain of the chroma.
        hue: strength of the rotation of the chroma, in turns.
        cast: strength of the relative gain of each colour channel.
        flicker: strength of the additional change of each frame, as a share of those above.
        blur: probability of a Gaussian blur.
        noise: probability of Gaussian noise.
        jpeg: probability of JPEG compression.
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
    """One draw of the changes that treat every pixel alike.

    Attributes:
        values: (8,) brightness, contrast, gamma, saturation, hue, and the gains of three channels.
    """

    values: NDArray[np.float64]

    def table(self, mean: float) -> NDArray[np.uint8]:
        """Return the tone curve (256,) of an image with this mean grey level."""
        curve = 255 * (np.arange(256) / 255) ** float(np.exp(self.values[2]))
        bright = (curve - mean) * (1 + self.values[1]) + mean + 255 * self.values[0]
        return np.asarray(np.clip(np.rint(bright), 0, 255), np.uint8)

    def matrix(self) -> NDArray[np.float32]:
        """Return the colour matrix (3,3) of saturation, hue and channel gains."""
        angle = 2 * np.pi * self.values[4]
        length = max(0.0, 1 + self.values[3])
        cos = length * np.cos(angle)
        sin = length * np.sin(angle)
        chroma = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        return np.asarray(
            (1 + self.values[5:])[:, None] * (np.linalg.inv(_YIQ) @ chroma @ _YIQ), np.float32
        )


def vary_colours(images: list[Image], how: Photometry, rng: np.random.Generator) -> list[Image]:
    """Change the colours of the frames of one scene.

    Args:
        images: frames (H,W,3) uint8 RGB. The mean of the last one is the pivot of the contrast.
        how: strengths of the changes.
        rng: draws the changes.

    Returns:
        As many frames of the same shape and type.
    """
    strengths = np.array(
        [how.brightness, how.contrast, how.gamma, how.saturation, how.hue, *[how.cast] * 3]
    )
    scene = rng.uniform(-strengths, strengths)
    flickers = [rng.uniform(-strengths, strengths) * how.flicker for _ in images]
    mean = float(images[-1][::8, ::8].mean())
    blur = float(rng.uniform(0.4, 1.3)) if rng.random() < how.blur else 0.0
    noise = float(rng.uniform(2, 9)) if rng.random() < how.noise else 0.0
    quality = int(rng.integers(35, 92)) if rng.random() < how.jpeg else 0
    varied = []
    for image, flicker in zip(images, flickers, strict=True):
        light = _Light(scene + flicker)
        out = np.asarray(cv2.transform(cv2.LUT(image, light.table(mean)), light.matrix()), np.uint8)
        if blur:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), blur), np.uint8)
        varied.append(_compress(_add_grain(out, noise, rng) if noise else out, quality))
    return varied


def _add_grain(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add Gaussian noise with a standard deviation of `deviation` grey levels."""
    grain = np.rint(_QUANTILES * deviation).astype(np.int8)
    levels = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    return np.asarray(cv2.add(image, grain[levels], dtype=cv2.CV_8U), np.uint8)


def _compress(image: Image, quality: int) -> Image:
    """Give an image the artefacts of JPEG at `quality`, or none if it is 0."""
    if not quality:
        return image
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
