"""Recall of masks by area."""

import numpy as np

from mapt.labels.class_sets import KITTI_STEP
from mapt.metrics.recall import RecallByArea
from tests.metrics.drawing import Frame, count


def bars(*objects: tuple[int, int, int]) -> Frame:
    """Objects (class, id, pixels), each at the left of its own row of 3000 pixels, on road."""
    semantic = np.zeros((len(objects), 3000), np.uint8)
    instance = np.zeros((len(objects), 3000), np.int32)
    for row, (label, identity, pixels) in enumerate(objects):
        semantic[row, :pixels] = label
        instance[row, :pixels] = identity
    return semantic, instance


def test_masks_are_counted_by_class_and_area() -> None:
    recall = RecallByArea(KITTI_STEP)
    gt = bars((13, 1, 499), (13, 2, 500), (13, 300, 1999), (13, 4, 2500), (11, 1, 40))
    pred = bars((13, 9, 400), (13, 8, 250), (13, 7, 1000), (13, 6, 2400), (13, 5, 40))
    recall.add(count(gt, pred))
    other = RecallByArea(KITTI_STEP)
    other.add(count(gt, gt))
    recall.merge(other)
    assert recall.to_json() == {
        "person": {"below 500": {"masks": 2, "found": 1, "false": 0}},  # a car there is no person
        "car": {
            "below 500": {
                "masks": 2,
                "found": 2,
                "false": 2,
            },  # that car, and 250 pixels of a car of 500
            "500 to 2000": {"masks": 4, "found": 3, "false": 0},  # 250 of 500 is exactly one half
            "above 2000": {"masks": 2, "found": 2, "false": 0},
        },
    }


def test_crowds_and_empty_frames_count_nothing() -> None:
    recall = RecallByArea(KITTI_STEP)
    recall.add(count(bars((13, 0, 100)), bars((13, 1, 100))))
    recall.add(count(bars((0, 0, 1)), bars((0, 0, 1))))
    assert recall.to_json() == {}


def test_sizes_are_roots_of_areas() -> None:
    sizes = RecallByArea.by_side(KITTI_STEP)
    areas = (143, 144, 399, 400, 1599, 1600)
    gt = bars(*((13, i + 1, area) for i, area in enumerate(areas)))
    sizes.add(count(gt, bars((13, 9, 143), *((0, 0, 0),) * 4, (13, 7, 400))))
    assert sizes.to_json() == {
        "car": {
            "below 12": {"masks": 1, "found": 1, "false": 0},
            "12 to 20": {"masks": 2, "found": 0, "false": 0},
            "20 to 40": {"masks": 2, "found": 0, "false": 1},  # false ones count by their own size
            "40 to 80": {"masks": 1, "found": 0, "false": 0},
        }
    }


def test_sizes_go_beyond_eighty() -> None:
    sizes = RecallByArea.by_side(KITTI_STEP)
    large = np.full((80, 81), 13, np.uint8)
    one = np.ones((80, 81), np.int32)
    sizes.add(count((large, one), (large, one)))
    sizes.add(count((large[:, :79], one[:, :79]), (large[:, :79], one[:, :79])))
    found = {"masks": 1, "found": 1, "false": 0}
    assert sizes.to_json() == {"car": {"40 to 80": found, "above 80": found}}


def test_predictions_on_void_and_crowds_are_not_false() -> None:
    sizes = RecallByArea.by_side(KITTI_STEP)
    sizes.add(
        count(
            bars((255, 0, 100), (13, 0, 100), (13, 0, 49), (11, 0, 100)),
            bars(*((13, i, 100) for i in (1, 2, 3, 4))),
        )
    )
    assert sizes.to_json() == {"car": {"below 12": {"masks": 0, "found": 0, "false": 2}}}
