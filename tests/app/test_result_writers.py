"""Other tools' formats, read back with those tools."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from mapt.app.result_writers import CocoResults, mot_lines, to_supervision
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import PanopticFrame, Track


@pytest.fixture
def frame() -> PanopticFrame:
    """A car, a person, a lost car and one that is hidden behind the others."""
    instance = np.zeros((40, 60), np.int32)
    instance[5:15, 10:30] = 3
    instance[20:35, 40:45] = 70_000
    instance[7, 12] = 0  # a hole
    tracks = (
        Track(3, 13, 0.9, (10.0, 5.0, 30.0, 15.0), 4, 0),
        Track(70_000, 11, 0.5, (40.0, 20.0, 45.0, 35.0), 0, 0),
        Track(8, 13, 0.5, (1.0, 2.0, 3.0, 4.0), 9, 0),
        Track(1, 13, 0.8, (0.0, 0.0, 9.0, 9.0), 7, 2),
    )
    return PanopticFrame(np.zeros((40, 60), np.uint8), instance, tracks, (), {}, 0, 0)


def test_coco_masks_decode_to_the_frame(frame: PanopticFrame, tmp_path: Path) -> None:
    results = CocoResults(tmp_path / "coco.json", KITTI_STEP)
    results.add("000000", frame)
    results.add("000001", frame)
    results.finish()
    results.close()
    content = json.loads((tmp_path / "coco.json").read_text())
    assert [i["file_name"] for i in content["images"]] == ["000000", "000001"]
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3, 4]
    assert [(a["image_id"], a["track_id"]) for a in content["annotations"]] == [
        (1, 3),
        (1, 70_000),
        (2, 3),
        (2, 70_000),
    ]
    for annotation in content["annotations"]:
        mask = coco.decode(annotation["segmentation"]).astype(bool)
        np.testing.assert_array_equal(mask, frame.instance == annotation["track_id"])
        assert annotation["area"] == mask.sum() == coco.area(annotation["segmentation"])
        assert annotation["bbox"] == coco.toBbox(annotation["segmentation"]).tolist()
    names = {c["id"]: c["name"] for c in content["categories"]}
    assert names[content["annotations"][0]["category_id"]] == "car"
    assert [c["name"] for c in content["categories"] if c["isthing"]] == ["person", "car"]


def test_mot_lines_count_from_one_and_leave_out_lost_tracks(frame: PanopticFrame) -> None:
    assert mot_lines(0, frame) == [
        "1,3,11.00,6.00,20.00,10.00,0.9000,-1,-1,-1",
        "1,70000,41.00,21.00,5.00,15.00,0.5000,-1,-1,-1",
        "1,8,2.00,3.00,2.00,2.00,0.5000,-1,-1,-1",
    ]


def check_detections(found: Any, frame: PanopticFrame) -> None:
    assert found.tracker_id.tolist() == [3, 70_000] and found.class_id.tolist() == [13, 11]
    assert (
        found.xyxy.tolist() == [[10, 5, 30, 15], [40, 20, 45, 35]]
        and found.xyxy.dtype == np.float32
    )
    assert found.confidence.tolist() == pytest.approx([0.9, 0.5])
    for mask, number in zip(found.mask, found.tracker_id, strict=True):
        np.testing.assert_array_equal(mask, frame.instance == number)


def test_supervision_gets_the_visible_tracks(
    frame: PanopticFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    check_detections(to_supervision(frame), frame)
    empty = to_supervision(replace(frame, tracks=()))
    assert empty.xyxy.shape == (0, 4) and empty.mask.shape == (0, 40, 60)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(
        InputError, match=r"supervision is not installed; pip install 'mapt\[supervision\]'"
    ):
        to_supervision(frame)


def test_the_real_supervision_takes_them(frame: PanopticFrame) -> None:
    pytest.importorskip("supervision", reason="needs supervision: pip install 'mapt[supervision]'")
    check_detections(to_supervision(frame), frame)
    assert len(to_supervision(replace(frame, tracks=()))) == 0
