"""Draws trucks, buses and trams from cabs, boxes, tanks, tarpaulins and rows of wheels."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.pictures import darken, picture
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.surfaces import MATT, Bulge, Finish
from mapt.synthetic.varied.vehicles.bodies import Pose, box, loft
from mapt.synthetic.varied.vehicles.heavy_shapes import HeavyDesign
from mapt.synthetic.varied.vehicles.wheels import TYRE, draw_wheel


def draw_heavy(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw a truck, bus or tram."""
    rear, front = design.ends
    for grow, keep in ((1.08, 0.6), (0.98, 0.3)):
        flat = np.array([(rear, -1, 0), (front, -1, 0), (front, 1, 0), (rear, 1, 0)], float)
        darken(raster, pose.world(flat * [grow, design.half * grow, 1]), keep)
    parts = [(0.0, "body")]
    if design.kind == "truck":
        cab_middle = pose.world(np.array([[front - design.cab / 2, 0.0, 1.5]]))[0]
        load_middle = pose.world(np.array([[(rear + front - design.cab) / 2, 0.0, 1.5]]))[0]
        parts = [
            (float(np.hypot(cab_middle[0], cab_middle[2])), "cab"),
            (float(np.hypot(load_middle[0], load_middle[2])), "load"),
        ]
    _chassis(raster, design, pose, tag)
    for _, part in sorted(parts, reverse=True):
        {"cab": _cab, "load": _load, "body": _coach}[part](raster, design, pose, tag)


def _solid(
    raster: Raster, pose: Pose, faces: NDArray[np.float64], colour: Colour, tag: int, finish: Finish
) -> None:
    middle = faces.reshape(-1, 3).mean(0)
    centre = pose.world(middle[None])[0]
    raster.facets(
        pose.world(faces), np.tile(np.array(colour), (len(faces), 1)), tag, finish, centre
    )


