"""What other programs take of a frame."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import Decision, PanopticFrame, Track

CLASSES = (*("stuff",) * 11, "person", "rider", "car")


@pytest.fixture
def frame() -> PanopticFrame:
    """A car, a person, a car that is hidden behind the others and a lost car."""
    instance = np.zeros((40, 60), np.int32)
    instance[5:15, 10:30] = 3
    instance[20:35, 40:45] = 70_000
    tracks = (
        Track(3, 13, 0.9, (10.0, 5.0, 30.0, 15.0), 4, 0, "car"),
        Track(70_000, 11, 0.5, (40.0, 20.0, 45.0, 35.0), 0, 0, "person"),
        Track(8, 13, 0.5, (1.0, 2.0, 3.0, 4.0), 9, 0, "car"),
        Track(1, 13, 0.8, (0.0, 0.0, 9.0, 9.0), 7, 2, "car"),
    )
    decisions = (Decision("birth", 3, 0, 0.9, None, 0.4, 0.5),)
    semantic = np.zeros((40, 60), np.uint8)
    return PanopticFrame(
        semantic, instance, tracks, decisions, {"frame": 1.5}, 7, 0, alarms=("frozen",),
        classes=CLASSES,
    )  # fmt: skip


def test_a_printed_frame_is_one_line_with_its_tracks(frame: PanopticFrame) -> None:
    line = "PanopticFrame(7 ns, 40x60 pixels, tracks: car 3, person 70000, car 8)"
    assert repr(frame) == line
    assert repr(replace(frame, tracks=())) == "PanopticFrame(7 ns, 40x60 pixels, tracks: -)"


def check_detections(found: Any, frame: PanopticFrame) -> None:
    assert found.tracker_id.tolist() == [3, 70_000] and found.class_id.tolist() == [13, 11]
    assert found.xyxy.tolist() == [[10, 5, 30, 15], [40, 20, 45, 35]]
    assert found.xyxy.dtype == np.float32
    assert found.confidence.tolist() == pytest.approx([0.9, 0.5])
    assert found.data["class_name"].tolist() == ["car", "person"]
    for mask, number in zip(found.mask, found.tracker_id, strict=True):
        np.testing.assert_array_equal(mask, frame.instance == number)


def test_supervision_gets_the_visible_tracks_with_their_names(
    frame: PanopticFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    check_detections(frame.to_supervision(), frame)
    empty = replace(frame, tracks=()).to_supervision()
    assert empty.xyxy.shape == (0, 4) and empty.mask.shape == (0, 40, 60)
    assert empty.data["class_name"].shape == (0,)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(
        InputError, match=r"supervision is not installed; pip install 'mapt\[supervision\]'"
    ):
        frame.to_supervision()


def test_the_real_supervision_takes_them(frame: PanopticFrame) -> None:
    supervision = pytest.importorskip(
        "supervision", reason="needs supervision: pip install 'mapt[supervision]'"
    )
    found = frame.to_supervision()
    check_detections(found, frame)
    assert len(replace(frame, tracks=()).to_supervision()) == 0
    image = np.zeros((40, 60, 3), np.uint8)
    drawn = supervision.MaskAnnotator().annotate(image.copy(), found)
    assert drawn[10, 20].any() and not drawn[0, 0].any()


def test_a_frame_is_a_table_of_its_visible_tracks(
    frame: PanopticFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install 'mapt[pandas]'")
    table = frame.to_dataframe()
    assert list(table.columns) == [
        "stamp_ns", "id", "label", "label_name", "score", "x1", "y1", "x2", "y2", "age"
    ]  # fmt: skip
    assert table["id"].tolist() == [3, 70_000, 8] and table["label_name"][1] == "person"
    assert table["x2"].tolist() == [30, 45, 3] and table["stamp_ns"].tolist() == [7, 7, 7]
    empty = replace(frame, tracks=()).to_dataframe()
    assert len(empty) == 0 and (empty.dtypes == table.dtypes).all()


def test_a_table_without_pandas_says_what_to_install(
    frame: PanopticFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"pandas is not installed; pip install 'mapt\[pandas\]'"):
        frame.to_dataframe()


def test_a_frame_is_json_with_lost_tracks_and_decisions(frame: PanopticFrame) -> None:
    told = json.loads(json.dumps(frame.to_dict()))
    assert (told["height"], told["width"], told["stamp_ns"]) == (40, 60, 7)
    assert told["classes"] == list(CLASSES) and told["alarms"] == ["frozen"]
    assert [t["id"] for t in told["tracks"]] == [3, 70_000, 8, 1] and told["tracks"][3]["lost"] == 2
    assert told["tracks"][1]["label_name"] == "person"
    assert told["tracks"][0]["box"] == [10, 5, 30, 15]
    assert told["decisions"][0]["stage"] == "birth" and told["timings_ms"] == {"frame": 1.5}


def test_plot_draws_on_a_copy_of_the_steps_image(frame: PanopticFrame) -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    out = frame.plot(image)
    assert out.shape == image.shape and out.dtype == np.uint8 and (image == 100).all()
    assert (out[10, 20] != out[2, 2]).any()
    view = np.full((3, 40, 60), 100, np.uint8).transpose(1, 2, 0)
    np.testing.assert_array_equal(frame.plot(view), out)
    bare = frame.plot(image, labels=False, legend=False)
    assert (bare != out).any()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((20, 30, 3), np.uint8), "plot: the image is 20x30x3 uint8, the frame 40x60x3"),
        (np.zeros((40, 60), np.uint8), "plot: the image is 40x60 uint8"),
        (np.zeros((40, 60, 3), np.float32), "plot: the image is 40x60x3 float32"),
    ],
)
def test_plot_refuses_another_image(frame: PanopticFrame, image: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        frame.plot(image)
