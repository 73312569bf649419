"""Plans a varied street: the carriageway, and what follows on either side of it."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.rendering.canvas import Points
from mapt.synthetic.varied.ground.ground_map import SPAN, GroundMap
from mapt.synthetic.varied.ground.markings import mark_road
from mapt.synthetic.varied.plan.roadside import Roadside
from mapt.synthetic.varied.plan.traffic import Crowd
from mapt.synthetic.varied.plan.yards import Yards
from mapt.synthetic.varied.site import LENGTH, Lane, Site
from mapt.synthetic.varied.things.fixtures import Slab
from mapt.synthetic.varied.things.palette import Palette

KINDS = ("urban", "alley", "dual", "lot", "park", "rural", "works")


def build_site(rng: np.random.Generator, sun: Points, frames: int, fps: float, rare: float) -> Site:
    """Build a street with its traffic.

    Args:
        rng: draws the street.
        sun: (3,) direction of the sun.
        frames: number of frames for which the street must suffice.
        fps: frames per second.
        rare: 0 for usual traffic, up to 1 for many trucks, buses, trams and two-wheelers.
    """
    site = Site(GroundMap(rng), sun)
    width = float(rng.uniform(2.8, 3.7))
    lanes = int(rng.choice([2, 2, 2, 3, 4]))
    one_way = bool(rng.random() < 0.25)
    site.half = width * lanes / 2 + float(rng.choice([0.0, 0.0, 0.6]))
    _lanes(rng, site, width, lanes, one_way)
    _crossings(rng, site)
    _ego(rng, site, frames, fps)
    palette = Palette(rng, sun)
    yards = Yards(rng.spawn(1)[0], site)
    middle = -site.half, site.half
    site.ground.band(
        -SPAN, SPAN, str(rng.choice(["grass", "grass", "meadow", "meadow", "slabs", "earth"]))
    )
    left, right = _sides(rng)
    for side, kind in ((-1.0, left), (1.0, right)):
        Roadside(rng, site, palette, yards, side).build(kind)
    site.ground.band(*middle, "asphalt")
    _side_streets(rng, site)
    mark_road(rng, site, width, lanes, one_way)
    _slabs(rng, site)
    Crowd(rng, site, frames / fps, rare).fill()
    return site


def _sides(rng: np.random.Generator) -> tuple[str, str]:
    shares = [0.26, 0.21, 0.2, 0.12, 0.08, 0.06, 0.07]
    left = str(rng.choice(KINDS, p=shares))
    right = left if rng.random() < 0.45 else str(rng.choice(KINDS, p=shares))
    return left, right


def _lanes(rng: np.random.Generator, site: Site, width: float, lanes: int, one_way: bool) -> None:
    own = [lane for lane in range(lanes) if one_way or lane >= lanes // 2]
    ego = int(rng.choice(own))
    for lane in range(lanes):
        d = (lane - lanes / 2 + 0.5) * width
        site.lanes.append(Lane(d, 1.0 if lane in own else -1.0, lane == ego))
        if lane == ego:
            site.ego_d = d + float(rng.normal(0, 0.15))


def _crossings(rng: np.random.Generator, site: Site) -> None:
    s = rng.uniform(10, 90)
    while s < LENGTH:
        site.crossings.append((s, s + rng.uniform(6, 15)))
        s += rng.uniform(40, 160)


def _ego(rng: np.random.Generator, site: Site, frames: int, fps: float) -> None:
    """Draw the camera's speed at each frame, and the road's curvature at each metre."""
    cruise = float(rng.choice([0.0, rng.uniform(2, 8), rng.uniform(8, 16)], p=[0.15, 0.4, 0.45]))
    cruise = min(cruise, 200.0 / max(frames / fps, 1.0))
    t = np.arange(frames + 1) / fps
    speed = np.full(frames + 1, cruise) + rng.normal(0, 0.4) * np.sin(t * rng.uniform(0.3, 1.0))
    if rng.random() < 0.35:
        middle = rng.uniform(0, t[-1])
        speed *= np.clip(np.abs(t - middle) / rng.uniform(1, 3), rng.choice([0.0, 0.3]), 1)
    site.ego_speed = np.maximum(speed, 0) if cruise else np.zeros(frames + 1)
    bends = rng.normal(0, float(rng.choice([0.0003, 0.002, 0.006, 0.012])), 40)
    site.curvature = np.interp(np.arange(0, 800), np.arange(40) * 20, bends)


def _side_streets(rng: np.random.Generator, site: Site) -> None:
    """Pave the crossing streets, with rounded corners."""
    for a, b in site.crossings:
        radius = rng.uniform(1.5, 5)
        for side in (-1.0, 1.0):
            if rng.random() < 0.85:
                turn = np.linspace(0, np.pi / 2, 6)
                curve = np.stack((radius * (1 - np.sin(turn)), radius * (1 - np.cos(turn))), 1)
                first = np.stack((a - curve[:, 0], side * (site.half + curve[:, 1])), 1)
                last = np.stack((b + curve[::-1, 0], side * (site.half + curve[::-1, 1])), 1)
                ends = np.array([(b, side * SPAN), (a, side * SPAN)])
                start = np.array(
                    [(a - radius, side * (site.half - 0.1)), (b + radius, side * (site.half - 0.1))]
                )
                outline = np.concatenate((start[:1], first, ends[::-1], last, start[1:]))
                site.ground.area(outline, "crossing")


def _slabs(rng: np.random.Generator, site: Site) -> None:
    """Perhaps build a bridge or a gantry across the road."""
    if rng.random() < 0.13:
        value = rng.uniform(70, 190)
        low = float(rng.uniform(4.6, 7))
        site.slabs.append(
            Slab(
                float(rng.uniform(25, 130)),
                float(rng.uniform(5, 14)),
                low,
                low + float(rng.uniform(0.6, 1.6)),
                (value, value, value * 0.96),
                2,
                float(rng.normal(0, 0.8)),
            )
        )
    if rng.random() < 0.06:
        low = float(rng.uniform(5, 6))
        site.slabs.append(
            Slab(float(rng.uniform(30, 140)), 0.6, low, low + 0.5, (130.0, 132.0, 136.0), 5, 0.0)
        )
