"""Every reader on its dataset's layout: the same drawn scene comes out of each."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.data.datasets.cityscapes import open_cityscapes
from mapt.data.datasets.classes import translation
from mapt.data.datasets.kitti_mots import IGNORED, open_kitti_mots
from mapt.data.datasets.kitti_step import open_step
from mapt.data.targets import frame_targets
from mapt.data.tools.check import check_dataset
from mapt.data.tools.statistics import dataset_statistics
from mapt.data.triplet import Triplet
from mapt.errors import InputError
from mapt.labels.class_sets import CITYSCAPES_VPS, KITTI_STEP, MOTCHALLENGE_STEP, ClassSet
from tests.data.layouts import (
    write_cityscapes,
    write_kitti_mots,
    write_motchallenge,
    write_step_dataset,
)


def lefts(triplet: Triplet, identity: int) -> list[int]:
    """The object's first column in both labels."""
    return [int(np.nonzero(ids == identity)[1].min()) for ids in triplet.instance]


def test_deeplab2s_layout_reads_like_kittis(tmp_path: Path) -> None:
    root = write_step_dataset(tmp_path / "step", sequences=2, frames=3)
    before = open_step(root, "train", (1,)).read(1, np.random.default_rng(0))
    (root / "images").mkdir()
    (root / "training" / "image_02").rename(root / "images" / "train")
    after = open_step(root, "train", (1,)).read(1, np.random.default_rng(0))
    assert "images/train" in after.name
    assert all(np.array_equal(a, b) for a, b in zip(before.images, after.images, strict=True))


@pytest.mark.parametrize("inner", ["", "img1"])
def test_datasets_are_checked_and_measured_where_they_are_read(tmp_path: Path, inner: str) -> None:
    root = write_step_dataset(tmp_path / "step", sequences=1, frames=3)
    before = dataset_statistics(root)
    folder = root / "images" / "train" / "0000" / inner
    folder.parent.mkdir(parents=True)
    (root / "training" / "image_02" / "0000").rename(folder)
    assert dataset_statistics(root) == before and before["car"]["masks"] == 6
    good = check_dataset(root, "kitti-step")
    assert not good.to_json()["problems"] and not good.to_json()["notes"]
    path = folder / "000001.png"
    path.write_bytes(path.read_bytes()[:-40])
    [damaged] = check_dataset(root, "kitti-step").problems["unreadable"]
    assert damaged.startswith(str(path))


def test_motchallenge_has_its_own_classes(tmp_path: Path) -> None:
    source = open_step(write_motchallenge(tmp_path), "train", (2,), MOTCHALLENGE_STEP)
    assert len(source) == 4
    triplet = source.read(3, np.random.default_rng(0))  # frames 1, 3, 5
    assert set(np.unique(triplet.semantic[1])) == {0, 3, 4}
    assert lefts(triplet, 300) == [40 + 12 * 3, 40 + 12 * 5]
    targets = frame_targets(triplet.semantic[1], triplet.instance[1], (4,))
    assert targets.labels.tolist() == [4, 4]


def test_cityscapes_groups_are_crowds_and_other_labels_void(tmp_path: Path) -> None:
    source = open_cityscapes(write_cityscapes(tmp_path))
    assert len(source) == 2
    triplet = source.read(0, np.random.default_rng(3))
    semantic = triplet.semantic[1]
    instance = triplet.instance[1]
    assert set(np.unique(semantic)) == {0, 10, 11, 13, 14, 255}
    assert set(np.unique(instance[semantic == 13])) == {1, 2} and set(
        np.unique(instance[semantic == 11])
    ) == {0}
    targets = frame_targets(semantic, instance, (11, 13))
    assert targets.labels.tolist() == [13, 13] and len(targets.ignore_boxes) == 1


@pytest.mark.parametrize("text", [False, True])
def test_kitti_mots_labels_things_alone(tmp_path: Path, text: bool) -> None:
    root = write_kitti_mots(tmp_path, text)
    source = open_kitti_mots(root, "train", (1,))
    assert len(source) == 3 and len(open_kitti_mots(root, "val", (1,))) == 3
    assert len(open_kitti_mots(root, "all", (1,))) == 6
    triplet = source.read(2, np.random.default_rng(0))
    semantic = triplet.semantic[1]
    instance = triplet.instance[1]
    assert set(np.unique(semantic)) == {13, 255}
    assert set(np.unique(instance)) == {IGNORED, 0, 8, 301}
    assert lefts(triplet, 301) == [40 + 12 * 2, 40 + 12 * 3]
    targets = frame_targets(semantic, instance, (11, 13))
    assert targets.labels.tolist() == [13, 13] and targets.ignore_boxes.tolist() == [
        [280, 45, 300, 70]
    ]


def test_classes_are_matched_by_name() -> None:
    to_mots = translation(CITYSCAPES_VPS, MOTCHALLENGE_STEP.classes)
    assert [int(to_mots[c]) for c in (1, 2, 8, 10, 11, 12, 18, 0, 13, 255)] == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        255,
        255,
        255,
    ]
    same = translation(KITTI_STEP, CITYSCAPES_VPS.classes)
    assert np.array_equal(same[:19], np.arange(19)) and (same[19:] == 255).all()
    with pytest.raises(InputError, match="none of its classes"):
        translation(ClassSet("indoor", ("chair",), (0,), ((0, 0, 0),)), CITYSCAPES_VPS.classes)


def test_published_labels_of_another_kind_are_named(tmp_path: Path) -> None:
    city = write_cityscapes(tmp_path / "city")
    mots = write_kitti_mots(tmp_path / "mots", text=False)
    label = min((city / "gtFine").rglob("*.png"))
    assert cv2.imwrite(str(label), np.full((96, 320), 34, np.uint16))
    with pytest.raises(InputError, match=r"aachen_000000.*label id 34"):
        open_cityscapes(city).read(0, np.random.default_rng(0))
    assert cv2.imwrite(str(label), np.zeros((96, 320), np.uint8))
    with pytest.raises(InputError, match="not a grey PNG of 16 bits"):
        open_cityscapes(city).read(0, np.random.default_rng(0))
    assert cv2.imwrite(
        str(mots / "instances" / "0001" / "000001.png"), np.full((96, 320), 3001, np.uint16)
    )
    with pytest.raises(InputError, match=r"000001\.png: has id 3001"):
        open_kitti_mots(mots, "train", (1,)).read(0, np.random.default_rng(0))


def test_empty_trees_name_what_they_lack(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gtFine/train: no <city>"):
        open_cityscapes(tmp_path)
    with pytest.raises(InputError, match=r"image_02: no such folder"):
        open_kitti_mots(tmp_path, "train", (1,))
    (tmp_path / "training" / "image_02").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no instances/<seq>/<frame>\.png"):
        open_kitti_mots(tmp_path, "train", (1,))
