"""What the fusion's limits mean, on masks and semantic logits that are constant."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.contract import Thresholds
from mapt.runtime import PanopticTracker
from mapt.runtime.perception.fusion import Detections, Fused, fuse

Make = Callable[..., Any]
Boxes = list[tuple[int, int, int, int]]


def detections(boxes: Boxes, scores: list[float], classes: list[int], *masks: float) -> Detections:
    """One constant mask logit per detection; a single one serves all."""
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    levels = np.broadcast_to(np.array(masks, np.float32), len(rows))
    mask_logits = np.ones((len(rows), 28, 28), np.float32) * levels[:, None, None]
    slots = np.arange(len(rows), dtype=np.int32)
    return Detections(
        rows, np.array(scores, np.float32), np.array(classes, np.int32), mask_logits, slots
    )


def fused(found: Detections, semantic: float = 0.0, **thresholds: float) -> Fused:
    """Fuse detections on 32x32 pixels.

    The logits of things are `semantic` above those of the best stuff class. Classes 2 and 3 are
    things.
    """
    margins = np.full((2, 8, 8), semantic, np.float32)
    return fuse(found, margins, (2, 3), Thresholds(**thresholds))  # type: ignore[arg-type]


def test_overlap_goes_to_the_higher_fused_logit_not_to_the_higher_score() -> None:
    got = fused(detections([(0, 0, 20, 10), (12, 0, 32, 10)], [0.9, 0.8], [2, 2], 2, 5))
    assert (
        (got.index[:10, :12] == 1).all()
        and (got.index[:10, 12:] == 2).all()
        and not got.index[10:].any()
    )


def test_a_duplicate_is_dropped_when_too_little_of_it_is_free() -> None:
    pair = detections(
        [(0, 0, 20, 10), (10, 0, 30, 10)], [0.9, 0.8], [2, 3], 4
    )  # half of the second is free
    assert len(fused(pair, overlap=0.5).detections) == 2
    assert fused(pair, overlap=0.51).detections.classes.tolist() == [2]


@pytest.mark.parametrize(
    ("thresholds", "kept"),
    [({"min_area": 32}, 1), ({"min_area": 33}, 0), ({"score": 0.75}, 1), ({"score": 0.76}, 0)],
)
def test_limits_are_inclusive(thresholds: dict[str, float], kept: int) -> None:
    got = fused(detections([(3, 5, 11, 9)], [0.75], [2], 4), **thresholds)  # 8 x 4 pixels
    assert (
        len(got.detections) == len(got.boxes) == len(got.masks8) == kept
        and (got.index > 0).sum() == 32 * kept
    )


def test_what_loses_its_pixels_to_better_masks_disappears_and_ids_close_up() -> None:
    boxes: Boxes = [(0, 0, 9, 9), (0, 0, 16, 9), (20, 20, 30, 30)]
    got = fused(detections(boxes, [0.9, 0.8, 0.7], [2, 2, 3], 1, 5, 1), overlap=0.4)
    assert got.detections.scores.tolist() == np.array([0.8, 0.7], np.float32).tolist() and set(
        np.unique(got.index)
    ) == {0, 1, 2}
    assert got.boxes.tolist() == [[0, 0, 16, 9], [20, 20, 30, 30]]


def test_a_mask_that_is_too_small_takes_no_pixels_from_others() -> None:
    found = detections([(4, 4, 8, 8), (0, 0, 16, 16)], [0.9, 0.8], [2, 2], 5, 1)
    got = fused(found, min_area=17)
    assert len(got.detections) == 1 and (got.index[:16, :16] == 1).all()


@pytest.mark.parametrize(("semantic", "visible"), [(-2.9, True), (-3.1, False), (3.0, True)])
def test_the_better_stuff_behind_decides_what_stays_void(semantic: float, visible: bool) -> None:
    """A + B > 0 is needed: the mask says 3."""
    assert fused(detections([(0, 0, 16, 16)], [0.9], [2], 3), semantic).index.any() == visible


@pytest.mark.parametrize(("limit", "columns"), [(1000.0, 32), (3.0, 16), (0.0, 16)])
def test_a_sure_class_does_not_widen_a_mask_beyond_the_limit(limit: float, columns: int) -> None:
    """The mask says 4 in the left half and -4 in the right one; the class is sure by 8 in both."""
    found = detections([(0, 0, 32, 16)], [0.9], [2], 4)
    found.mask_logits[:, :, 14:] = -4
    got = fused(found, 8, semantic_limit=limit)
    assert (got.index[:16, :columns] == 1).all() and not got.index[:, columns:].any()


@pytest.mark.parametrize("thresholds", [{"min_area": 0}, {"min_area": 0, "overlap": 0.0}, {}])
def test_no_detections_and_no_pixels(thresholds: dict[str, float]) -> None:
    for found in (detections([], [], [], 0), detections([(4, 4, 20, 20)], [0.9], [2], -5)):
        got = fused(found, **thresholds)
        assert (
            len(got.detections) == 0
            and got.masks8.shape == (0, 1, 4, 4)
            and got.boxes.shape == (0, 4)
        )
        assert got.index.shape == (32, 32) and not got.index.any()


def test_what_lies_in_the_padding_alone_is_no_instance() -> None:
    boxes: Boxes = [(2, 2, 12, 12), (24, 2, 31, 31), (14, 14, 28, 30), (2, 24, 22, 32)]
    found = detections(boxes, [0.9, 0.8, 0.7, 0.6], [2] * 4, 4)
    got = fuse(found, np.zeros((2, 8, 8), np.float32), (2, 3), Thresholds(), (20, 20))
    assert got.detections.scores.tolist() == np.array([0.9, 0.7], np.float32).tolist()
    assert (
        set(np.unique(got.index)) == {0, 1, 2} and got.boxes[1, 2] > 20
    )  # a mask may go on into the padding


def test_a_tracker_gives_no_id_without_pixels(scene: Make, actor: Make, picture: Make) -> None:
    tracker = PanopticTracker(scene(actor(8, 8, score=0.9), actor(72, 40, score=0.8)))
    frame = tracker.step(picture(0, 24, 96), 0)  # fills the upper 24 of 64 rows
    assert [t.id for t in frame.tracks] == [1] and set(np.unique(frame.instance)) == {0, 1}


def test_a_weak_object_is_not_shown_before_it_was_seen_well(
    scene: Make, actor: Make, picture: Make
) -> None:
    good = actor(8, 8, score=0.9)
    weak = actor(40, 8, dx=2, score=0.6)
    backend = scene(good, weak, birth=0.7)
    tracker = PanopticTracker(backend)
    first = tracker.step(picture(0), 0)
    assert [t.id for t in first.tracks] == [1] and set(np.unique(first.instance)) == {0, 1}
    assert not np.isin(first.semantic[8:24, 40:56], 2).any()  # what is behind it
    better = dataclasses.replace(weak, score=0.8)
    backend.actors = [good, better]
    assert [t.id for t in tracker.step(picture(1), 10**8).tracks] == [1, 2]
    backend.actors = [good, weak]
    frame = tracker.step(picture(2), 2 * 10**8)
    assert [(t.id, t.age) for t in frame.tracks] == [(1, 2), (2, 1)]
    assert (frame.instance[8:24, 44:60] == 2).all()
