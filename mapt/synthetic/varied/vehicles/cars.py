"""Draws cars: bodies of curved outlines, windows, wheels, lamps and plates."""

from __future__ import annotations

import itertools

import numpy as np

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.pictures import darken
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.surfaces import MATT, Bulge, Finish
from mapt.synthetic.varied.vehicles.bodies import AROUND, COARSE, Pose, loft
from mapt.synthetic.varied.vehicles.car_shapes import CarDesign
from mapt.synthetic.varied.vehicles.wheels import COS, SIN, TYRE, draw_wheel

_FEW = [0, 2, 3, 5, 6, 7]  # levels of a small car


def draw_car(raster: Raster, design: CarDesign, pose: Pose, tag: int) -> None:
    """Draw a car."""
    size = raster.camera.focal * design.height / max(float(pose.place[2]), 1.0)
    rear, front = design.ends
    for grow, keep in ((1.05, 0.6), (0.97, 0.35)):
        corners = [(a * grow, b * design.half * grow, 0.0) for a in (rear, front) for b in (-1, 1)]
        corners[2:] = corners[:1:-1]
        darken(raster, pose.world(np.array(corners)), keep)
    coarse = size < 26
    facets = loft(design.levels[_FEW] if coarse else design.levels, coarse)
    colours = np.tile(np.array(design.paint), (len(facets), 1))
    around = len(COARSE) if coarse else len(AROUND)
    colours[:around] = design.trim
    middle = pose.world(np.array([[0.0, 0.0, design.height * 0.5]]))[0]
    bulge = Bulge(middle, 0.10, 0.45)
    finish = Finish(gloss=design.gloss)
    under = np.array(
        [
            (rear * 0.9, -design.half * 0.9, 0.0),
            (front * 0.9, -design.half * 0.9, 0.0),
            (front * 0.9, design.half * 0.9, 0.0),
            (rear * 0.9, design.half * 0.9, 0.0),
        ]
    )
    raster.polygon(pose.world(under + [0, 0, 0.12]), (10.0, 10.0, 10.0), tag)
    if not coarse:
        _far_wheels(raster, design, pose, tag)
    raster.facets(pose.world(facets), colours, tag, finish, middle, bulge)
    _windows(raster, design, pose, tag, size)
    side = pose.side(design.half * 0.97)
    if side:
        _flank(raster, design, pose, side, tag, size)
    end = pose.end(abs(rear) * 0.97)
    if end:
        _end(raster, design, pose, end, tag, size)


def _far_wheels(raster: Raster, design: CarDesign, pose: Pose, tag: int) -> None:
    """Draw the tyres below the body, which are seen from the front and the rear."""
    for u in axles(design):
        for sign in (-1.0, 1.0):
            v = sign * design.half * 0.8
            corners = [(u, v - 0.1, 0.0), (u, v + 0.1, 0.0), (u, v + 0.1, 0.4), (u, v - 0.1, 0.4)]
            raster.polygon(pose.world(np.array(corners)), TYRE, tag)


def axles(design: CarDesign) -> tuple[float, float]:
    """Return u of the rear and the front axle."""
    rear, front = design.ends
    length = front - rear
    return rear + 0.19 * length, front - 0.185 * length


def _windows(raster: Raster, design: CarDesign, pose: Pose, tag: int, size: float) -> None:
    low = design.levels[design.belt]
    high = design.levels[design.belt + 1]
    glass = Finish(gloss=1.0)
    colour = design.glass

    def pane(corners: list[tuple[float, float, float]], bulge: Bulge | None = None) -> None:
        raster.polygon(pose.world(np.array(corners)), colour, tag, glass, bulge=bulge)

    end = pose.end(abs(float(low[1])) * 0.8)
    y1 = low[0] + 0.03
    y2 = high[0] - 0.03
    if end:
        u1, u2 = (low[2], high[2]) if end > 0 else (low[1], high[1])
        w1 = low[3] * 0.88
        w2 = high[3] * 0.88
        out = 0.012 * end
        centre = pose.world(np.array([[u1 - end * 1.5, 0.0, y1]]))[0]
        pane(
            [(u1 + out, -w1, y1), (u1 + out, w1, y1), (u2 + out, w2, y2), (u2 + out, -w2, y2)],
            Bulge(centre, 0.22, 0.1),
        )
        if size > 60:
            _heads(raster, design, pose, end, tag)
    side = pose.side(design.half * 0.97)
    if not side:
        return
    back1 = low[1] + 0.22
    back2 = high[1] + 0.16
    ahead1 = low[2] - 0.28
    ahead2 = high[2] - 0.14
    start = 0.62 if design.closed else 0.0
    edges = np.linspace(start, 1.0, 2 if design.closed else design.panes + 1)
    gap = 0.018
    quads = []
    for a, b in itertools.pairwise(edges):
        bottom = [back1 + (ahead1 - back1) * t for t in (a + gap, b - gap)]
        upper = [back2 + (ahead2 - back2) * t for t in (a + gap, b - gap)]
        v1 = side * low[3] * 1.008
        v2 = side * high[3] * 1.01
        quads.append(
            [(bottom[0], v1, y1), (bottom[1], v1, y1), (upper[1], v2, y2), (upper[0], v2, y2)]
        )
    colours = np.tile(np.array(colour), (len(quads), 1))
    lean = pose.right * side * 0.93 + np.array([0.0, 0.36, 0.0])
    raster.panes(pose.world(np.array(quads)), colours, tag, glass, lean)


