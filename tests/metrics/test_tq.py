"""TQ and PAT on frames drawn by hand (letters as in drawing.py)."""

import math
from typing import Any

import numpy as np
import pytest

from mapt.labels.class_sets import KITTI_STEP
from mapt.metrics import PanopticTrackingMetrics
from tests.metrics.drawing import draw, score, score_all


def test_the_worked_example() -> None:
    result = score(["AAAA"] * 6, ["AAAA", "AAAA", "Arrr", "Arrr", "BBBB", "AAAA"]).dataset
    assert (result.IDS, result.N_IDS, result.num_gt_tracks) == (4, 5, 1)
    association = (3 * 3 / (6 + 5 - 3) + 1 * 1 / (6 + 1 - 1)) / 6
    assert result.TQ == pytest.approx(math.sqrt((1 - 4 / 5) * association), abs=1e-12)
    assert result.TQ == pytest.approx(0.207498, abs=5e-7)


@pytest.mark.parametrize(
    ("pattern", "changes"),
    [
        ("AAA", 0),
        ("AAB", 1),
        ("ABA", 2),
        ("AA-", 1),
        ("-AA", 1),
        ("A-A", 2),
        ("A--", 2),
        ("---", 2),
    ],
)
def test_every_pair_of_frames_without_the_same_match_is_a_change(
    pattern: str, changes: int
) -> None:
    pred = [(letter if letter != "-" else "r") * 2 for letter in pattern]
    result = score(["AA"] * 3, pred).dataset
    assert (result.IDS, result.N_IDS) == (changes, 2)
    hits = {p: pattern.count(p) for p in "AB"}
    association = sum(n * n / (3 + n - n) for n in hits.values()) / 3
    assert result.TQ == pytest.approx(math.sqrt((1 - changes / 2) * association))


def test_frames_without_the_track_are_skipped() -> None:
    result = score(["AA", "rr", "AA"], ["AA", "rr", "AA"]).dataset
    assert (result.IDS, result.N_IDS, result.TQ) == (0, 1, 1)


def test_a_track_of_one_frame_has_no_pair() -> None:
    assert (score(["AA"], ["AA"]).dataset.TQ, score(["AA"], ["AA"]).dataset.N_IDS) == (1, 0)
    assert score(["AA"], ["rr"]).dataset.TQ == 0
    assert score(["AA", "rr"], ["AA", "rA"]).dataset.TQ == pytest.approx(math.sqrt(1 / (1 + 2 - 1)))


def test_a_match_needs_more_than_one_half_and_an_id_but_not_the_class() -> None:
    assert score(["AAAA"], ["AArr"]).dataset.TQ == 0
    assert score(["AAAA"], ["AAAr"]).dataset.TQ == 1
    assert score(["AAAA"], ["cccc"]).dataset.TQ == 0
    assert score(["AAAA", "AAAA"], ["PPPP", "PPPP"]).dataset.TQ == 1
    assert (
        score(["AAAA", "AAAA"], ["AAAA", "PPPP"]).dataset.TQ == 0
    )  # (class, 1) twice, yet another key


@pytest.mark.parametrize("gt", ["AA..", "AAcc", "AA.p"])
def test_void_and_crowd_are_removed_from_both_sides(gt: str) -> None:
    assert score([gt], ["AAAA"]).dataset.TQ == 1
    # A prediction seen only there is not visible in that frame, and the track has no such frame
    # either.
    assert score([gt, "..cc"], ["AAAA", "AAAA"]).dataset.TQ == 1


def test_stuff_pixels_are_not_removed() -> None:
    assert score(["AArr"], ["AAAA"]).dataset.TQ == 0
    assert score(["AA", "rr"], ["AA", "AA"]).dataset.TQ == pytest.approx(math.sqrt(1 / 2))


def test_all_tracks_weigh_the_same_and_classes_are_reported_apart() -> None:
    result = score_all(
        {"one": (["AABBPP", "AABBPP"], ["AArrPP", "AArrQQ"]), "two": (["AA"], ["BB"])}
    )
    one_changed = math.sqrt((1 - 1 / 1) * 1)
    assert result.dataset.TQ == pytest.approx((1 + 0 + one_changed + 1) / 4)
    assert (result.dataset.IDS, result.dataset.N_IDS, result.dataset.num_gt_tracks) == (2, 3, 4)
    assert [result.classes[c].TQ for c in ("car", "person")] == pytest.approx([2 / 3, 0])
    assert (result.classes["car"].IDS, result.classes["person"].IDS) == (1, 1)
    assert [s.num_gt_tracks for s in result.sequences.values()] == [3, 1]


