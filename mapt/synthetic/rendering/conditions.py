"""Draws how light, air, lens and sensor change a scene's pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.scene.vehicle_style import Light


@dataclass(frozen=True)
class Conditions:
    """The light, air and camera of a scene.

    Attributes:
        light: the sun's light.
        haze: RGB colour of the air.
        range: distance in metres at which the share 1/e of a colour remains.
        gain: brightness of drawn objects.
        exposure: the camera's brightness.
        cast: (3,) gain of each colour channel.
        blur: standard deviation in pixels, for a picture 1248 pixels wide.
        noise: standard deviation in grey levels.
        jpeg: quality of the compression, 0 for none.
        shake: standard deviation of the camera's pitch, radians.
    """

    light: Light
    haze: tuple[float, float, float]
    range: float
    gain: float
    exposure: float
    cast: NDArray[np.float32]
    blur: float
    noise: float
    jpeg: int
    shake: float

    def photograph(
        self, picture: NDArray[np.uint8], flicker: float, scale: float, seed: int
    ) -> NDArray[np.uint8]:
        """Apply exposure, colour cast, blur, noise and compression to a picture.

        Args:
            picture: (H,W,3) uint8 RGB, as it was drawn.
            flicker: an additional factor of the exposure.
            scale: the picture's width as a share of 1248 pixels.
            seed: seed of the noise.

        Returns:
            (H,W,3) uint8.
        """
        image = cv2.transform(picture, np.diag(self.cast * np.float32(self.exposure * flicker)))
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), self.blur * scale)
        if self.noise:
            grain = np.empty(image.shape, np.int16)
            cv2.setRNGSeed(seed)
            cv2.randn(grain, np.zeros(3), np.full(3, self.noise))
            image = cv2.add(image, grain, dtype=cv2.CV_8U)
        if self.jpeg:
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
            image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        return np.asarray(image, np.uint8)


def random_conditions(rng: np.random.Generator) -> Conditions:
    """Draw day, dusk or an overcast sky, clear or hazy air, and a good or a poor camera."""
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = rng.uniform(0.3, 1.2)
    sun = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.sin(azimuth) * np.cos(elevation),
        ]
    )
    ambient = rng.uniform(0.4, 0.85)
    grey = rng.uniform(150, 225)
    haze = tuple(
        float(grey * g)
        for g in (rng.uniform(0.9, 1.02), rng.uniform(0.95, 1.02), rng.uniform(1.0, 1.08))
    )
    dark = rng.random() < 0.2
    return Conditions(
        light=Light(sun, float(ambient)),
        haze=haze,  # type: ignore[arg-type]
        range=float(np.exp(rng.uniform(np.log(90), np.log(900)))),
        gain=float(rng.uniform(0.85, 1.15)),
        exposure=float(rng.uniform(0.3, 0.6) if dark else rng.uniform(0.7, 1.15)),
        cast=(1 + rng.normal(0, 0.05, 3)).astype(np.float32),
        blur=float(rng.uniform(0.5, 1.3) if rng.random() < 0.6 else 0.0),
        noise=float(rng.uniform(1, 7)),
        jpeg=int(rng.integers(60, 95)) if rng.random() < 0.4 else 0,
        shake=float(rng.uniform(0, 0.0025)),
    )
