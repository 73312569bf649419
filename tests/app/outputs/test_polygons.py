"""Polygons around masks of several parts."""

import numpy as np

from mapt.app.outputs.polygons import joined_polygon


def test_long_outlines_are_joined_in_bounded_memory() -> None:
    mask = np.zeros((400, 4001), np.bool_)
    mask[::2, :2000] = mask[:, :2] = True  # two combs, with 100,000 points of outline or more
    mask[::2, 2001:] = mask[:, -2:] = True
    mask[::2, :2000:4] = mask[::2, 2001::4] = True
    mask[1::2, 1:2000:8] = mask[1::2, 2003::8] = True
    polygon = joined_polygon(mask)
    assert polygon is not None and len(polygon) > 100_000