def _heads(raster: Raster, design: CarDesign, pose: Pose, end: float, tag: int) -> None:
    """Draw seats and heads behind a windscreen or rear window."""
    low = design.levels[design.belt]
    high = design.levels[design.belt + 1]
    column = 2 if end > 0 else 1
    dark = scale(design.glass, 0.4)
    across = COS * 0.1
    # They lie in the window's plane and mirror the same sky as the glass around them.
    slope = (high[column] - low[column]) / (high[0] - low[0])
    for seat in range(2):
        seen = seat < design.people
        y = (low[0] + high[0]) / 2 - 0.03 - 0.05 * (not seen) + SIN * 0.12
        v = (seat - 0.5) * design.half + across
        u = low[column] + slope * (y - low[0]) + 0.014 * end
        outline = pose.world(np.stack((u, v, y), 1))
        centre = pose.world(np.array([[low[column] - end * 1.5, 0.0, low[0]]]))[0]
        colour = scale(dark, 1.5 if seen else 1.0)
        bulge = Bulge(centre, 0.22, 0.1)
        raster.polygon(outline[::3], colour, tag, Finish(gloss=1.0), None, bulge)


def _flank(
    raster: Raster, design: CarDesign, pose: Pose, side: float, tag: int, size: float
) -> None:
    low = float(design.levels[0, 0])
    v = side * design.half * 1.012
    rear, front = design.ends
    sill = np.array(
        [
            (rear + 0.5, v * 0.96, low),
            (front - 0.5, v * 0.96, low),
            (front - 0.5, v, low + 0.14),
            (rear + 0.5, v, low + 0.14),
        ]
    )
    raster.polygon(pose.world(sill), scale(design.trim, 0.6), tag)
    for u in axles(design):
        draw_wheel(raster, pose, u, v, design.wheel, design.rim, tag)
    if size < 34:
        return
    belt = float(design.levels[design.belt, 0])
    door = scale(design.paint, 0.45)
    for share in (0.3, 0.5, 0.68)[3 - design.panes :]:
        u = rear + (front - rear) * share
        p, q = pose.world(np.array([(u, v, low + 0.2), (u, v * 0.96, belt)]))
        raster.limb(p, q, 0.018, door, tag)
        p, q = pose.world(
            np.array([(u + 0.08, v * 1.005, belt - 0.12), (u + 0.26, v * 1.005, belt - 0.12)])
        )
        raster.limb(p, q, 0.03, scale(design.paint, 0.7), tag)
    mirror = float(design.levels[design.belt, 2]) - 0.3
    spot = pose.world(np.array([[mirror, v * 1.1, belt + 0.08]]))[0]
    raster.disc(spot, (0.1, 0.075), scale(design.paint, 0.9), tag, Finish(gloss=0.5))


def _end(raster: Raster, design: CarDesign, pose: Pose, end: float, tag: int, size: float) -> None:
    """Draw lamps, plate, grille and bumper."""
    rear, front = design.ends
    u = (front if end > 0 else rear) + 0.015 * end
    w = design.half
    lamp = design.lamp

    def plate(
        v: tuple[float, float],
        y: tuple[float, float],
        colour: Colour,
        finish: Finish = MATT,
        back: float = 0.0,
    ) -> None:
        corners = [
            (u - back * end, a, b)
            for a, b in ((v[0], y[0]), (v[1], y[0]), (v[1], y[1]), (v[0], y[1]))
        ]
        raster.polygon(pose.world(np.array(corners)), colour, tag, finish)

    low = float(design.levels[0, 0])
    plate((-w * 0.72, w * 0.72), (low, low + 0.17), scale(design.trim, 0.7))
    on = design.lights if end > 0 else design.brake
    bright: Colour = (255.0, 250.0, 235.0) if end > 0 else (255.0, 30.0, 20.0)
    dim: Colour = (170.0, 172.0, 175.0) if end > 0 else (125.0, 12.0, 14.0)
    finish = Finish(glow=1.6) if on else Finish(gloss=0.8)
    tall = design.tall_lamps and end < 0
    y = (lamp - 0.1, design.height * 0.8) if tall else (lamp - 0.07, lamp + 0.06)
    inner = 0.8 if tall else 0.66
    for sign in (-1.0, 1.0):
        v = (sign * w * 0.93, sign * w * inner)
        plate(v, y, bright if on else dim, finish, back=0.12 if tall else 0.03)
    if size < 20:
        return
    white: Colour = (222.0, 222.0, 214.0)
    height = low + 0.22 if end > 0 else lamp - 0.12
    plate((-0.26, 0.26), (height, height + 0.11), white)
    if size > 60:
        for i in range(7):
            plate(
                (-0.22 + i * 0.06, -0.18 + i * 0.06),
                (height + 0.025, height + 0.085),
                (35.0, 35.0, 40.0),
            )
    if end > 0:
        plate((-w * 0.5, w * 0.5), (lamp - 0.14, lamp + 0.02), (24.0, 24.0, 26.0))
        plate((-w * 0.6, w * 0.6), (low + 0.05, low + 0.15), (20.0, 20.0, 22.0))
    else:
        shade = scale(design.paint, 0.6)
        plate((-w * 0.85, w * 0.85), (low + 0.33, low + 0.36), shade)
        if size > 30:
            plate(
                (-0.12, 0.12),
                (design.height * 0.9, design.height * 0.93),
                (150.0, 15.0, 15.0),
                back=0.3,
            )
