"""Exports of labelling tools become classes and label maps."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.labels.annotations.formats import find_export, read_annotated_classes, read_annotations
from mapt.labels.annotations.regions import Annotations
from mapt.labels.step_png import Instance, Semantic
from tests.labels.annotations.conftest import SIZE, write_coco, write_cvat, write_yolo


def maps(found: Annotations, image: int, tracked: bool = False) -> tuple[Semantic, Instance]:
    return found.images[image].label_maps(*SIZE, found.labels, tracked)


def test_coco_polygons_run_lengths_stuff_and_crowds(coco_file: Path) -> None:
    found = read_annotations(coco_file)
    assert found.labels.classes == ("background", "forklift", "pallet", "floor")  # by category id
    assert found.labels.things == (1, 2)
    semantic, instance = maps(found, 0, tracked=False)
    assert np.bincount(semantic.ravel()).tolist() == [2400 - 740, 140, 0, 600]
    assert (semantic[10:20, 10:20] == 1).all() and (semantic[10:20, 30:34] == 1).all()
    assert set(np.unique(instance[semantic == 1])) == {2}  # both parts are one object
    assert not instance[semantic == 3].any()
    semantic, instance = maps(found, 1)
    assert (semantic[:10, 12:14] == 1).all() and (semantic == 1).sum() == 20
    crowd = semantic == 2
    assert crowd.sum() == 80 and crowd[:, :2].all() and not instance[crowd].any()
    assert not maps(found, 2)[0].any()  # no annotation: background


def test_coco_tracks_are_ids(coco_file: Path) -> None:
    found = read_annotations(coco_file)
    assert found.tracked
    content = json.loads(coco_file.read_text())
    content["annotations"] = [content["annotations"][i] for i in (1, 2)]
    coco_file.write_text(json.dumps(content))
    found = read_annotations(coco_file)
    ids = [maps(found, n, tracked=True)[1].max() for n in (0, 1)]
    assert ids == [1, 1]  # CVAT's track 0
    assert [image.number for image in found.images] == [0, 1, 2]


def test_compressed_coco_run_lengths(coco_file: Path) -> None:
    from mapt.labels.rle import encode_mask

    mask = np.zeros(SIZE, np.bool_)
    mask[3:7, 5:9] = True
    content = json.loads(coco_file.read_text())
    content["annotations"][2]["segmentation"]["counts"] = encode_mask(mask).decode()
    coco_file.write_text(json.dumps(content))
    semantic, _ = maps(read_annotations(coco_file), 1)
    assert ((semantic == 1) == mask).all()


def test_cvat_images_in_their_z_order(tmp_path: Path) -> None:
    found = read_annotations(write_cvat(tmp_path, "images"))
    assert found.labels.classes == ("background", "pallet", "forklift")
    semantic, instance = maps(found, 0)
    # The mask's runs are .## / .### over 4 columns; the polygon lies over it.
    assert (semantic[10:20, 10:20] == 2).all() and (semantic == 1).sum() == 0
    assert len(set(np.unique(instance))) == 2
    assert not maps(found, 1)[0].any() and not found.tracked


def test_cvat_masks_run_row_by_row(tmp_path: Path) -> None:
    path = write_cvat(tmp_path, "images")
    path.write_text(path.read_text().replace('top="18"', 'top="30"'))
    semantic, _ = maps(read_annotations(path), 0)
    assert semantic[30:32, 14:18].tolist() == [[0, 1, 1, 0], [0, 1, 1, 1]]


def test_cvat_video_has_tracks(tmp_path: Path) -> None:
    found = read_annotations(write_cvat(tmp_path, "video"))
    assert found.tracked and len(found.images) == 3
    objects = [
        {
            (int(c), int(i))
            for c, i in zip(*(m.ravel() for m in maps(found, n, tracked=True)), strict=True)
            if i
        }
        for n in range(3)
    ]
    assert objects == [{(2, 1)}, {(2, 1), (1, 2)}, {(1, 2)}]  # outside in frame 2
    shifted = [np.flatnonzero(maps(found, n)[0].max(0) == 2)[0] for n in (0, 1)]
    assert shifted == [10, 12]


def test_yolo_polygons_are_fractions(yolo_file: Path) -> None:
    found = read_annotations(yolo_file)
    assert found.labels.classes == ("background", "pallet", "forklift")
    semantic, instance = maps(found, 0)
    assert (semantic[10:20, 10:20] == 2).all() and (semantic == 2).sum() == 100
    assert (semantic[:20, 30:36] == 1).all() and (semantic == 1).sum() == 120
    assert set(np.unique(instance)) == {0, 1, 2}
    assert not maps(found, 1)[0].any()
    assert not found.tracked


def test_yolo_names_by_number(yolo_file: Path) -> None:
    yolo_file.write_text("train: train/images\nnames:\n  1: forklift\n  0: pallet\n")
    assert read_annotations(yolo_file).labels.classes == ("background", "pallet", "forklift")
    yolo_file.write_text("train: [train]\nnames: [background, forklift]\n")
    found = read_annotations(yolo_file.parent)
    assert found.labels.classes == ("background", "forklift") and found.labels.things == (1,)


@pytest.mark.parametrize("write", [write_coco, write_yolo, lambda p: write_cvat(p, "video")])
def test_classes_need_no_images(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    for folder in ("images", "train"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    assert {"pallet", "forklift"} < set(read_annotated_classes(path).classes)


def test_images_that_are_missing_are_named(tmp_path: Path) -> None:
    coco = write_coco(tmp_path / "coco")
    (tmp_path / "coco" / "images" / "default" / "frame_000001.png").unlink()
    found = read_annotations(coco)
    assert len(found.images) == 2
    assert found.missing == (
        f"{tmp_path}/coco/frame_000001.png: is missing, {coco} labels it; copy it",
    )
    video = write_cvat(tmp_path / "video", "video")
    (tmp_path / "video" / "images" / "frame_000001.PNG").unlink()
    assert "no image of frame 1" in read_annotations(video).missing[0]


def test_a_folder_that_holds_one_export_stands_for_it(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    assert find_export(tmp_path) == path
    other = shutil.copy(path, path.with_name("instances_train.json"))
    assert find_export(tmp_path) == Path(other)
    with pytest.raises(InputError, match=r"instances_default.json, instances_train.json, not one"):
        find_export(tmp_path, "val")
    with pytest.raises(InputError, match=r"nowhere: no such file; export; give COCO"):
        find_export(tmp_path / "nowhere")


MISTAKES = [
    ("coco", '"segmentation": {"size"', '"mask": {"size"', "annotation 3: has no mask"),
    ("coco", "[480, 10, 30, 10, 1870]", "[480, 10]", "annotation 3: its run lengths do not fit"),
    ("coco", "[480, 10, 30, 10, 1870]", '"0"', "annotation 3: its run lengths do not fit"),
    ("coco", "[[0, 30, 60, 30, 60, 40, 0, 40]]", "[[0, 30, 60, 30]]", "is no polygon of at least"),
    ("coco", "[[0, 30, 60,", "[[0, 1e300, 60,", "annotation 1: has a point far outside"),
    ("coco", "[[0, 30, 60,", "[[0, NaN, 60,", "annotation 1: has a point far outside"),
    ("coco", '"category_id": 7', '"category_id": 9', "has no category of the file"),
    ("coco", '"track_id": 0', '"track_id": "a"', "track_id 'a' is no whole number"),
    ("coco", '"name": "floor"', '"name": "pallet"', "must be different"),
    ("coco", '"images"', '"pictures"', "has no list 'images'"),
    ("coco", '{\n "licenses"', "\n ", "is not JSON"),
    ("images", "<polygon", "<box", "image aisle/a.png: has a box; label polygons or masks"),
    ("images", 'rle="1, 2, 2, 3"', 'rle="1, 2"', "run lengths do not fit"),
    ("images", 'left="14"', 'left="58"', "run lengths do not fit"),
    ("images", 'left="14"', 'left="-1"', "left '-1' is no whole number"),
    ("images", 'label="forklift"', 'label="crane"', "label crane is none of its meta's"),
    ("images", "<annotations>", "<a>", "is not XML"),
    ("video", "original_size", "size", "its meta has no original_size"),
    ("yolo", "names", "labels", "has no list of class names"),
    ("yolo", "train: ../train", "train: ../train/nowhere", "is no folder; correct the path"),
    ("yolo", "train:", "training:", "its 'train' names no folder with images"),
    ("yolo", "nc: 2", "nc: [", "is not YAML"),
]


@pytest.mark.parametrize(("kind", "old", "new", "message"), MISTAKES)
def test_mistakes_are_named(tmp_path: Path, kind: str, old: str, new: str, message: str) -> None:
    writers: dict[str, Callable[[Path], Path]] = {"coco": write_coco, "yolo": write_yolo}
    path = writers[kind](tmp_path) if kind in writers else write_cvat(tmp_path, kind)
    text = path.read_text()
    changed = text.replace(old, new).replace("</box>", "</polygon>")
    if new == "<box":
        changed = changed.replace("</polygon>", "</box>")
    assert changed != text
    path.write_text(changed)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5 0.2 0.2", r"a\.txt:1: is a box"),
        ("4 0 0 1 0 1 1", r"a\.txt:1: class 4 is none of data\.yaml's"),
        ("1 0 0 1 0 1 x", r"a\.txt:1: is no polygon"),
        ("1 0 0 1 0 1 nan", r"a\.txt:1: has a point far outside"),
    ],
)
def test_bad_yolo_lines_are_named(yolo_file: Path, line: str, message: str) -> None:
    (yolo_file.parent / "train" / "labels" / "a.txt").write_text(line)
    with pytest.raises(InputError, match=message):
        read_annotations(yolo_file)
