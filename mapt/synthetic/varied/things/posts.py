"""Draws posts and furniture: lamps, signs, lights, bollards, bins, columns and cabinets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour, Points
from mapt.synthetic.rendering.textures import pyramid
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.pictures import darken, picture
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.shadow_map import ShadowMap
from mapt.synthetic.varied.optics.surfaces import MATT, Finish
from mapt.synthetic.varied.things import facades

BUILDING = 2
WALL = 3
FENCE = 4
POLE = 5
LIGHT = 6
SIGN = 7
# What may look like a person or a car and is neither. The classes have no void; what stands on a
# street and has no class of its own takes that of the nearest solid one.
FURNITURE = {
    "bollard": POLE,
    "stele": POLE,
    "bin": WALL,
    "cabinet": WALL,
    "column": BUILDING,
    "booth": BUILDING,
    "planter": WALL,
    "hydrant": POLE,
    "meter": POLE,
    "stump": POLE,
    "bags": WALL,
}
# The least and the greatest height, and the least and the greatest width, metres.
_SIZES = {
    "lamp": (5.5, 11, 0.1, 0.24),
    "light": (2.8, 5.2, 0.1, 0.16),
    "sign": (2.1, 3.3, 0.05, 0.09),
    "panel": (2.6, 5.0, 1.4, 3.8),
    "bollard": (0.6, 1.2, 0.08, 0.25),
    "stele": (1.4, 2.1, 0.2, 0.6),
    "bin": (0.8, 1.5, 0.45, 0.9),
    "cabinet": (0.9, 1.7, 0.5, 1.6),
    "column": (2.4, 3.8, 0.9, 1.4),
    "booth": (2.1, 2.6, 0.9, 2.4),
    "planter": (0.4, 1.0, 0.5, 1.5),
    "hydrant": (0.7, 1.1, 0.2, 0.4),
    "meter": (1.2, 1.9, 0.15, 0.45),
    "stump": (1.2, 4.5, 0.2, 0.5),
    "bags": (0.5, 1.1, 0.5, 1.2),
}
_SIGNS: tuple[tuple[Colour, Colour, int], ...] = (
    ((200.0, 25.0, 30.0), (238.0, 238.0, 235.0), 14),
    ((200.0, 25.0, 30.0), (238.0, 238.0, 235.0), 3),
    ((25.0, 70.0, 170.0), (25.0, 70.0, 170.0), 14),
    ((25.0, 70.0, 170.0), (235.0, 235.0, 235.0), 4),
    ((235.0, 235.0, 230.0), (235.0, 195.0, 30.0), 4),
    ((200.0, 25.0, 30.0), (190.0, 25.0, 30.0), 8),
    ((25.0, 70.0, 170.0), (180.0, 25.0, 35.0), 14),
    ((240.0, 205.0, 60.0), (240.0, 205.0, 60.0), 4),
)


@dataclass(frozen=True)
class Fixture:
    """A post or a piece of furniture at (s, d).

    Attributes:
        s: metres along the road.
        d: metres to the right of its middle.
        kind: lamp, light, sign, panel, or one of `FURNITURE`.
        height: metres.
        width: metres.
        colour: RGB.
        variant: chooses among looks.
        picture: of a panel, and its halved copies.
    """

    s: float
    d: float
    kind: str
    height: float
    width: float
    colour: Colour
    variant: int
    picture: list[NDArray[np.uint8]]

    def cast(self, shadows: ShadowMap) -> None:
        """Cast its shadow."""
        w = max(self.width, 0.12) / 2
        outline = np.array([(-w, -w), (w, -w), (w, w), (-w, w)]) + [self.d, self.s]
        shadows.prism(outline, 0.0, self.height, 0.3)


def random_fixture(rng: np.random.Generator, kind: str, s: float, d: float) -> Fixture:
    """Draw the look of a post or piece of furniture."""
    low, high, thin, thick = _SIZES[kind]
    grey = rng.uniform(25, 200)
    colour = (grey, grey, grey * 1.02)
    if kind in FURNITURE and rng.random() < 0.55:
        hue = rng.uniform(-1, 1, 3) * rng.uniform(0.1, 0.9)
        r, g, b = np.clip(grey * (1 + hue), 8, 235)
        colour = (float(r), float(g), float(b))
    picture = pyramid(facades.poster(rng)) if kind in ("panel", "column", "booth") else []
    return Fixture(
        s,
        d,
        kind,
        float(rng.uniform(low, high)),
        float(rng.uniform(thin, thick)),
        colour,
        int(rng.integers(1 << 20)),
        picture,
    )


def draw_fixture(raster: Raster, fixture: Fixture, foot: Points, sun: Points) -> None:
    """Draw a post or piece of furniture that stands at a world point."""
    top = np.array([0.0, fixture.height, 0.0])
    if fixture.kind in FURNITURE:
        _furniture(raster, fixture, foot, sun)
        return
    metal: Colour = fixture.colour if fixture.kind != "sign" else (125.0, 127.0, 130.0)
    if fixture.kind == "panel":
        _panel(raster, fixture, foot, sun)
        return
    raster.limb(foot, foot + top, fixture.width, metal, POLE, sun, 0.7)
    if fixture.kind == "lamp":
        reach = (0.4, 1.2, 2.2)[fixture.variant % 3]
        arm = np.array([-np.sign(foot[0]) * reach, 0.25, 0.0])
        raster.limb(foot + top, foot + top + arm, 0.08, metal, POLE, sun)
        raster.limb(foot + top + arm, foot + top + arm * 1.3, 0.16, (150.0, 150.0, 148.0), POLE)
    elif fixture.kind == "light":
        _light(raster, fixture, foot, top)
    else:
        _sign(raster, fixture, foot, top, sun)


def _light(raster: Raster, fixture: Fixture, foot: Points, top: Points) -> None:
    low = foot + top - [0, 0.95, 0]
    high = foot + top
    raster.limb(low, high, 0.34, (20.0, 22.0, 20.0), LIGHT)
    lamps: tuple[Colour, ...] = ((255.0, 35.0, 25.0), (255.0, 180.0, 30.0), (40.0, 235.0, 150.0))
    for i, colour in enumerate(lamps):
        lit = i == fixture.variant % 3
        centre = high - (high - low) * (0.2 + 0.3 * i) - [0, 0, 0.05]
        raster.disc(
            centre,
            (0.105, 0.105),
            colour if lit else scale(colour, 0.2),
            LIGHT,
            Finish(glow=1.8 if lit else 0.0),
        )


def _sign(raster: Raster, fixture: Fixture, foot: Points, top: Points, sun: Points) -> None:
    rim, inside, corners = _SIGNS[fixture.variant % len(_SIGNS)]
    size = 0.3 + 0.12 * (fixture.variant % 5) / 4
    if fixture.variant % 7 == 0:  # seen from behind
        rim = inside = (140.0, 142.0, 145.0)
    turn = np.pi / 4 * (corners == 4) * (fixture.variant % 2) + np.pi / corners
    start = np.pi / 2 if corners == 3 else turn
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + start
    for grow, colour in ((1.0, rim), (0.74, inside)):
        ring = np.stack(
            (np.cos(angle) * size * grow, np.sin(angle) * size * grow, angle * 0 - 0.06), 1
        )
        raster.polygon(foot + top + ring, colour, SIGN, MATT, np.array([0.0, 0.0, -1.0]))
    if fixture.variant % 3 == 0:
        for shift in (-0.08, 0.06):
            spot = foot + top + [shift, 0.02, -0.07]
            raster.limb(spot - [0, 0.1, 0], spot + [0, 0.1, 0], 0.07, (25.0, 25.0, 28.0), SIGN)


def _panel(raster: Raster, fixture: Fixture, foot: Points, sun: Points) -> None:
    """Draw a billboard, which counts as part of a building."""
    half = fixture.width / 2
    low = max(0.6, fixture.height - fixture.width * 0.7)
    for sign in (-0.6, 0.6):
        post = foot + [half * sign, 0, 0.05]
        raster.limb(post, post + [0, low + 0.2, 0], 0.12, (90.0, 92.0, 95.0), POLE, sun)
    corners = foot + np.array(
        [(-half, fixture.height, 0), (half, fixture.height, 0.3), (half, low, 0.3), (-half, low, 0)]
    )
    picture(raster, fixture.picture, corners, BUILDING)


def _furniture(raster: Raster, fixture: Fixture, foot: Points, sun: Points) -> None:
    label = FURNITURE[fixture.kind]
    h = fixture.height
    w = fixture.width
    flat = np.array([(-0.6, 0, -0.4), (0.6, 0, -0.4), (0.6, 0, 0.4), (-0.6, 0, 0.4)])
    darken(raster, foot + flat * max(w, 0.3), 0.6)
    up = np.array([0.0, h, 0.0])
    raster.limb(foot, foot + up, w, fixture.colour, label, sun)
    cap = scale(fixture.colour, (0.5, 1.25, 1.7)[fixture.variant % 3])
    if fixture.kind in ("bollard", "stele", "hydrant", "meter", "column"):
        raster.disc(foot + up, (w * 0.55, w * 0.3), cap, label)
        if fixture.variant % 2:
            a = foot + up * 0.72
            raster.limb(a, a + up * 0.12, w * 1.02, (225.0, 60.0, 50.0), label, sun)
    elif fixture.kind in ("bin", "cabinet", "booth"):
        raster.limb(foot + up * 0.94, foot + up * 1.04, w * 1.06, cap, label, sun)
    elif fixture.kind in ("planter", "bags"):
        for i in range(3):
            spot = foot + up + [(i - 1) * w * 0.3, h * 0.08, 0]
            colour: Colour = (60.0, 95.0, 35.0) if fixture.kind == "planter" else cap
            tag = 8 if fixture.kind == "planter" else label
            raster.disc(spot, (w * 0.2, h * 0.2), scale(colour, 0.7 + 0.2 * i), tag)
    if fixture.picture and fixture.kind != "panel":
        half = w * 0.4
        corners = foot + np.array(
            [
                (-half, h * 0.92, -w / 2),
                (half, h * 0.92, -w / 2),
                (half, h * 0.25, -w / 2),
                (-half, h * 0.25, -w / 2),
            ]
        )
        picture(raster, fixture.picture, corners, label)
