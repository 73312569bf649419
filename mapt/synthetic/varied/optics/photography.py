"""Turns radiance into a photograph: exposure, tone curve, lens, sensor and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.varied.optics.lighting import Field

LEVELS = 4096


@dataclass(frozen=True)
class Photography:
    """A camera's faults and its maker's taste.

    Attributes:
        target: brightness to which the mean of the scene is exposed, linear.
        adapt: 0 for a fixed exposure, 1 to follow the scene in full.
        gamma: of the tone curve.
        contrast: strength of the curve's S shape.
        black: level that becomes black.
        saturation: 1 for true colours.
        balance: (3,) gains of the channels.
        blur: standard deviation in pixels, for a picture 1248 pixels wide.
        sharpen: strength of sharpening after the blur.
        flare: share of the light that the lens scatters over the picture.
        bloom: share of the light beyond white that leaks around bright areas.
        vignette: loss in the corners.
        shot: noise of a white pixel, in levels.
        read: noise of a black pixel, in levels.
        mosaic: whether colours come from a Bayer pattern.
        jpeg: quality of the compression, 0 for none.
        fringe: shift between red and blue at the picture's edge, pixels.
    """

    target: float
    adapt: float
    gamma: float
    contrast: float
    black: float
    saturation: float
    balance: Field
    blur: float
    sharpen: float
    flare: float
    bloom: float
    vignette: float
    shot: float
    read: float
    mosaic: bool
    jpeg: int
    fringe: float

    def expose(
        self, radiance: Field, ground: NDArray[np.bool_], flicker: float, scale: float, seed: int
    ) -> NDArray[np.uint8]:
        """Photograph a scene.

        Args:
            radiance: (H,W,3) RGB.
            ground: (H,W) what the exposure is measured on: all but the sky.
            flicker: an additional factor of the exposure.
            scale: the picture's width as a share of 1248 pixels.
            seed: seed of the noise.

        Returns:
            (H,W,3) uint8 RGB.
        """
        seen = radiance[::6, ::6, 1][ground[::6, ::6]]
        mean = float(np.exp(np.log(np.maximum(seen, 1e-3)).mean())) if seen.size else 0.2
        gain = self.target / (0.14 ** (1 - self.adapt) * max(mean, 0.004) ** self.adapt) * flicker
        image = radiance * (self.balance * np.float32(gain))
        image = self._lens(image, scale)
        encoded = np.clip(image * (LEVELS - 1), 0, LEVELS - 1).astype(np.uint16)
        picture: NDArray[np.uint8] = self._curve()[encoded]
        picture = self._colours(picture)
        picture = self._sensor(picture, seed)
        if self.jpeg:
            _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
            picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        return picture

    def _lens(self, image: Field, scale: float) -> Field:
        """Add stray light, dark corners, blur and colour fringes."""
        h, w = image.shape[:2]
        small = cv2.resize(np.minimum(image, 6), (w // 8, h // 8), interpolation=cv2.INTER_AREA)
        spill = cv2.GaussianBlur(np.maximum(small - 0.8, 0), (0, 0), 2.5 * max(scale, 0.2))
        veil = small.mean((0, 1)) * np.float32(self.flare)
        stray = cv2.resize(spill * np.float32(self.bloom) + veil, (w, h))
        out = np.asarray(image + stray, np.float32)
        if self.vignette:
            y = np.linspace(-1, 1, h, dtype=np.float32)[:, None] * np.float32(h / w)
            x = np.linspace(-1, 1, w, dtype=np.float32)[None]
            out *= (1 - np.float32(self.vignette) * (x * x + y * y))[..., None]
        np.minimum(out, 3, out=out)
        if self.blur:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), self.blur * scale), np.float32)
        for channel, sign in ((0, 1), (2, -1)) if self.fringe else ():
            grow = 1 + sign * 2 * self.fringe * scale / w
            matrix = np.array([[grow, 0, w / 2 * (1 - grow)], [0, grow, h / 2 * (1 - grow)]])
            plane = np.ascontiguousarray(out[..., channel])
            edge = cv2.BORDER_REPLICATE
            out[..., channel] = cv2.warpAffine(plane, matrix, (w, h), borderMode=edge)
        return out

    def _curve(self) -> NDArray[np.uint8]:
        """Return the tone curve, a table of `LEVELS`."""
        x = np.linspace(0, 1, LEVELS) ** (1 / self.gamma)
        x = np.clip((x - self.black) / (1 - self.black), 0, 1)
        x = x + self.contrast * (x * x * (3 - 2 * x) - x)
        return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)

    def _colours(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        grey = np.array([0.299, 0.587, 0.114])
        matrix = self.saturation * np.eye(3) + (1 - self.saturation) * np.ones((3, 1)) * grey
        return np.asarray(cv2.transform(picture, matrix), np.uint8)

    def _sensor(self, picture: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Add noise, a Bayer pattern's faults and sharpening."""
        grain = np.empty(picture.shape, np.int16)
        cv2.setRNGSeed(seed)
        cv2.randn(grain, np.zeros(3), np.full(3, 64.0))
        level = (np.arange(256) / 255.0) * self.shot + (1 - np.arange(256) / 255.0) * self.read
        strength = cv2.LUT(picture, level.astype(np.float32))
        noise = cv2.multiply(grain, strength, scale=1 / 64, dtype=cv2.CV_32F)
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U).astype(np.uint8)
        if self.mosaic:
            raw = picture[..., 1].copy()
            raw[0::2, 0::2] = picture[0::2, 0::2, 0]
            raw[1::2, 1::2] = picture[1::2, 1::2, 2]
            picture = np.asarray(cv2.cvtColor(raw, cv2.COLOR_BayerRG2BGR), np.uint8)
        if self.sharpen:
            soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
            picture = np.asarray(
                cv2.addWeighted(picture, 1 + self.sharpen, soft, -self.sharpen, 0), np.uint8
            )
        return picture


def random_photography(rng: np.random.Generator) -> Photography:
    """Draw a camera."""
    hard = rng.random() < 0.5
    dark = rng.random() < 0.12
    return Photography(
        target=float(rng.uniform(0.05, 0.1) if dark else rng.uniform(0.1, 0.24)),
        adapt=float(rng.uniform(0.3, 0.95)),
        gamma=float(rng.uniform(1.7, 2.4)),
        contrast=float(rng.uniform(0.4, 1.0) if hard else rng.uniform(0.0, 0.5)),
        black=float(rng.uniform(0.02, 0.12) if hard else rng.uniform(0.0, 0.04)),
        saturation=float(rng.uniform(0.6, 1.55)),
        balance=(1 + rng.normal(0, 0.05, 3)).astype(np.float32),
        blur=float(rng.uniform(0.35, 1.2) if rng.random() < 0.85 else 0.0),
        sharpen=float(rng.uniform(0.2, 1.0) if rng.random() < 0.4 else 0.0),
        flare=float(rng.uniform(0.0, 0.03)),
        bloom=float(rng.uniform(0.0, 0.12)),
        vignette=float(rng.uniform(0.0, 0.4) if rng.random() < 0.6 else 0.0),
        shot=float(rng.uniform(0.3, 4)),
        read=float(rng.uniform(0.3, 3.5)),
        mosaic=bool(rng.random() < 0.5),
        jpeg=int(rng.integers(55, 97)) if rng.random() < 0.6 else 0,
        fringe=float(rng.uniform(0.3, 1.5) if rng.random() < 0.2 else 0.0),
    )
