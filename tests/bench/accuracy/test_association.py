"""What the association bench feeds the tracker, and what it makes of it."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mapt.bench.accuracy.association import OURS, Steps, time_association, timed
from mapt.bench.accuracy.crowd import crowd, instances, static_masks
from mapt.bench.accuracy.mots_tracking import detect, track_mots
from mapt.contract import Thresholds
from mapt.errors import InputError
from mapt.labels.mots_text import MotsObject
from mapt.labels.rle import encode_mask
from mapt.runtime.association.tracks import TrackTable

SIZE = (375, 1242)


def car(number: int, x: int, y: int = 200, width: int = 120) -> tuple[int, np.ndarray]:
    mask = np.zeros(SIZE, np.bool_)
    mask[y : y + 60, x : x + width] = True
    return 1000 + number, mask


@pytest.fixture
def mots(tmp_path: Path) -> Path:
    """Three cars over 30 frames, of which one is gone for a frame."""
    lines = []
    for frame in range(30):
        cars = [car(0, 100 + 8 * frame), car(1, 400 + 8 * frame)]
        if frame != 15:
            cars.append(car(2, 900 - 8 * frame, 300, 80))
        for identity, mask in cars:
            lines.append(f"{frame} {identity} 1 375 1242 {encode_mask(mask).decode()}")
    (tmp_path / "0000.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_given_masks_are_tracked_and_spoilt_ones_worse(mots: Path) -> None:
    clean, spoilt = (track_mots(mots, spoilt).dataset for spoilt in (False, True))
    assert (
        clean.num_gt_tracks == spoilt.num_gt_tracks == 3 and clean.PQ == 1 and spoilt.PQ is not None
    )
    assert clean.IDS == 1  # the car that was gone
    assert spoilt.IDS > 1 and spoilt.PQ < 0.97 and (spoilt.TQ or 0) < (clean.TQ or 0)
    assert track_mots(mots, True).dataset == spoilt  # the same spoilt masks every time
    with pytest.raises(InputError, match="holds no KITTI-MOTS text"):
        track_mots(mots / "nowhere", False)


def test_a_tenth_of_the_masks_is_dropped_and_the_rest_moved_a_little() -> None:
    identity, mask = car(0, 100)
    thing = MotsObject(identity, 1, *SIZE, encode_mask(mask))
    clean, labels = detect([thing, MotsObject(10_000, 10, *SIZE, encode_mask(~mask))], SIZE, None)
    assert labels.tolist() == [13] and np.array_equal(clean[: SIZE[0], : SIZE[1]] > 0, mask)
    rng = np.random.default_rng(0)
    seen = [detect([thing], SIZE, rng)[0][: SIZE[0], : SIZE[1]] > 0 for _ in range(300)]
    assert 0.05 < np.mean([not s.any() for s in seen]) < 0.15
    overlaps = [(s & mask).sum() / (s | mask).sum() for s in seen if s.any()]
    assert 0.85 < min(overlaps) < max(overlaps) <= 1 and len(set(overlaps)) > 5


def test_a_crowd_is_what_the_fusion_would_hand_over() -> None:
    table = TrackTable(Thresholds(similarity=0.8), "full")
    ids = []
    for number, (fused, embeddings) in enumerate(crowd(30, 20)):
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
        again, _ = instances(fused.index, np.full(30, 13, np.int32))
        np.testing.assert_array_equal(again.masks8, fused.masks8)
        assert fused.masks8.sum() * 64 == pytest.approx((fused.index > 0).sum(), rel=1e-4)
        table, found, _ = table.update(fused, static_masks(table), embeddings, number * 100_000_000)
        ids += found
    assert len(ids) > 500 and max(ids) < 40  # both stages together keep nearly all


def test_every_step_is_run_once_and_in_order() -> None:
    ran: list[int] = []
    other: list[int] = []
    frames: Iterator[Steps] = (
        {"a": partial(ran.append, n), "b": partial(other.append, n)} for n in range(30)
    )
    timings = timed(frames, warmup=5)
    assert ran == other == list(range(30)) and set(timings) == {"a", "b"}
    for timing in timings.values():
        assert (
            0 <= timing.thread["p50"] <= timing.thread["p99"]
            and 0 <= timing.wall["p50"] <= timing.wall["p99"]
        )


def test_peers_get_the_same_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    class Tracker:
        def __init__(self, frame_rate: float, **given: float) -> None:
            assert frame_rate == 10 and given["minimum_consecutive_frames"] == 1
            limits = {value for name, value in given.items() if name.endswith("threshold")}
            assert limits == {
                Thresholds().score
            }  # theirs would turn instances away that the fusion kept

        def update(self, detections: Any) -> Any:
            given.append(detections)
            return SimpleNamespace(tracker_id=np.arange(len(detections.xyxy)))

    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    monkeypatch.setitem(
        sys.modules, "trackers", SimpleNamespace(ByteTrackTracker=Tracker, OCSORTTracker=Tracker)
    )
    timings = time_association(5, 12)
    assert set(timings) == {OURS, "ByteTrack", "OC-SORT"} and len(given) == 24
    for fused, detections in zip((f for f, _ in crowd(5, 12)), given[::2], strict=True):
        assert np.array_equal(detections.xyxy, fused.boxes) and len(detections.confidence) == len(
            fused.boxes
        )
    monkeypatch.setitem(sys.modules, "trackers", None)
    assert list(time_association(5, 12)) == [OURS]
