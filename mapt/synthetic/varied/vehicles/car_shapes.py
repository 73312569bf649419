"""Draws the shapes and colours of cars, by chance, as outlines at rising heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour

SHAPES = ("small", "hatch", "sedan", "estate", "suv", "mpv", "van", "pickup", "coupe")
_SHARES = (0.13, 0.22, 0.17, 0.15, 0.13, 0.07, 0.07, 0.02, 0.04)
# Length, width and height in metres; then, as shares of the length from the rear, where the rear
# window ends above and the windscreen begins and ends; the belt and the bonnet as shares of the
# height; and by how much the rear window begins before the rear end.
_NUMBERS = {
    "small": (3.5, 1.62, 1.48, 0.05, 0.55, 0.83, 0.62, 0.55, 0.02),
    "hatch": (4.1, 1.75, 1.46, 0.10, 0.52, 0.75, 0.64, 0.55, 0.02),
    "sedan": (4.6, 1.79, 1.44, 0.27, 0.53, 0.74, 0.66, 0.56, 0.15),
    "estate": (4.65, 1.79, 1.48, 0.08, 0.54, 0.75, 0.65, 0.56, 0.01),
    "suv": (4.5, 1.86, 1.70, 0.08, 0.53, 0.74, 0.64, 0.60, 0.01),
    "mpv": (4.4, 1.80, 1.65, 0.04, 0.62, 0.84, 0.60, 0.54, 0.01),
    "van": (4.9, 1.92, 1.98, 0.02, 0.70, 0.86, 0.57, 0.50, 0.01),
    "pickup": (5.1, 1.85, 1.75, 0.42, 0.58, 0.73, 0.60, 0.57, 0.40),
    "coupe": (4.3, 1.78, 1.32, 0.30, 0.50, 0.72, 0.67, 0.56, 0.10),
}


@dataclass(frozen=True)
class CarDesign:
    """The shape and look of a car. Lengths are in metres, and u points ahead from the middle.

    Attributes:
        levels: (n,4) height, rear u, front u and half width of the outline at each height.
        belt: index of the level at which the windows begin.
        paint: RGB colour of the body.
        trim: RGB colour of bumpers and sills.
        glass: RGB colour behind the windows.
        gloss: of the paint.
        panes: number of side windows.
        closed: without side windows behind the doors, as delivery vans.
        wheel: radius.
        rim: RGB colour.
        lamp: height of the lamps.
        lights: whether the head lamps are on.
        brake: whether the rear lamps are.
        rails: with rails or a box on the roof.
        tall_lamps: rear lamps along the rear window instead of below.
        people: heads behind the windows.
    """

    levels: NDArray[np.float64]
    belt: int
    paint: Colour
    trim: Colour
    glass: Colour
    gloss: float
    panes: int
    closed: bool
    wheel: float
    rim: Colour
    lamp: float
    lights: bool
    brake: bool
    rails: bool
    tall_lamps: bool
    people: int

    @property
    def half(self) -> float:
        """Half of the greatest width."""
        return float(self.levels[:, 3].max())

    @property
    def ends(self) -> tuple[float, float]:
        """The rearmost and the foremost u."""
        return float(self.levels[:, 1].min()), float(self.levels[:, 2].max())

    @property
    def height(self) -> float:
        """Height of the roof."""
        return float(self.levels[-1, 0])


def random_car(rng: np.random.Generator) -> CarDesign:
    """Draw a car."""
    shape = str(rng.choice(SHAPES, p=_SHARES))
    numbers = np.array(_NUMBERS[shape])
    length, width, height = numbers[:3] * rng.normal(1, 0.04, 3)
    roof_rear, roof_front, screen, belt, bonnet, deck = numbers[3:] + rng.normal(0, 0.012, 6)
    deck = max(deck, 0.005)
    half = width / 2
    low = rng.uniform(0.16, 0.26) * (1.3 if shape in ("suv", "pickup") else 1.0)
    nose = rng.uniform(0.02, 0.06)
    lean = rng.uniform(0.1, 0.2)

    def u(share: float) -> float:
        return float((share - 0.5) * length)

    levels = [
        (low, u(0.02), u(0.985), half * 0.93),
        (low + 0.18, u(0.0), u(1.0), half * 0.985),
        (height * 0.44, u(0.004), u(0.998), half),
        (height * bonnet, u(0.012), u(1.0 - nose), half * 0.985),
        (height * belt, u(0.02 + deck * 0.5), u(screen), half * 0.95),
        (height * belt + 0.02, u(0.025 + deck), u(screen - 0.01), half * 0.93),
        (height * 0.965, u(roof_rear), u(roof_front), half * (1 - lean)),
        (height, u(roof_rear + 0.06), u(roof_front - 0.07), half * (0.86 - lean)),
    ]
    paint = random_paint(rng)
    dark = rng.random() < 0.5
    return CarDesign(
        levels=np.array(levels),
        belt=5,
        paint=paint,
        trim=(38.0, 38.0, 40.0) if dark else paint,
        glass=_glass(rng),
        gloss=float(rng.choice([0.35, 0.7, 1.0], p=[0.25, 0.35, 0.4])),
        panes=2 if shape in ("small", "coupe", "pickup") or rng.random() < 0.15 else 3,
        closed=bool(shape == "van" and rng.random() < 0.6),
        wheel=float(rng.uniform(0.29, 0.34) * (1.12 if shape in ("suv", "pickup") else 1.0)),
        rim=_grey(rng.uniform(60, 210)),
        lamp=float(height * bonnet * rng.uniform(0.8, 0.95)),
        lights=bool(rng.random() < 0.25),
        brake=bool(rng.random() < 0.3),
        rails=bool(shape in ("estate", "suv", "mpv") and rng.random() < 0.4),
        tall_lamps=bool(shape in ("estate", "mpv", "van", "hatch") and rng.random() < 0.35),
        people=int(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15])),
    )


def _grey(value: float) -> Colour:
    return value, value, value * 1.02


def _glass(rng: np.random.Generator) -> Colour:
    value = float(rng.choice([12.0, 25.0, 40.0, 75.0])) * rng.uniform(0.7, 1.3)
    return value * 0.92, value, value * 1.03


def random_paint(rng: np.random.Generator) -> Colour:
    """Draw the colour of a car: most are black, grey, silver or white."""
    if rng.random() < 0.66:
        value = float(rng.choice([16, 28, 45, 70, 110, 150, 185, 225, 240])) * rng.uniform(
            0.85, 1.1
        )
        r, g, b = np.clip(value * (1 + rng.normal(0, 0.03, 3)), 6, 250)
        return float(r), float(g), float(b)
    bases = [
        (25, 40, 95),
        (30, 60, 130),
        (150, 22, 25),
        (110, 15, 25),
        (190, 40, 30),
        (20, 70, 50),
        (60, 95, 70),
        (215, 180, 40),
        (160, 140, 105),
        (110, 75, 50),
        (80, 110, 140),
        (200, 95, 30),
        (130, 160, 175),
        (150, 165, 60),
    ]
    base = np.array(bases[int(rng.integers(len(bases)))]) * rng.uniform(0.6, 1.25)
    r, g, b = np.clip(base * (1 + rng.normal(0, 0.1, 3)), 6, 250)
    return float(r), float(g), float(b)
