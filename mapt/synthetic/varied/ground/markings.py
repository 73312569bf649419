"""Paints lanes, arrows and crossings on a road, and draws its repairs, joints and stains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.varied.ground.ground_map import GroundMap
from mapt.synthetic.varied.site import LENGTH, Site


def mark_road(
    rng: np.random.Generator, site: Site, width: float, lanes: int, one_way: bool
) -> None:
    """Paint the main carriageway.

    Args:
        rng: draws the markings.
        site: receives them.
        width: of a lane, metres.
        lanes: number of lanes.
        one_way: all lanes have one direction.
    """
    ground = site.ground
    thick = float(rng.uniform(0.1, 0.2))
    dash = float(rng.uniform(2, 6))
    gap = float(rng.uniform(3, 9))
    for line in range(1, lanes):
        d = (line - lanes / 2) * width
        middle = line == lanes / 2 and not one_way
        _line(rng, site, d, thick, (dash, gap), bool(middle and rng.random() < 0.25))
    if rng.random() < 0.5:
        for sign in (-1.0, 1.0):
            _line(rng, site, sign * (lanes * width / 2 - 0.12), thick, (dash, gap), True)
    for lane in site.lanes:
        if abs(lane.d) < site.half and rng.random() < 0.3:
            for s in np.cumsum(rng.uniform(15, 70, 6)):
                _arrow(rng, ground, float(s), lane.d, lane.direction)
    if rng.random() < 0.06:
        _rails(rng, site)
    _crossing_paint(rng, site)
    _repairs(rng, site)
    ground.finish()


def _line(
    rng: np.random.Generator,
    site: Site,
    d: float,
    thick: float,
    pattern: tuple[float, float],
    solid: bool,
) -> None:
    if rng.random() < 0.08:
        return
    dash, gap = pattern if not solid else (8.0, 0.0)
    for s in np.arange(-18, LENGTH + 15, dash + gap):
        if not site.in_crossing(float(s) + dash / 2, 1.0):
            site.ground.line((float(s), float(s) + dash), d, thick)


def _arrow(
    rng: np.random.Generator, ground: GroundMap, s: float, d: float, direction: float
) -> None:
    """Paint an arrow straight on or with a bend."""
    shaft = np.array([(0.0, -0.08), (3.2, -0.08), (3.2, 0.08), (0.0, 0.08)])
    head = np.array([(3.0, -0.35), (4.6, 0.0), (3.0, 0.35)])
    for part in (shaft, head):
        ground.mark(part * direction + [s, d])
    if rng.random() < 0.35:
        turn = float(rng.choice([-1, 1]))
        bent = np.array(
            [(1.6, 0.0), (2.3, 0.55), (2.0, 0.75), (3.1, 0.9), (2.7, 0.2), (2.5, 0.45), (1.9, 0.0)]
        )
        ground.mark(bent * [1, turn] * direction + [s, d])


def _rails(rng: np.random.Generator, site: Site) -> None:
    """Lay tram tracks into the lanes next to the middle."""
    for sign in (-1.0, 1.0):
        for rail in (-0.72, 0.72):
            d = sign * float(rng.uniform(1.5, 1.6)) + rail
            site.ground.blot(_patch((-18, LENGTH), (d - 0.09, d + 0.09)), 0.78)
            site.ground.line((-18, LENGTH), d, 0.05, 90.0)


def _crossing_paint(rng: np.random.Generator, site: Site) -> None:
    for a, b in site.crossings:
        if rng.random() < 0.45:
            near = a - float(rng.uniform(3.0, 4.5))
            for d in np.arange(-site.half + 0.3, site.half - 0.3, 1.0):
                site.ground.mark(_patch((near, near + 3), (float(d), float(d) + 0.5)))
        elif rng.random() < 0.5:
            site.ground.mark(_patch((a - 1.6, a - 1.2), (0.1, site.half)))
        if rng.random() < 0.3:
            site.ground.mark(_patch((b + 1.2, b + 1.6), (-site.half, -0.1)))


def _repairs(rng: np.random.Generator, site: Site) -> None:
    """Draw patches, tar joints, manholes, oil and worn tracks."""
    ground = site.ground
    half = site.half
    for _ in range(int(rng.integers(0, 30))):
        s = float(rng.uniform(0, 150))
        d = float(rng.uniform(-half, half))
        size = rng.uniform((0.6, 0.5), (9, 2.2))
        ground.blot(_patch((s, s + size[0]), (d, d + size[1])), float(rng.uniform(0.7, 1.25)))
    for _ in range(int(rng.integers(0, 10))):
        s = float(rng.uniform(0, 120))
        d = float(rng.uniform(-half, half))
        length = float(rng.uniform(3, 40))
        ground.blot(_patch((s, s + length), (d, d + 0.1)), float(rng.uniform(0.4, 0.75)))
    for _ in range(int(rng.integers(0, 8))):
        s = float(rng.uniform(2, 90))
        d = float(rng.uniform(-half, half))
        turn = np.linspace(0, 2 * np.pi, 10)
        ring = np.stack((s + 0.35 * np.cos(turn), d + 0.35 * np.sin(turn)), 1)
        ground.blot(ring, float(rng.uniform(0.5, 0.9)))
    if rng.random() < 0.6:
        gain = float(rng.uniform(0.85, 1.1))
        for lane in site.lanes:
            for shift in (-0.8, 0.8):
                d = lane.d + shift
                ground.blot(_patch((-18, LENGTH), (d - 0.25, d + 0.25)), gain, soft=True)
    if rng.random() < 0.25:
        # A lane of another surface, often much brighter or darker.
        lane = site.lanes[int(rng.integers(len(site.lanes)))]
        gain = float(rng.uniform(0.7, 1.45))
        ground.blot(_patch((-18, LENGTH), (lane.d - 1.5, lane.d + 1.5)), gain)


def _patch(s: tuple[float, float], d: tuple[float, float]) -> NDArray[np.float64]:
    return np.array([(s[0], d[0]), (s[1], d[0]), (s[1], d[1]), (s[0], d[1])])
