"""Places vehicles, and builds the facets of their bodies from outlines at rising heights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Points

# An outline's points: shares of the way from the rear to the front or, at the corners, metres from
# an end; and shares of the half width.
AROUND = (
    ("front", 0.0, -0.62), ("front", 0.0, 0.62), ("front", -0.16, 0.90), ("front", -0.42, 1.0),
    ("share", 0.62, 1.0), ("share", 0.38, 1.0), ("rear", 0.36, 1.0), ("rear", 0.10, 0.92),
    ("rear", 0.0, 0.66), ("rear", 0.0, -0.66), ("rear", 0.10, -0.92), ("rear", 0.36, -1.0),
    ("share", 0.38, -1.0), ("share", 0.62, -1.0), ("front", -0.42, -1.0), ("front", -0.16, -0.90),
)  # fmt: skip
COARSE = (0, 1, 3, 6, 8, 9, 11, 14)


@dataclass(frozen=True)
class Pose:
    """Where a vehicle stands, with local coordinates (ahead, right, up) in metres.

    Attributes:
        place: (3,) world point on the ground below its middle.
        yaw: its heading, radians. A vehicle with 0 drives away from the camera.
    """

    place: Points
    yaw: float

    @property
    def forward(self) -> Points:
        """Unit vector (3,) ahead."""
        return np.array([np.sin(self.yaw), 0.0, np.cos(self.yaw)])

    @property
    def right(self) -> Points:
        """Unit vector (3,) to the right."""
        return np.array([np.cos(self.yaw), 0.0, -np.sin(self.yaw)])

    def world(self, local: NDArray[np.float64]) -> Points:
        """Convert local points (...,3) to world points."""
        sine = np.sin(self.yaw)
        cosine = np.cos(self.yaw)
        u = local[..., 0]
        v = local[..., 1]
        moved = np.empty(local.shape)
        moved[..., 0] = self.place[0] + u * sine + v * cosine
        moved[..., 1] = self.place[1] + local[..., 2]
        moved[..., 2] = self.place[2] + u * cosine - v * sine
        return moved

    def side(self, half: float) -> float:
        """Return the flank that the camera sees, 1 or -1, or 0 if it looks along both."""
        offset = -float(self.place @ self.right)
        return 0.0 if abs(offset) < half else float(np.sign(offset))

    def end(self, half: float) -> float:
        """Return the end that the camera sees, 1 for the front, -1 for the rear, 0 for none."""
        offset = -float(self.place @ self.forward)
        return 0.0 if abs(offset) < half else float(np.sign(offset))


def ring(level: NDArray[np.float64], coarse: bool) -> NDArray[np.float64]:
    """Return the outline (n,3) of a body at a level (height, rear, front, half width)."""
    y, rear, front, half = level
    soft = min(1.0, (front - rear) / 1.6)
    points = []
    for index, (base, offset, share) in enumerate(AROUND):
        if coarse and index not in COARSE:
            continue
        u = {"front": front + offset * soft, "rear": rear + offset * soft}.get(
            base, rear + (front - rear) * offset
        )
        points.append((u, share * half, y))
    return np.array(points)


def loft(levels: NDArray[np.float64], coarse: bool) -> NDArray[np.float64]:
    """Return the facets (n,4,3) between the outlines of successive levels, and the roof."""
    rings = [ring(level, coarse) for level in levels]
    quads = []
    for low, high in itertools.pairwise(rings):
        quads.append(np.stack((low, np.roll(low, -1, 0), np.roll(high, -1, 0), high), axis=1))
    top = rings[-1]
    n = len(top)
    roof = [
        np.stack((top[i], top[i + 1], top[(n - i) % n], top[(n + 1 - i) % n]))
        for i in range(1, n // 2)
    ]
    return np.concatenate([*quads, np.stack(roof)])


def box(u: tuple[float, float], half: float, y: tuple[float, float]) -> NDArray[np.float64]:
    """Return the faces (6,4,3) of a box: rear, front, left, right, top and bottom."""
    a, b = u
    low, high = y
    p = np.array([[(uu, vv, yy) for yy in (low, high) for vv in (-half, half)] for uu in (a, b)])
    quads = [p[0][[0, 1, 3, 2]], p[1][[0, 1, 3, 2]]]
    for v in (0, 1):
        quads.append(np.stack((p[0][v], p[1][v], p[1][v + 2], p[0][v + 2])))
    for y_index in (2, 0):
        quads.append(np.stack((p[0][y_index], p[1][y_index], p[1][y_index + 1], p[0][y_index + 1])))
    return np.stack(quads)