def test_ids_are_scoped_to_their_sequence() -> None:
    result = score_all({"one": (["AA"], ["AA"]), "two": (["AA"], ["BB"])}).dataset
    assert (result.num_gt_tracks, result.TQ, result.AQ) == (2, 1, 1)
    assert score(["AA", "AA"], ["AA", "BB"]).dataset.TQ == 0


def test_pat_is_the_harmonic_mean_also_of_each_class() -> None:
    result = score(["AAA", "AAA"], ["AAA", "AAr"])
    pq = (1 + 2 / 3) / 2
    assert result.classes["car"].PAT == pytest.approx(2 * pq * 1 / (pq + 1))
    assert result.dataset.TQ == 1
    overall = (pq + 0) / 2  # the road is a false positive
    assert result.dataset.PAT == pytest.approx(2 * overall / (overall + 1))


def test_pat_is_zero_or_undefined_at_the_edges() -> None:
    assert score(["AAAA"], ["ssss"]).dataset.PAT == 0  # PQ and TQ are 0
    assert score(["AAAA"], ["PPPP"]).dataset.PAT == 0  # only PQ is
    stuff = score(["rrcc"], ["rrAA"])
    assert (stuff.dataset.PQ, stuff.dataset.TQ, stuff.dataset.PAT) == (1, None, None)
    assert stuff.classes["car"].PAT is None
    assert stuff.to_json()["dataset"]["PAT"] is None
    assert stuff.classes["road"].TQ is None and stuff.classes["road"].IDS is None


def test_nuscenes_changes_pq_not_tq() -> None:
    frames = ["AAAA", "AAc.", "AAAA"], ["AAAA", "AAAA", "BBBB"]
    assert score(*frames).dataset.TQ == score(*frames, variant="nuscenes").dataset.TQ
    absent = score(["rr"], ["rr"], variant="nuscenes").dataset
    assert (absent.TQ, absent.PAT) == (None, None)
    assert absent.PQ == pytest.approx(1 / 19)


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\) differ in size"):
        PanopticTrackingMetrics(KITTI_STEP).update("one", draw("AA"), draw("AAA"))


@pytest.mark.parametrize(("side", "label"), [("ground truth", 19), ("prediction", 253)])
def test_unknown_classes_are_refused_and_nothing_is_added(side: str, label: int) -> None:
    good = draw("AA")
    bad = (np.full((1, 2), label, np.uint8), np.zeros((1, 2), np.int32))
    metrics = PanopticTrackingMetrics(KITTI_STEP)
    with pytest.raises(
        ValueError, match=rf"{side} has class {label}, kitti-step knows 0\.\.18 and 255"
    ):
        metrics.update("one", *((bad, good) if side == "ground truth" else (good, bad)))
    assert not metrics.compute().sequences


@pytest.mark.parametrize("identity", [-1, 65536])
def test_ids_beyond_sixteen_bits_are_refused(identity: int) -> None:
    semantic, instance = draw("AA")
    with pytest.raises(ValueError, match=rf"{identity}.* not within 0\.\.65535"):
        PanopticTrackingMetrics(KITTI_STEP).update(
            "one", (semantic, instance), (semantic, instance * 0 + identity)
        )


@pytest.mark.parametrize("label", [-1, 256])
def test_classes_beyond_eight_bits_are_refused(label: int) -> None:
    """-1 for void, as some have it in signed integers, must not reach the bits of an id."""
    semantic: Any = np.full((2, 4), 13, np.int32)
    semantic[0, 0] = label
    good = np.full((2, 4), 13, np.uint8), np.ones((2, 4), np.int32)
    metrics = PanopticTrackingMetrics(KITTI_STEP)
    with pytest.raises(ValueError, match=r"classes .* are not within 0\.\.255; void is 255"):
        metrics.update("0000", (semantic, good[1]), good)
    semantic[0, 0] = 255
    metrics.update("0000", (semantic, good[1]), good)
