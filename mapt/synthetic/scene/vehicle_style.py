"""Defines the appearance of vehicles, and the light in which they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapt.synthetic.rendering.canvas import Colour, Points

CAR_KINDS = ("sedan", "hatch", "estate", "suv", "van")


@dataclass(frozen=True)
class VehicleStyle:
    """The appearance of a vehicle.

    Attributes:
        kind: names the side profile.
        scale: factor of all lengths.
        paint: RGB colour of the body.
        glass: RGB colour of the windows.
        lit: whether the lights are on.
        dirt: strength of the dirt.
    """

    kind: str
    scale: float
    paint: Colour
    glass: Colour
    lit: bool
    dirt: float


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        direction: (3,) unit vector towards the sun, in the camera's frame.
        ambient: share of the light that has no direction.
    """

    direction: Points
    ambient: float

    def on(self, normal: Points) -> float:
        """Return the brightness of a surface with the outward normal (3,)."""
        shine = max(0.0, float(normal @ self.direction))
        return self.ambient + (1 - self.ambient) * shine + 0.12 * max(0.0, float(normal[1]))


def scale(colour: Colour, gain: float) -> Colour:
    """Multiply a colour's brightness by a gain."""
    r, g, b = (min(255.0, max(0.0, c * gain)) for c in colour)
    return r, g, b


def random_style(rng: np.random.Generator, kind: str) -> VehicleStyle:
    """Draw the appearance of a vehicle of a kind.

    Most cars are grey, black or white, and some are coloured.
    """
    if kind in CAR_KINDS and rng.random() < 0.68:
        value = float(rng.choice([18, 35, 70, 110, 150, 185, 225])) * rng.uniform(0.85, 1.1)
        tint = rng.uniform(-0.06, 0.06, 3)
        paint = tuple(float(np.clip(value * (1 + t), 5, 250)) for t in tint)
    else:
        hue = rng.uniform(0, 6)
        full = np.clip([abs(hue - 3) - 1, 2 - abs(hue - 2), 2 - abs(hue - 4)], 0, 1)
        depth = rng.uniform(0.35, 0.9)
        value = rng.uniform(60, 220)
        paint = tuple(float(c) for c in value * (1 - depth + depth * full))
    shade = rng.uniform(18, 75)
    glass = (shade * 0.9, shade, shade * 1.1)
    return VehicleStyle(
        kind,
        float(rng.uniform(0.93, 1.08)),
        paint,  # type: ignore[arg-type]
        glass,
        bool(rng.random() < 0.3),
        float(rng.random()),
    )
