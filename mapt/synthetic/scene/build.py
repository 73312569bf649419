"""Builds a random street.

It chooses the road, and how the camera drives along it. Other modules place objects beside and on
the road.
"""

from __future__ import annotations

import numpy as np

from mapt.synthetic.scene.ground import SIDEWALK, TERRAIN, Strip
from mapt.synthetic.scene.layout import furnish, line_the_street
from mapt.synthetic.scene.street import LENGTH, Street
from mapt.synthetic.scene.traffic import Traffic


def build_street(rng: np.random.Generator, frames: int, fps: float, rare: float = 0.0) -> Street:
    """Build a random street with its traffic.

    Args:
        rng: draws the street.
        frames: number of frames for which the street must suffice.
        fps: frames per second.
        rare: see `Traffic`.
    """
    lanes = int(rng.choice([2, 2, 2, 4]))
    strip = Strip(
        rng.uniform(2.9, 3.6),
        lanes,
        float(rng.choice([0.0, 2.1])),
        rng.uniform(1.4, 4.0),
        SIDEWALK if rng.random() < 0.5 else TERRAIN,
    )
    street = Street(strip)
    street.ego_d = strip.lane * (0.5 if lanes == 2 else float(rng.choice([0.5, 1.5])))
    s = rng.uniform(15, 60)
    while s < LENGTH:
        street.crossings.append((s, s + rng.uniform(7, 14)))
        s += rng.uniform(50, 140)
    _ego(rng, street, frames, fps)
    for side in (-1.0, 1.0):
        line_the_street(rng, street, side)
        furnish(rng, street, side)
    Traffic(rng, street, frames / fps, rare).fill()
    return street


def _ego(rng: np.random.Generator, street: Street, frames: int, fps: float) -> None:
    """Draw the camera's speed at each frame, and the road's curvature at each metre."""
    cruise = float(rng.choice([0.0, rng.uniform(3, 8), rng.uniform(8, 16)], p=[0.15, 0.35, 0.5]))
    t = np.arange(frames + 1) / fps
    speed = np.full(frames + 1, cruise) + rng.normal(0, 0.4) * np.sin(t * rng.uniform(0.3, 1.0))
    if rng.random() < 0.35:
        middle = rng.uniform(0, t[-1])
        speed *= np.clip(np.abs(t - middle) / rng.uniform(1, 3), rng.choice([0.0, 0.3]), 1)
    street.ego_speed = np.maximum(speed, 0) if cruise else np.zeros(frames + 1)
    bends = rng.normal(0, float(rng.choice([0.0005, 0.004, 0.012])), 40)
    street.curvature = np.interp(np.arange(0, 800), np.arange(40) * 20, bends)
