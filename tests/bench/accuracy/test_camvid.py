"""Mean IoU on CamVid's classes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.bench.accuracy.camvid import CAMVID, NAMES, VOID, Agreement, count, main
from mapt.data.datasets.camvid import TRAIN_IDS
from mapt.labels.class_sets import CITYSCAPES_VPS


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """Two stills in CamVid's layout: sky, a house, a road, a car, and a corner without a label."""
    label = np.zeros((120, 160), np.uint8)
    label[30:60] = 1
    label[60:] = 3
    label[50:80, 40:80] = 8
    label[:10, :10] = 11
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (tmp_path / "camvid" / "train" / kind).mkdir(parents=True)
    for name in ("a", "b"):
        shade = rng.integers(0, 255, (12, 3), dtype=np.uint8)[label]
        cv2.imwrite(str(tmp_path / "camvid" / "train" / "images" / f"{name}.png"), shade)
        cv2.imwrite(str(tmp_path / "camvid" / "train" / "labels" / f"{name}.png"), label)
    return tmp_path / "camvid"


def test_classes_go_there_and_back() -> None:
    assert len(CAMVID) == len(CITYSCAPES_VPS.classes) == 19
    np.testing.assert_array_equal(CAMVID[TRAIN_IDS[:VOID]], np.arange(VOID))
    named = {name: NAMES[CAMVID[i]] for i, name in enumerate(CITYSCAPES_VPS.classes)}
    assert (
        named["wall"] == "building" and named["traffic light"] == "sign" and named["bus"] == "car"
    )
    assert named["bicycle"] == named["rider"] == "bicyclist" and named["terrain"] == "tree"


def test_iou_by_hand() -> None:
    """Three of four road pixels are found, and one more pixel is sky taken for road.

    One pixel without a label does not count.
    """
    truth = np.array([[3, 3, 3, 3], [0, 0, 11, 8]], np.uint8)
    labels = np.array(
        [[0, 0, 0, 10], [10, 0, 5, 14]], np.uint8
    )  # train ids: road, sky, pole, truck
    agreement = Agreement(count(truth, labels))
    assert agreement.confusion.sum() == 7
    found = dict(zip(NAMES, agreement.iou, strict=True))
    assert (
        found["road"] == pytest.approx(3 / 5)
        and found["sky"] == pytest.approx(1 / 3)
        and found["car"] == 1
    )
    assert np.isnan(found["pole"]) and agreement.mean == pytest.approx((3 / 5 + 1 / 3 + 1) / 3)
    assert agreement.to_json()["pole"] is None


def test_the_command_measures_both_kinds_of_labels(
    bundle: Path, camvid_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            str(bundle),
            "--root",
            str(camvid_root),
            "--split",
            "train",
            "--json",
            str(tmp_path / "c.json"),
        ]
    )
    report = json.loads((tmp_path / "c.json").read_text())
    iou = report["iou"]
    assert set(iou) == {"semantic head", "runtime"}
    assert all(0 <= v["mean"] <= 1 and set(v) == {"mean", *NAMES} for v in iou.values())
    cars = report["objects_by_size"]["car"]
    assert cars["20 to 40"]["masks"] == 2  # 1200 pixels each
    shown = capsys.readouterr().out
    assert "pavement" in shown and "pixels, root of the area" in shown


def test_bad_stills_are_named(
    bundle: Path, camvid_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = next((camvid_root / "train" / "labels").glob("*.png"))
    cv2.imwrite(str(label), np.zeros((60, 80), np.uint8))
    for root in (camvid_root, camvid_root / "nowhere"):
        with pytest.raises(SystemExit) as stopped:
            main([str(bundle), "--root", str(root), "--split", "train"])
        assert stopped.value.code == 2
    assert label.name in capsys.readouterr().err
