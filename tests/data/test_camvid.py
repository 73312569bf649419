from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.data.datasets.camvid import instances_from_components, open_camvid, read_camvid
from mapt.data.static_images import ego_motions
from mapt.errors import InputError


def test_doubtful_components_are_crowds(camvid_root: Path) -> None:
    semantic = np.zeros((120, 160), np.uint8)
    semantic[60:80, 20:48] = 13  # a car
    semantic[55:75, 100:120] = semantic[62:80, 120:158] = 13  # two cars that touch
    semantic[50:85, 60:72] = 11  # a person
    semantic[50:80, 75:98] = 11  # people side by side: too wide
    semantic[5:8, 5:8] = 13  # too small
    ids = instances_from_components(semantic)
    assert len(np.unique(ids)) == 3  # nothing, the car, the person
    assert ids[70, 30] > 0 and ids[60, 65] > 0
    assert ids[70, 110] == 0 and ids[60, 80] == 0 and ids[6, 6] == 0
    assert ids[70, 30] != ids[60, 65]


def test_divided_crowds_are_read_in_place_of_components(camvid_root: Path) -> None:
    label = camvid_root / "train" / "labels" / "000.png"
    semantic, components = read_camvid(label)
    ids = np.where(semantic == 13, np.arange(160) // 4 + 300, 0)  # ids of 16 bits
    folder = camvid_root / "train" / "instances"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "000.png"), ids.astype(np.uint16))
    np.testing.assert_array_equal(read_camvid(label)[1], ids)
    assert not np.array_equal(ids, components)
    other = camvid_root / "train" / "labels" / "001.png"  # has no file: components
    np.testing.assert_array_equal(
        read_camvid(other)[1], instances_from_components(read_camvid(other)[0])
    )
    assert cv2.imwrite(str(folder / "000.png"), ids[1:].astype(np.uint16))
    with pytest.raises(InputError, match=r"000\.png: is \(119, 160\)"):
        read_camvid(label)


def test_a_still_moves_and_labels_move_with_it(camvid_root: Path) -> None:
    source = open_camvid(camvid_root)
    assert len(source) == 3
    moved = 0
    for seed in range(8):
        triplet = source.read(seed % 3, np.random.default_rng(seed))
        assert [i.shape for i in triplet.images] == [(120, 160, 3)] * 3
        for semantic, instance in zip(triplet.semantic, triplet.instance, strict=True):
            assert set(np.unique(semantic)) <= {0, 10, 11, 13, 255}
            assert np.isin(semantic[instance > 0], (11, 13)).all()
        before, now = triplet.instance
        assert set(np.unique(before)) == set(np.unique(now)) == {0, 1, 2}
        moved += not np.array_equal(before, now)
    assert moved >= 5


def test_the_image_follows_the_same_map_as_its_label(camvid_root: Path) -> None:
    """Paint each car's pixels white: after the warp the white area is the car's label."""
    label = cv2.imread(str(camvid_root / "train" / "labels" / "000.png"), cv2.IMREAD_UNCHANGED)
    assert label is not None
    image = np.zeros((120, 160, 3), np.uint8)
    image[label == 8] = 255
    assert cv2.imwrite(str(camvid_root / "train" / "images" / "000.png"), image)
    (camvid_root / "train" / "images" / "000.jpg").unlink()
    source = open_camvid(camvid_root)
    for seed in range(5):
        triplet = source.read(0, np.random.default_rng(seed))
        for frame, semantic in zip(triplet.images[1:], triplet.semantic, strict=True):
            differ = (frame[..., 0] > 127) != (semantic == 13)
            assert differ.mean() < 0.01


def test_motions_continue() -> None:
    """The content moves about the same way from frame to frame.

    The third step repeats the second.
    """
    centre = np.array([80.0, 60.0, 1.0])
    for seed in range(20):
        a, b, c = (m @ centre for m in ego_motions(np.random.default_rng(seed), 120, 160))
        assert np.abs((c - b) - (b - a)).max() < 6


def test_a_still_without_image_or_label_is_named(camvid_root: Path, tmp_path: Path) -> None:
    (camvid_root / "train" / "images" / "001.jpg").unlink()
    with pytest.raises(InputError, match=r"001\.png: this label has no image"):
        open_camvid(camvid_root)
    with pytest.raises(InputError, match="no labels"):
        open_camvid(tmp_path / "nothing")


def test_an_rgb_label_is_refused(camvid_root: Path) -> None:
    assert cv2.imwrite(
        str(camvid_root / "train" / "labels" / "002.png"), np.zeros((120, 160, 3), np.uint8)
    )
    with pytest.raises(InputError, match=r"002\.png: is not a grey PNG of 8 bits"):
        open_camvid(camvid_root).read(2, np.random.default_rng(0))


def test_an_unknown_label_value_is_refused(camvid_root: Path) -> None:
    assert cv2.imwrite(
        str(camvid_root / "train" / "labels" / "002.png"), np.full((120, 160), 77, np.uint8)
    )
    with pytest.raises(InputError, match=r"002\.png.*77"):
        open_camvid(camvid_root).read(2, np.random.default_rng(0))
