"""HOTA, IDF1, MOTA and MOTSA of drawn sequences whose numbers are known by hand."""

import math

import pytest

from mapt.labels.class_sets import KITTI_STEP
from mapt.metrics.mot import MotMetrics, MotResults, MotScores
from tests.metrics.drawing import count, draw


def score_all(sequences: dict[str, tuple[list[str], list[str]]]) -> MotResults:
    metrics = MotMetrics(KITTI_STEP)
    for name, (gt, pred) in sequences.items():
        for truth, guess in zip(gt, pred, strict=True):
            metrics.add(name, count(draw(truth), draw(guess)))
    return metrics.compute()


def score(gt: list[str], pred: list[str]) -> MotScores:
    return score_all({"one": (gt, pred)}).dataset


TRUTH = ["AAAAssss"] * 4
GUESS = ["BBBBssDD", "BBBsssss", "ssssssBB", "DDDDssss"]


def test_the_worked_example_of_the_documentation() -> None:
    s = score(TRUTH, GUESS)
    assert (s.FN, s.FP, s.IDSW, s.Frag) == (1, 2, 1, 1)
    assert s.MOTA == s.MOTSA == 0
    assert s.MOTP == s.MOTSP == pytest.approx((1 + 0.75 + 1) / 3)
    assert s.sMOTSA == pytest.approx((2.75 - 2 - 1) / 4)
    assert (s.IDF1, s.IDP, s.IDR) == pytest.approx((4 / 9, 2 / 5, 1 / 2))
    # Up to alpha 0.75 there are three matches, from 0.80 on two.
    assert s.DetA == pytest.approx((15 * 3 / 6 + 4 * 2 / 7) / 19)
    assert s.AssA == pytest.approx((15 * (2 * 2 / 5 + 1 / 5) / 3 + 4 * (1 / 6 + 1 / 5) / 2) / 19)
    assert s.LocA == pytest.approx((15 * 2.75 / 3 + 4) / 19)
    assert s.HOTA == pytest.approx(
        (15 * math.sqrt(1 / 2 * 1 / 3) + 4 * math.sqrt(2 / 7 * 11 / 60)) / 19
    )


def test_the_truth_itself_is_perfect() -> None:
    s = score(["AAssPP", "AAssPP"], ["BBssQQ", "BBssQQ"])
    assert {s.HOTA, s.DetA, s.AssA, s.LocA, s.IDF1, s.IDP, s.IDR, s.MOTA, s.sMOTSA, s.MOTP} == {1}
    assert (s.FN, s.FP, s.IDSW, s.Frag) == (0, 0, 0, 0)


def test_classes_do_not_match_each_other() -> None:
    s = score(["AAss"], ["PPss"])
    assert (s.HOTA, s.DetA, s.AssA, s.LocA) == (0, 0, None, None)
    assert (s.FN, s.FP, s.IDF1, s.MOTA, s.MOTP) == (1, 1, 0, -1, None)


@pytest.mark.parametrize(
    ("truth", "guess", "false"),
    [
        ("...s", "BBBs", 0),  # void
        ("cccs", "BBBs", 0),  # a crowd of its class
        ("ppps", "BBBs", 1),  # a crowd of another class
        ("..ss", "BBBB", 1),  # exactly one half lies on void
        ("A..s", "BBBs", 0),  # an IoU of a third is no match
        ("AA..", "BBBB", 0),  # matched with an IoU of one half, so it stays
    ],
)
def test_predictions_on_ignored_regions_are_left_out(truth: str, guess: str, false: int) -> None:
    assert score([truth], [guess]).FP == false


def test_a_match_with_one_half_counts_even_on_an_ignored_region() -> None:
    s = score(["AA.."], ["BBBB"])
    assert (s.FN, s.MOTP, s.IDF1) == (0, 0.5, 1)


def test_predictions_without_an_id_are_no_tracks() -> None:
    s = score(["AAss"], ["ccss"])
    assert (s.FP, s.FN) == (0, 1)


def test_a_match_goes_on_though_another_prediction_overlaps_as_much() -> None:
    """B and D cover one half each; whoever was matched before stays."""
    s = score(["AAAAss", "AAAAss"], ["DDDDss", "BBDDss"])
    assert (s.IDSW, s.FP, s.FN) == (0, 1, 0)


def test_ids_count_within_a_sequence() -> None:
    same = (["AAss"], ["BBss"])
    results = score_all({"one": same, "two": (["AAss"], ["DDss"])})
    assert results.dataset.IDSW == 0
    assert results.dataset.HOTA == results.sequences["one"].HOTA == 1


def test_classes_are_pooled_by_their_counts() -> None:
    results = score_all({"one": (["AAssPP"] * 3, ["BBssss"] * 3)})
    assert set(results.classes) == {"car", "person"}
    assert (results.classes["car"].HOTA, results.classes["person"].HOTA) == (1, 0)
    assert results.dataset.DetA == 0.5 and results.dataset.AssA == 1
    assert results.dataset.HOTA == pytest.approx(math.sqrt(0.5))


def test_nothing_to_score_is_undefined() -> None:
    s = score(["rrss"], ["rrss"])
    assert {s.HOTA, s.DetA, s.AssA, s.LocA, s.IDF1, s.IDP, s.IDR, s.MOTA, s.MOTP, s.sMOTSA} == {
        None
    }
    nothing_true = score(["rrss"], ["BBss"])
    assert (nothing_true.HOTA, nothing_true.MOTA, nothing_true.IDR, nothing_true.IDP) == (
        0,
        None,
        None,
        0,
    )
    assert score_all({}).dataset.HOTA is None
