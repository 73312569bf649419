"""Outlines of masks as polygons."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.int32]  # (n,2) x and y


def outlines(mask: NDArray[np.bool_]) -> list[Points]:
    """The outer outline of every part of a mask (H,W), the largest part first.

    Points are centres of pixels on the edge, so `cv2.fillPoly` gives the mask without its holes. A
    part has three points at least.
    """
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts = [np.asarray(part, np.int32).reshape(-1, 2) for part in found]
    parts.sort(key=lambda part: -cv2.contourArea(part))
    return [np.resize(part, (max(len(part), 3), 2)) for part in parts]


def joined_polygon(mask: NDArray[np.bool_]) -> Points | None:
    """One polygon (n,2) around all parts of a mask (H,W); None where it is empty.

    Each part is joined to those before it by a line to the nearest point and back.
    """
    from scipy.spatial import cKDTree

    parts = outlines(mask)
    if not parts:
        return None
    polygon = parts[0]
    for part in parts[1:]:
        # Not by a table of all distances: two long outlines would fill the memory with it.
        apart, nearest = cKDTree(polygon).query(part)
        enter = apart.argmin()
        leave = nearest[enter]
        there = np.roll(part, -int(enter), axis=0)
        way = np.vstack((there, there[:1], polygon[leave : leave + 1]))
        polygon = np.insert(polygon, int(leave) + 1, way, axis=0)
    return polygon
