"""Draws the shapes and colours of trucks, buses and trams, by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.rendering.textures import pyramid
from mapt.synthetic.varied.vehicles.car_shapes import random_paint
from mapt.synthetic.varied.vehicles.liveries import flank_picture, rear_picture

LABELS = {"truck": 14, "bus": 15, "tram": 16}


@dataclass(frozen=True)
class HeavyDesign:
    """The look of a truck, bus or tram.

    Attributes:
        kind: truck, bus or tram.
        load: what a truck carries: box, tarpaulin, tank, flat, tipper or mixer.
        length: metres.
        width: metres.
        height: metres.
        cab: length of a truck's cab, metres.
        paint: RGB colour of the cab or body.
        second: RGB colour of the load or lower body.
        side: picture of a flank and its halved copies.
        back: picture of the rear and its halved copies.
        axles: u of the wheels, metres ahead of the middle.
        wheel: radius, metres.
        glass: RGB colour behind the windows.
        lights: whether the rear lamps are on.
    """

    kind: str
    load: str
    length: float
    width: float
    height: float
    cab: float
    paint: Colour
    second: Colour
    side: list[NDArray[np.uint8]]
    back: list[NDArray[np.uint8]]
    axles: tuple[float, ...]
    wheel: float
    glass: Colour
    lights: bool

    @property
    def half(self) -> float:
        """Half of the width."""
        return self.width / 2

    @property
    def ends(self) -> tuple[float, float]:
        """The rearmost and the foremost u."""
        return -self.length / 2, self.length / 2


def random_heavy(rng: np.random.Generator, kind: str) -> HeavyDesign:
    """Draw a truck, bus or tram."""
    loads = ("box", "tarpaulin", "tank", "flat", "tipper", "mixer")
    load = str(rng.choice(loads, p=[0.3, 0.27, 0.15, 0.1, 0.1, 0.08])) if kind == "truck" else ""
    lengths = {
        "truck": rng.choice([6.0, 7.5, 9.5, 14.0]),
        "bus": rng.choice([8.5, 12.0, 16.0]),
        "tram": rng.uniform(18, 30),
    }
    length = float(lengths[kind] * rng.uniform(0.93, 1.07))
    height = float(rng.uniform(2.5, 3.9) if kind == "truck" else rng.uniform(2.9, 3.5))
    paint = random_paint(rng)
    if kind != "truck" and rng.random() < 0.7:
        r, g, b = rng.uniform(30, 235, 3).tolist()
        paint = (r, g, b)
    second = random_paint(rng)
    if load in ("box", "tarpaulin", "tank") and rng.random() < 0.5:
        value = rng.uniform(140, 240)
        second = (value, value, value)
    small = length < 7
    front = length / 2
    rear_axles = [-front + 0.24 * length]
    if length > 8.5:
        rear_axles += [rear_axles[0] + 1.25] + (
            [rear_axles[0] - 1.25] if rng.random() < 0.5 else []
        )
    axles = (*rear_axles, front - (1.3 if kind == "truck" else 2.6))
    side = flank_picture(rng, kind, load, second)
    back = rear_picture(rng, kind, second)
    return HeavyDesign(
        kind,
        load,
        length,
        float(rng.uniform(2.1, 2.3) if small else rng.uniform(2.4, 2.55)),
        height * (0.85 if small and kind == "truck" else 1.0),
        float(rng.uniform(1.5, 2.2)),
        paint,
        second,
        pyramid(side),
        pyramid(back),
        axles,
        0.38 if small else float(rng.uniform(0.46, 0.52)),
        (25.0, 28.0, 30.0),
        bool(rng.random() < 0.4),
    )
