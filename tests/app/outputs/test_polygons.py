"""Polygons around masks of several parts."""

import numpy as np

from mapt.app.outputs.polygons import joined_polygon

TEETH = 20_000


def test_two_combs_are_joined_without_a_table_of_all_distances() -> None:
    mask = np.zeros((3, 4 * TEETH + 3), np.bool_)
    mask[0] = True
    mask[:, ::2] = True
    mask[:, 2 * TEETH : 2 * TEETH + 2] = False
    polygon = joined_polygon(mask)
    assert polygon is not None and len(polygon) > 4 * TEETH
    assert polygon[:, 0].min() == 0 and polygon[:, 0].max() == 4 * TEETH + 2
