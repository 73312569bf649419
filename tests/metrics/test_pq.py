"""PQ on frames drawn by hand.

The letters are r road, s sky, '.' void, A B D cars, P Q persons, and c p their crowds.
"""

import pytest

from tests.metrics.drawing import score, score_all


def test_counts_of_a_class_and_the_mean_over_classes() -> None:
    result = score(
        ["AAABrrrr"], ["AADDrrrr"]
    )  # A: IoU 2/3; B with D: exactly 1/2, so one FN and one FP
    assert result.classes["car"].PQ == pytest.approx((2 / 3) / (1 + 1 / 2 + 1 / 2))
    assert result.dataset.PQ_things == pytest.approx(1 / 3)
    assert result.dataset.PQ_stuff == 1
    assert result.dataset.PQ == pytest.approx((1 / 3 + 1) / 2)


@pytest.mark.parametrize(
    ("gt", "pred", "pq"), [("AAAA", "AA..", 0), ("AAA", "AA.", 2 / 3), ("AAAA", "AAA.", 3 / 4)]
)
def test_a_match_needs_more_than_one_half(gt: str, pred: str, pq: float) -> None:
    assert score([gt], [pred]).dataset.PQ == pytest.approx(pq)


def test_the_class_must_agree_the_id_need_not() -> None:
    assert score(["AArr"], ["DDrr"]).dataset.PQ == 1
    wrong = score(["AArr"], ["PPrr"])
    assert [wrong.classes[c].PQ for c in ("road", "car", "person")] == [1, 0, 0]
    assert wrong.dataset.PQ == pytest.approx(1 / 3)


def test_void_is_taken_out_of_the_union() -> None:
    assert score(["AA...."], ["AAAAAA"]).dataset.PQ == 1
    assert score(["AAr..."], ["AAAAAA"]).classes["car"].PQ == pytest.approx(2 / 3)
    assert score(["rr...."], ["rrrrrr"]).dataset.PQ == 1  # stuff too


@pytest.mark.parametrize("gt", ["...r", "cccr", "..cr"])
def test_a_false_positive_mostly_on_void_or_crowd_is_forgiven(gt: str) -> None:
    assert score([gt], ["AAAA"]).dataset.PQ_things is None


@pytest.mark.parametrize("gt", ["..rr", "ccrr", ".crr", "pppr"])
def test_half_is_not_mostly_and_another_class_crowd_does_not_count(gt: str) -> None:
    assert score([gt], ["AAAA"]).dataset.PQ_things == 0


def test_every_predicted_segment_of_the_class_is_forgiven_on_its_own() -> None:
    result = score(["AAAAccccrr"], ["AAAABBBDDD"])  # B lies on the crowd, D for a third
    assert result.classes["car"].PQ == pytest.approx(1 / (1 + 1 / 2))


def test_a_crowd_is_never_missed_but_hides_no_stuff() -> None:
    result = score(["cccc"], ["rrrr"])
    assert result.dataset.PQ_things is None
    assert result.dataset.PQ_stuff == 0  # the road is a false positive


def test_a_crowd_stays_in_the_union() -> None:
    assert score(["AAc"], ["AAA"]).dataset.PQ == pytest.approx(2 / 3)


def test_a_predicted_thing_without_id_is_a_segment() -> None:
    assert score(["AAAA"], ["cccc"]).dataset.PQ == 1
    assert score(["AABB"], ["cccc"]).dataset.PQ == 0


def test_predicted_void_is_no_segment() -> None:
    assert score(["AAAArrrr"], ["AAAA...."]).dataset.PQ == pytest.approx((1 + 0) / 2)
    assert score(["AAAA...."], ["AAAA...."]).dataset.PQ == 1


def test_ids_of_stuff_are_ignored() -> None:
    assert score(["rrRR"], ["RRrr"]).dataset.PQ == 1


def test_counts_are_summed_over_frames_and_sequences() -> None:
    assert score(["AA", "AA"], ["AA", ".."]).dataset.PQ == pytest.approx(1 / (1 + 1 / 2))
    both = score_all({"one": (["AA"], ["AA"]), "two": (["AA"], [".."])})
    assert both.dataset.PQ == pytest.approx(2 / 3)
    assert [s.PQ for s in both.sequences.values()] == [1, 0]


def test_nothing_but_void_leaves_pq_undefined() -> None:
    assert score(["...."], ["...."]).dataset.PQ is None
    assert score(["...."], ["AArr"]).dataset.PQ is None


def test_nuscenes_deletes_void_and_crowd_and_counts_absent_classes() -> None:
    assert score(["Ac"], ["AA"]).dataset.PQ_things == 0  # half of the prediction is outside the car
    result = score(["Ac"], ["AA"], variant="nuscenes").dataset
    assert [result.PQ, result.PQ_things, result.PQ_stuff] == pytest.approx([1 / 19, 1 / 2, 0])
    assert score(["A."], ["AA"], variant="nuscenes").dataset.PQ_things == 1 / 2


@pytest.mark.parametrize("gt", ["...r", "cccr"])
def test_nuscenes_forgives_no_false_positive(gt: str) -> None:
    frames = ["AAAA", gt], ["AAAA", "BBBB"]
    assert score(*frames).classes["car"].PQ == 1
    result = score(*frames, variant="nuscenes")
    assert result.classes["car"].PQ == pytest.approx(2 / 3)
    assert result.dataset.PQ == pytest.approx((2 / 3 + 0) / 19)
