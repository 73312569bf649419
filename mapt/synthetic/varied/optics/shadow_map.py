"""Keeps which ground lies in shadow, and how high the shadow reaches above it.

A cell of the map is a ray towards the sun, named by the ground point (s, d) that it meets. It
holds the height of the first thing on the ray, seen from the sun, and how much light that takes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Points

CELL = 0.1  # metres
BEHIND = 20.0  # metres of map before the start
SPAN = 48.0  # metres to either side
TALL = 8.0  # levels a metre of height
BIAS = 0.3  # metres by which a thing must be higher than what it shades


class ShadowMap:
    """Shadows on a street of `length` metres, for a sun in direction (3,)."""

    def __init__(self, length: float, sun: Points) -> None:
        rows = round((length + BEHIND) / CELL)
        columns = round(2 * SPAN / CELL)
        self.height: NDArray[np.uint8] = np.zeros((rows, columns), np.uint8)
        self.cover: NDArray[np.uint8] = np.zeros((rows, columns), np.uint8)
        slope = max(float(sun[1]), 0.2)
        self.shift = np.array([sun[0], sun[2]]) / slope  # (d, s) by each metre of height

    def copy(self) -> ShadowMap:
        """Return a map to which moving things can be added."""
        twin = object.__new__(ShadowMap)
        twin.height = self.height.copy()
        twin.cover = self.cover.copy()
        twin.shift = self.shift
        return twin

    def cells(self, points: NDArray[np.float64], y: float) -> NDArray[np.float64]:
        """Return the cells (n,2), column and row, of points (n,2), as (d, s), at the height y."""
        moved = points - self.shift * y
        cells: NDArray[np.float64] = (moved + [SPAN, BEHIND]) / CELL
        return cells

    def prism(
        self, outline: NDArray[np.float64], low: float, high: float, step: float = 0.4
    ) -> None:
        """Cast the shadow of an upright prism over a convex outline (n,2) of (d, s)."""
        levels = np.linspace(low, high, max(2, int((high - low) / step) + 1))
        corners = [self.cells(outline, float(y)) for y in levels]
        for y, lower, upper in zip(levels, corners, corners[1:], strict=False):
            both = np.round(np.concatenate((lower, upper)) * 16).astype(np.int32)
            self._fill(np.asarray(cv2.convexHull(both), np.int32), float(y))

    def _fill(self, fixed: NDArray[np.int32], y: float) -> None:
        """Fill a polygon in both maps. Things are cast from low to high."""
        level = float(min(255.0, max(1.0, y * TALL)))
        cv2.fillConvexPoly(self.height, fixed, (level,), cv2.LINE_8, 4)
        cv2.fillConvexPoly(self.cover, fixed, (255.0,), cv2.LINE_AA, 4)

    def patch(
        self, cover: NDArray[np.uint8], centre: tuple[float, float], size: float, y: float
    ) -> None:
        """Cast the shadow of a flat picture (h,w) at height y, `size` metres wide, at (d, s)."""
        cells = max(2, round(size / CELL))
        column, row = np.round(self.cells(np.array([centre]), y)[0] - cells / 2).astype(int)
        h, w = self.cover.shape
        x1 = max(column, 0)
        y1 = max(row, 0)
        x2 = min(column + cells, w)
        y2 = min(row + cells, h)
        if x2 <= x1 or y2 <= y1:
            return
        whole = cv2.resize(cover, (cells, cells), interpolation=cv2.INTER_LINEAR)
        part = whole[y1 - row : y2 - row, x1 - column : x2 - column]
        window = (slice(y1, y2), slice(x1, x2))
        self.cover[window] = np.maximum(self.cover[window], part)
        level = np.uint8(min(255.0, y * TALL))
        self.height[window] = np.maximum(self.height[window], (part > 60) * level)

    def lit(
        self, s: NDArray[np.float32], d: NDArray[np.float32], y: NDArray[np.float32], sun: Points
    ) -> NDArray[np.float32]:
        """Return the share of the sun that reaches points at (s, d) and the height y (H,W)."""
        column = (d - y * np.float32(self.shift[0]) + np.float32(SPAN)) * np.float32(1 / CELL)
        row = (s - y * np.float32(self.shift[1]) + np.float32(BEHIND)) * np.float32(1 / CELL)
        cover = cv2.remap(self.cover, column, row, cv2.INTER_LINEAR, borderValue=0)
        top = cv2.remap(self.height, column, row, cv2.INTER_NEAREST, borderValue=0)
        above = top > (y + np.float32(BIAS)) * np.float32(TALL)
        ground = y < 0.05
        shaded = np.where(above | (ground & (top > 0)), cover, 0)
        result: NDArray[np.float32] = 1 - shaded.astype(np.float32) * np.float32(1 / 255)
        return result
