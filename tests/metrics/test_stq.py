"""SQ, AQ and STQ on frames drawn by hand (letters as in drawing.py)."""

import math

import pytest

from mapt.labels.class_sets import KITTI_STEP
from mapt.metrics import PanopticTrackingMetrics
from tests.metrics.drawing import score, score_all


def test_predicted_void_is_a_class_of_sq_unless_switched_off() -> None:
    result = score(["rrss"], ["rrs."])  # road 1, sky 1/2, void 0
    assert result.dataset.SQ == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert {name: c.IoU for name, c in result.classes.items()} == {"road": 1, "sky": 1 / 2}
    assert score(["rrss"], ["rrs."], void_pred_as_class=False).dataset.SQ == pytest.approx(3 / 4)


def test_void_predicted_on_void_is_no_class() -> None:
    assert score(["rr.."], ["rr.."]).dataset.SQ == 1


def test_ground_truth_void_is_dropped() -> None:
    assert score(["rr.."], ["rrss"]).dataset.SQ == 1


def test_crowds_count_in_sq() -> None:
    assert score(["ccrr"], ["rrrr"]).dataset.SQ == pytest.approx((0 + 2 / 4) / 2)
    assert score(["ccrr"], ["AArr"]).dataset.SQ == 1


def test_sq_of_a_dataset_comes_from_the_summed_matrix() -> None:
    both = score_all({"one": (["rr"], ["rr"]), "two": (["rrrr"], ["rrss"])})
    assert both.dataset.SQ == pytest.approx((4 / 6 + 0) / 2)
    assert [s.SQ for s in both.sequences.values()] == [1, pytest.approx((2 / 4 + 0) / 2)]


def test_nothing_but_void_leaves_sq_and_stq_undefined() -> None:
    result = score(["...."], ["rrAA"]).dataset
    assert (result.SQ, result.STQ, result.AQ) == (None, None, 0)
    empty = PanopticTrackingMetrics(KITTI_STEP).compute()
    assert (empty.dataset.SQ, empty.dataset.PAT, empty.sequences, empty.classes) == (
        None,
        None,
        {},
        {},
    )


def test_aq_has_no_threshold() -> None:
    assert score(["AAAA"], ["AADD"]).dataset.AQ == pytest.approx((2 * 2 / 4 + 2 * 2 / 4) / 4)
    assert score(["AAAA"], ["Arrr"]).dataset.AQ == pytest.approx((1 * 1 / 4) / 4)


def test_aq_is_class_agnostic() -> None:
    result = score(["AAAA"], ["PPPP"]).dataset
    assert (result.AQ, result.SQ, result.STQ) == (1, 0, 0)


@pytest.mark.parametrize(("gt", "aq"), [("AAcc", 1), ("AApp", 1), ("AA..", 1 / 2), ("AArr", 1 / 2)])
def test_only_crowd_pixels_leave_the_predicted_tube(gt: str, aq: float) -> None:
    assert score([gt], ["AAAA"]).dataset.AQ == pytest.approx(aq)


def test_crowd_pixels_are_removed_from_a_tube_in_every_frame() -> None:
    assert score(["AA", "cc", "pp"], ["AA", "AA", "AA"]).dataset.AQ == 1


def test_a_predicted_thing_without_id_is_a_tube() -> None:
    assert score(["AAAA"], ["cccc"]).dataset.AQ == 1


def test_tubes_collect_pixels_over_frames() -> None:
    changed = score(["AA", "AA"], ["AA", "BB"]).dataset
    assert changed.AQ == pytest.approx((2 * 2 / 4 + 2 * 2 / 4) / 4)
    assert [changed.SQ, changed.STQ] == pytest.approx([1, math.sqrt(1 / 2)])
    assert score(["AAA", "Arr"], ["DDD", "Drr"]).dataset.AQ == 1


def test_aq_weighs_tubes_not_sequences() -> None:
    both = score_all({"one": (["AA"], ["AA"]), "two": (["ABD"], ["rrr"])})
    assert both.dataset.AQ == pytest.approx(1 / 4)
    assert [s.AQ for s in both.sequences.values()] == [1, 0]


def test_stq_of_a_dataset_comes_from_its_aq_and_sq() -> None:
    both = score_all({"one": (["AArr"], ["AArr"]), "two": (["AArr"], ["rrrr"])}).dataset
    car = 2 / 4
    road = 4 / 6
    assert both.AQ == pytest.approx(1 / 2)
    assert both.SQ == pytest.approx((car + road) / 2)
    assert both.STQ == pytest.approx(math.sqrt(1 / 2 * (car + road) / 2))
