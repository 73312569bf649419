"""Draws people of many shapes, lit from the side of the sun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapt.synthetic.rendering.canvas import Colour, Points
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.pictures import darken
from mapt.synthetic.varied.optics.raster import Raster

BENCH = 3  # the class of a wall
DARK: Colour = (24.0, 23.0, 24.0)


@dataclass(frozen=True)
class Dress:
    """The look of a person.

    Attributes:
        height: metres.
        build: relative width.
        skin: RGB colour.
        hair: RGB colour.
        top: RGB colour of the upper clothes.
        legs: RGB colour of the lower clothes.
        shoes: RGB colour.
        cut: jacket, coat, skirt, shirt or shorts.
        carries: nothing, backpack, bag, case or umbrella.
        hat: RGB colour of a hat or helmet, or None.
        long_hair: hair down to the shoulders.
        pose: walk, phone, pockets or sit.
    """

    height: float
    build: float
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    shoes: Colour
    cut: str
    carries: str
    hat: Colour | None
    long_hair: bool
    pose: str


def _cloth(rng: np.random.Generator, dark: float) -> Colour:
    value = rng.uniform(12, 70) if rng.random() < dark else rng.uniform(50, 235)
    r, g, b = np.clip(value * (1 + rng.normal(0, rng.choice([0.05, 0.15, 0.45]), 3)), 6, 248)
    return float(r), float(g), float(b)


def random_dress(rng: np.random.Generator, child: float = 0.12) -> Dress:
    """Draw the look of a person."""
    height = float(rng.uniform(1.0, 1.45) if rng.random() < child else rng.normal(1.71, 0.09))
    legs = (40.0, 55.0, 85.0) if rng.random() < 0.3 else _cloth(rng, 0.65)
    return Dress(
        height,
        float(rng.uniform(0.85, 1.3)),
        scale((222.0, 172.0, 140.0), float(rng.uniform(0.3, 1.0))),
        scale((70.0, 50.0, 35.0), float(rng.uniform(0.2, 2.4))),
        _cloth(rng, 0.5),
        legs,
        _cloth(rng, 0.7),
        str(
            rng.choice(
                ["jacket", "coat", "skirt", "shirt", "shorts"], p=[0.34, 0.2, 0.12, 0.2, 0.14]
            )
        ),
        str(
            rng.choice(
                ["nothing", "backpack", "bag", "case", "umbrella"], p=[0.5, 0.22, 0.18, 0.07, 0.03]
            )
        ),
        _cloth(rng, 0.5) if rng.random() < 0.18 else None,
        bool(rng.random() < 0.35),
        str(rng.choice(["walk", "phone", "pockets"], p=[0.65, 0.15, 0.2])),
    )


@dataclass(frozen=True)
class Brush:
    """Where and with what a figure is drawn.

    Attributes:
        raster: receives it.
        sun: (3,) direction of the sun.
        tag: label.
    """

    raster: Raster
    sun: Points
    tag: int

    def limb(self, a: Points, b: Points, width: float, colour: Colour, taper: float = 1.0) -> None:
        """Draw an arm, leg or body with a round end."""
        self.raster.limb(a, b, width, colour, self.tag, self.sun, taper)

    def disc(self, centre: Points, axes: tuple[float, float], colour: Colour) -> None:
        """Draw a head, hand or shoe."""
        self.raster.disc(centre, axes, colour, self.tag)


def draw_pedestrian(
    brush: Brush, dress: Dress, foot: Points, heading: Points, phase: float, seated: bool = False
) -> None:
    """Draw a person who walks, stands or sits.

    Args:
        brush: receives the person.
        dress: the person's look.
        foot: (3,) world point between the feet.
        heading: (3,) unit vector of the walk.
        phase: of the stride, radians. It is constant for a person who stands.
        seated: the person sits on something 0.45 m high.
    """
    h = dress.height
    unit = h / 1.7
    if not seated:
        flat = np.array([(-0.26, 0, -0.16), (0.26, 0, -0.16), (0.26, 0, 0.16), (-0.26, 0, 0.16)])
        darken(brush.raster, foot + flat * unit, 0.55)
    across = abs(float(heading[2]))
    if seated:
        seat = foot + [0, 0.4, 0]
        brush.raster.limb(foot, seat, 0.5, (95.0, 85.0, 75.0), BENCH, brush.sun)
    width = 0.42 * unit * dress.build * (0.62 + 0.38 * across)
    hip = foot + [0, 0.45 if seated else 0.52 * h, 0]
    neck = hip + [0, 0.31 * h, 0]
    spread = np.array([width * 0.27, 0.0, 0.0])
    _legs(brush, dress, (foot, hip, spread), heading, phase, seated)
    back = -heading * 0.14 * unit
    if dress.carries == "backpack" and heading[2] < 0.2:
        draw_backpack(brush, dress, neck + back)
    _torso(brush, dress, (hip, neck), width, heading, phase)
    if dress.carries == "backpack" and heading[2] >= 0.2:
        draw_backpack(brush, dress, neck + back)
    _carried(brush, dress, hip, neck, width)
    draw_head(brush, dress, neck, heading)


def _legs(
    brush: Brush,
    dress: Dress,
    joints: tuple[Points, Points, Points],
    heading: Points,
    phase: float,
    seated: bool,
) -> None:
    foot, hip, spread = joints
    h = dress.height
    b = dress.build * h / 1.7
    swing = 0.2 * h * np.sin(phase)
    skin = dress.cut in ("shorts", "skirt")
    for sign in (1.0, -1.0):
        stride = heading * swing * sign
        bend = heading * (0.42 if seated else 0.05 * h * abs(np.sin(phase)))
        knee = (hip + foot) / 2 + stride * 0.5 + bend + spread * sign * 0.8
        if seated:
            knee = hip + heading * 0.42 + spread * sign
        ankle = foot + stride + spread * sign * 0.7 + [0, 0.05 * h, 0] + bend * seated
        tone = 0.92 + 0.08 * sign
        brush.limb(hip + spread * sign * 0.7, knee, 0.17 * b, scale(dress.legs, tone), 0.75)
        lower = scale(dress.skin if skin else dress.legs, tone)
        brush.limb(knee, ankle, 0.125 * b, lower, 0.7)
        brush.disc(ankle + heading * 0.05 - [0, 0.02, 0], (0.085, 0.045), dress.shoes)


def _torso(
    brush: Brush,
    dress: Dress,
    spine: tuple[Points, Points],
    width: float,
    heading: Points,
    phase: float,
) -> None:
    hip, neck = spine
    h = dress.height
    unit = h / 1.7
    low = hip - [0, (0.17 if dress.cut == "coat" else 0.02) * h, 0]
    shoulder = neck - [0, 0.015 * h, 0]
    half = np.array([width / 2, 0.0, 0.0])
    swing = heading * (0.13 * h * np.sin(phase + np.pi)) * (dress.pose == "walk")
    arm = 0.105 * unit * dress.build
    sleeve = scale(dress.top, 0.92)
    bare = dress.cut in ("shirt", "shorts")

    def draw_arm(sign: float) -> None:
        start = shoulder + half * sign * 0.92 - [0, 0.02 * h, 0]
        elbow = start + half * sign * 0.25 - [0, 0.17 * h, 0] + swing * sign * 0.5
        hand = elbow - [0, 0.14 * h, 0] + swing * sign * 0.8 + heading * 0.05
        if dress.pose == "phone" and sign > 0:
            hand = shoulder + half * 0.5 + [0, 0.02 * h, 0] + heading * 0.12
        if dress.pose == "pockets":
            hand = hip + half * sign * 0.8 + heading * 0.05
        brush.limb(start, elbow, arm, sleeve, 0.85)
        brush.limb(elbow, hand, arm * 0.85, dress.skin if bare else sleeve, 0.75)
        brush.disc(hand, (0.045, 0.05), dress.skin)

    draw_arm(-1.0)
    if dress.cut == "skirt":
        brush.limb(hip + [0, 0.06 * h, 0], hip - [0, 0.17 * h, 0], width * 0.85, dress.legs, 1.35)
    brush.limb(low, shoulder - [0, 0.05 * h, 0], width * 0.86, dress.top, 1.1)
    brush.limb(
        shoulder - [0, 0.06 * h, 0], shoulder + [0, 0.012 * h, 0], width * 0.95, dress.top, 0.55
    )
    draw_arm(1.0)


def draw_backpack(brush: Brush, dress: Dress, place: Points) -> None:
    """Draw a backpack below a world point (3,)."""
    colour = scale((dress.legs[2], dress.legs[0], dress.legs[1]), 0.9)
    brush.limb(place - [0, 0.3 * dress.height, 0], place - [0, 0.02, 0], 0.3, colour)


def _carried(brush: Brush, dress: Dress, hip: Points, neck: Points, width: float) -> None:
    side = np.array([width * 0.7, 0.0, 0.0])
    colour = scale(dress.shoes, 1.1)
    if dress.carries == "bag":
        brush.limb(hip + side - [0, 0.18, 0], hip + side + [0, 0.12, 0], 0.26, colour)
    elif dress.carries == "case":
        brush.limb(hip + side * 1.5 - [0, 0.7, 0], hip + side * 1.5 - [0, 0.15, 0], 0.3, colour)
    elif dress.carries == "umbrella":
        brush.limb(neck + side * 0.4 - [0, 0.2, 0], neck + side * 0.4 + [0, 0.5, 0], 0.03, DARK)
        brush.disc(neck + side * 0.4 + [0, 0.42, 0], (0.5, 0.16), dress.top)


def draw_head(brush: Brush, dress: Dress, neck: Points, heading: Points) -> None:
    """Draw neck, hair, face and hat above a world point (3,)."""
    h = dress.height
    face = float(heading[2]) < 0.3  # towards the camera or across
    brush.limb(neck - [0, 0.02 * h, 0], neck + [0, 0.05 * h, 0], 0.1, scale(dress.skin, 0.8))
    middle = neck + [0, 0.095 * h, 0]
    if dress.long_hair:
        brush.limb(middle - [0, 0.12 * h, 0], middle + [0, 0.02 * h, 0], 0.2, dress.hair)
    brush.disc(middle + [0, 0.012 * h, 0], (0.092, 0.115), dress.hair)
    if face:
        aside = np.array([float(heading[0]) * 0.03, -0.018 * h, -0.02])
        brush.disc(middle + aside, (0.07, 0.085), dress.skin)
    if dress.hat:
        brush.disc(middle + [0, 0.05 * h, 0], (0.11, 0.065), dress.hat)
