"""Draws wheels."""

from __future__ import annotations

import numpy as np

from mapt.synthetic.rendering.canvas import Colour
from mapt.synthetic.scene.vehicle_style import scale
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.surfaces import MATT
from mapt.synthetic.varied.vehicles.bodies import Pose

TYRE: Colour = (22.0, 22.0, 23.0)
COS = np.cos(np.linspace(0, 2 * np.pi, 14, endpoint=False))
SIN = np.sin(np.linspace(0, 2 * np.pi, 14, endpoint=False))


def draw_wheel(
    raster: Raster, pose: Pose, u: float, v: float, radius: float, rim: Colour, tag: int
) -> None:
    """Draw a wheel at (ahead, right) in the plane of the flank, with its arch."""
    pixels = radius * raster.camera.focal / max(float(pose.place[2]), 1.0)
    rings = ((1.16, (9.0, 9.0, 10.0)), (1.0, TYRE), (0.66, rim), (0.2, (45.0, 45.0, 46.0)))
    normal = pose.right * np.sign(v)
    for size, colour in rings if pixels > 8 else rings[1:3]:
        local = np.stack((u + radius * size * COS, COS * 0 + v, radius * (1 + size * SIN)), 1)
        local[:, 2] = np.maximum(local[:, 2], 0.0)
        raster.polygon(pose.world(local), colour, tag, MATT, normal)
    if pixels > 14:
        for t in np.arange(5) * (2 * np.pi / 5) + u:
            reach = radius * 0.62
            spoke = [
                (u, v * 1.002, radius),
                (u + np.cos(t) * reach, v * 1.002, radius + np.sin(t) * reach),
            ]
            p, q = pose.world(np.array(spoke))
            raster.limb(p, q, radius * 0.12, scale(rim, 0.45), tag)