def _chassis(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    rear, front = design.ends
    low = 0.35 if design.kind != "truck" else 0.55
    _solid(
        raster,
        pose,
        box((rear + 0.2, front - 0.1), design.half * 0.8, (low, low + 0.4)),
        (28.0, 28.0, 30.0),
        tag,
        MATT,
    )
    for u in design.axles:
        for v in (-0.78 * design.half, 0.78 * design.half):
            _solid(
                raster,
                pose,
                box((u - 0.2, u + 0.2), 0.16, (0.0, design.wheel * 1.6)) + [0, v, 0],
                TYRE,
                tag,
                MATT,
            )
    side = pose.side(design.half * 0.97)
    if side and design.kind != "tram":
        for u in design.axles:
            grey: Colour = (120.0, 120.0, 122.0)
            draw_wheel(raster, pose, u, side * design.half * 0.99, design.wheel, grey, tag)


def _cab(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    _, front = design.ends
    tall = min(design.height * 0.92, 3.0 if design.length > 8 else 2.35)
    half = design.half * 0.97
    back = front - design.cab
    levels = np.array(
        [
            (0.45, back, front, half),
            (1.3, back, front, half),
            (tall * 0.95, back, front - 0.25, half * 0.96),
            (tall, back + 0.2, front - 0.5, half * 0.88),
        ]
    )
    facets = loft(levels, False)
    colours = np.tile(np.array(design.paint), (len(facets), 1))
    colours[:16] *= 0.75
    middle = pose.world(np.array([[front - design.cab / 2, 0.0, 1.5]]))[0]
    raster.facets(
        pose.world(facets), colours, tag, Finish(gloss=0.6), middle, Bulge(middle, 0.15, 0.15)
    )
    glass = Finish(gloss=1.0)
    y1 = 1.45
    y2 = tall * 0.86
    end = pose.end(design.length / 2)
    if end > 0:
        _panes(raster, pose, design, tag, front, half, (y1, y2))
    side = pose.side(design.half * 0.97)
    if side:
        v = side * half * 1.01
        window = [
            (front - 0.3, v, y1),
            (front - 1.2, v, y1),
            (front - 1.2, v, y2),
            (front - 0.4, v, y2),
        ]
        raster.polygon(pose.world(np.array(window)), design.glass, tag, glass)
        draw_wheel(raster, pose, design.axles[-1], v, design.wheel, (120.0,) * 3, tag)
        mirror = pose.world(np.array([[front - 0.1, v * 1.12, y2 - 0.25]]))[0]
        raster.disc(mirror, (0.12, 0.28), (20.0, 20.0, 22.0), tag)


def _panes(
    raster: Raster,
    pose: Pose,
    design: HeavyDesign,
    tag: int,
    front: float,
    half: float,
    y: tuple[float, float],
) -> None:
    """Draw a windscreen, lamps and a grille at a front."""

    def plate(
        v: float,
        low: float,
        high: float,
        colour: Colour,
        finish: Finish,
        start: float = 0.0,
        back: float = 0.0,
    ) -> None:
        for sign in (-1.0, 1.0):
            corners = [
                (front + 0.02, sign * start, low),
                (front + 0.02, sign * v, low),
                (front + 0.02 - back, sign * v, high),
                (front + 0.02 - back, sign * start, high),
            ]
            raster.polygon(pose.world(np.array(corners)), colour, tag, finish)

    plate(
        half * 0.9, y[0], y[1], design.glass, Finish(gloss=1.0), back=0.2 * (design.kind == "truck")
    )
    plate(half * 0.7, 0.75, 1.2, (30.0, 30.0, 32.0), MATT)
    plate(half * 0.92, 0.6, 0.8, (215.0, 215.0, 205.0), Finish(gloss=0.8), start=half * 0.66)
    plate(0.26, 0.5, 0.62, (220.0, 220.0, 210.0), MATT)


def _load(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    rear, front = design.ends
    ahead = front - design.cab - 0.25
    low = 0.95
    if design.load in ("tank", "mixer"):
        _drum(raster, design, pose, tag, (rear, ahead))
    elif design.load == "flat":
        _solid(
            raster,
            pose,
            box((rear, ahead), design.half, (low, low + 0.45)),
            design.second,
            tag,
            MATT,
        )
        cargo = box((rear + 0.8, ahead - 0.3), design.half * 0.7, (low + 0.4, design.height * 0.6))
        _solid(raster, pose, cargo, scale(design.second, 0.6), tag, MATT)
    else:
        high = design.height if design.load != "tipper" else min(2.3, design.height)
        faces = box((rear, ahead), design.half, (low, high))
        _solid(raster, pose, faces, design.second, tag, Finish(gloss=0.15))
        _pictures(raster, design, pose, tag, (rear, ahead), (low, high))
    _rear_bar(raster, design, pose, tag)


def _pictures(
    raster: Raster,
    design: HeavyDesign,
    pose: Pose,
    tag: int,
    u: tuple[float, float],
    y: tuple[float, float],
) -> None:
    """Paste the pictures of flank and rear onto a body."""
    side = pose.side(design.half * 0.97)
    finish = Finish(gloss=0.25)
    if side:
        v = side * design.half * 1.004
        a, b = (u[0], u[1]) if side > 0 else (u[1], u[0])
        corners = np.array([(a, v, y[1]), (b, v, y[1]), (b, v, y[0]), (a, v, y[0])])
        picture(raster, design.side, pose.world(corners), tag, finish)
    end = pose.end(design.length / 2)
    if end < 0:
        w = design.half
        back = u[0] - 0.004
        corners = np.array([(back, -w, y[1]), (back, w, y[1]), (back, w, y[0]), (back, -w, y[0])])
        picture(raster, design.back, pose.world(corners), tag, finish)


def _drum(
    raster: Raster, design: HeavyDesign, pose: Pose, tag: int, u: tuple[float, float]
) -> None:
    """Draw a round tank or a mixer's drum."""
    radius = min(design.half * 0.98, (design.height - 0.95) / 2)
    middle = 1.0 + radius
    shares = [(0.0, 0.75), (0.04, 0.95), (0.5, 1.0), (0.96, 0.95), (1.0, 0.7)]
    if design.load == "mixer":
        shares = [(0.0, 0.4), (0.35, 1.0), (0.6, 0.95), (1.0, 0.45)]
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rings = [
        np.stack(
            (
                np.full(16, u[0] + (u[1] - u[0]) * share),
                np.cos(angle) * radius * size,
                middle + np.sin(angle) * radius * size,
            ),
            1,
        )
        for share, size in shares
    ]
    quads = [
        np.stack((a, np.roll(a, -1, 0), np.roll(b, -1, 0), b), 1)
        for a, b in itertools.pairwise(rings)
    ]
    for end in (rings[0], rings[-1]):
        quads.append(np.stack([end[[i, i + 1, 14 - i, (15 - i) % 16]] for i in range(7)]))
    faces = np.concatenate(quads)
    _solid(raster, pose, faces, design.second, tag, Finish(gloss=0.5))
    side = pose.side(design.half * 0.97)
    if side:
        v = side * radius * 1.0
        for share in (0.25, 0.5, 0.75):
            x = u[0] + (u[1] - u[0]) * share
            a, b = pose.world(
                np.array(
                    [(x, v * 0.75, middle - radius * 0.7), (x, v * 0.9, middle + radius * 0.45)]
                )
            )
            raster.limb(a, b, 0.05, scale(design.second, 0.5), tag)
        a, b = pose.world(np.array([(u[0] + 0.3, v, 1.0), (u[1] - 0.3, v, 1.0)]))
        raster.limb(a, b, 0.22, (40.0, 42.0, 46.0), tag)
    if pose.end(design.length / 2) < 0:
        for v in (-0.25, 0.25):
            a, b = pose.world(
                np.array([(u[0] - 0.05, v, 0.9), (u[0] - 0.05, v, middle + radius * 0.7)])
            )
            raster.limb(a, b, 0.05, (120.0, 122.0, 125.0), tag)


def _rear_bar(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw bumper, lamps and plate at the rear."""
    if pose.end(design.length / 2) >= 0:
        return
    rear = design.ends[0] - 0.02
    w = design.half

    def plate(
        v: tuple[float, float], y: tuple[float, float], colour: Colour, finish: Finish
    ) -> None:
        corners = [(rear, v[0], y[0]), (rear, v[1], y[0]), (rear, v[1], y[1]), (rear, v[0], y[1])]
        raster.polygon(pose.world(np.array(corners)), colour, tag, finish)

    plate((-w * 0.95, w * 0.95), (0.5, 0.68), (45.0, 45.0, 48.0), MATT)
    lamp: Colour = (255.0, 35.0, 25.0) if design.lights else (135.0, 16.0, 16.0)
    finish = Finish(glow=1.5) if design.lights else Finish(gloss=0.6)
    for sign in (-1.0, 1.0):
        plate((sign * w * 0.92, sign * w * 0.6), (0.76, 0.9), lamp, finish)
    plate((-0.26, 0.26), (0.7, 0.82), (215.0, 212.0, 190.0), MATT)


def _coach(raster: Raster, design: HeavyDesign, pose: Pose, tag: int) -> None:
    """Draw the body of a bus or tram."""
    rear, front = design.ends
    half = design.half
    levels = np.array(
        [
            (0.3, rear, front, half),
            (1.0, rear, front, half),
            (design.height * 0.92, rear + 0.1, front - 0.15, half * 0.98),
            (design.height, rear + 0.4, front - 0.5, half * 0.86),
        ]
    )
    facets = loft(levels, False)
    colours = np.tile(np.array(design.paint), (len(facets), 1))
    middle = pose.world(np.array([[0.0, 0.0, 1.6]]))[0]
    raster.facets(pose.world(facets), colours, tag, Finish(gloss=0.5), middle)
    _pictures(raster, design, pose, tag, (rear + 0.35, front - 0.35), (0.38, design.height * 0.9))
    if pose.end(design.length / 2) > 0:
        _panes(raster, pose, design, tag, front, half, (1.1, design.height * 0.85))
    _rear_bar(raster, design, pose, tag)
    side = pose.side(design.half * 0.97)
    if side and design.kind == "bus":
        for u in design.axles:
            draw_wheel(raster, pose, u, side * half * 1.012, design.wheel, (110.0,) * 3, tag)
