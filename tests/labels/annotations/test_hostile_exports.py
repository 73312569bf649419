"""Exports that are wrong in ways no tool intends are refused in one line, in bounded memory."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.labels.annotations.formats import read_annotations
from mapt.labels.class_files import read_class_set
from tests.labels.annotations.conftest import write_cvat, write_image

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
_LAUGH = "&a_;"
YOLO = "names: [car]\ntrain: images\n"


def write_small_coco(root: Path, **changed: Any) -> Path:
    """One image with one annotation, in which `changed` replaces keys."""
    write_image(root / "0.png")
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    content = {
        "images": changed.pop("images", [{"id": 1, "file_name": "0.png"}]),
        "categories": changed.pop("categories", [{"id": 1, "name": "car"}]),
        "annotations": [annotation | changed],
    }
    path = root / "coco.json"
    path.write_text(json.dumps(content))
    return path


def write_small_yolo(root: Path, text: str, label: str = "") -> Path:
    write_image(root / "images" / "0.png")
    (root / "labels").mkdir()
    (root / "labels" / "0.txt").write_text(label, encoding="utf-8")
    (root / "data.yaml").write_text(text)
    return root / "data.yaml"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"category_id": [1]}, "category_id is \\[1\\], not a number"),
        ({"image_id": {}}, "image_id is {}, not a number"),
        ({"images": [{"id": {}, "file_name": "0.png"}]}, "an image: its id is {}"),
        ({"images": [{"id": 1, "file_name": "0.png"}] * 2}, "two images of the id 1"),
        ({"images": [{"id": n, "file_name": "0.png"} for n in (1, 2)]}, "0.png twice"),
        ({"categories": [{"id": 1, "name": n} for n in "ab"]}, "two categories of the id 1"),
        ({"categories": [{"id": 1, "name": "a\n\x1b[31m"}]}, "must be different names in one line"),
        ({"categories": [{"id": 1, "name": "a" * 1000}]}, "must be different names in one line"),
        ({"segmentation": {"size": [float("inf"), 3], "counts": [9]}}, "run lengths do not fit"),
        ({"segmentation": {"size": [2**32] * 2, "counts": [2**63 - 1, 1]}}, "run lengths do not"),
        ({"segmentation": [[10**400] * 6]}, "is no polygon"),
    ],
)
def test_coco(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_annotations(write_small_coco(tmp_path, **changed))


@pytest.mark.parametrize("side", [100_000, 2**31])
def test_a_mask_takes_no_memory_before_its_image_is_known(tmp_path: Path, side: int) -> None:
    mask = {"size": [side, side], "counts": [side * side]}
    found = read_annotations(write_small_coco(tmp_path, segmentation=mask))
    with pytest.raises(InputError, match="its mask is"):
        found.images[0].label_maps(40, 60, found.labels, tracked=False)


def test_annotations_of_an_image_that_is_not_listed_are_told(tmp_path: Path) -> None:
    found = read_annotations(write_small_coco(tmp_path, image_id="1"))
    assert [message.partition(": ")[2] for message in found.missing] == [
        "annotation 1: is of image '1', which the file does not list"
    ]


@pytest.mark.parametrize(
    ("kind", "old", "new", "reason"),
    [
        ("images", 'width="60"', 'width="²"', "width '²' is no whole number"),
        ("images", 'rle="', 'rle="²,', "run lengths do not fit"),
        ("images", 'rle="', f'rle="{"9" * 5000},', "run lengths do not fit"),
        ("video", "<height>40", "<height>²", "no original_size"),
        ("video", "<height>40", f"<height>{'9' * 5000}", "no original_size"),
        (
            "images",
            "<annotations>",
            '<!DOCTYPE a [<!ENTITY a0 "aaaaaaaaaa">'
            + "".join(
                f'<!ENTITY a{n} "{_LAUGH * 10}">'.replace("_", str(n - 1)) for n in range(1, 12)
            )
            + "]><annotations>&a11;",
            "is not XML",
        ),
        (
            "images",
            "<annotations>",
            '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotations>&a;',
            "is not XML",
        ),
    ],
)
def test_cvat(tmp_path: Path, kind: str, old: str, new: str, reason: str) -> None:
    path = write_cvat(tmp_path, kind)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=reason):
        read_annotations(path)


def test_a_huge_mask_of_cvat_takes_no_memory(tmp_path: Path) -> None:
    path = write_cvat(tmp_path, "images")
    text = path.read_text()
    path.write_text(text.replace('width="60" height="40"', 'width="999999999" height="999999999"'))
    found = read_annotations(path)
    with pytest.raises(InputError, match="its mask is"):
        found.images[0].label_maps(40, 60, found.labels, tracked=False)


def test_a_far_frame_of_a_video_is_one_message(tmp_path: Path) -> None:
    path = write_cvat(tmp_path, "video")
    path.write_text(path.read_text().replace('<mask frame="2"', '<mask frame="999999999"'))
    (message,) = read_annotations(path).missing
    assert "no image of frames 3 to 999999999," in message


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        (YOLO, "² .1 .1 .9 .1 .9 .9", "class ² is none"),
        (YOLO, "9" * 5000 + " .1 .1 .9 .1 .9 .9", "class 9+ is none"),
        (YOLO, "0 5 5 20 5 20 20", "no share of the sides"),
        ("names: [car]\ntrain: 5\n", "", "'train' is 5, no folder"),
        ("names: [car]\ntrain: [0x" + "f" * 5000 + "]\n", "", "no folder"),
        (LAUGHS + "names: [car]\ntrain: [*a39]\n", "", "no folder"),
        ("names: [car]\nx: !!int ''\n", "", "is not YAML"),
        ("names: [car]\nx: !!timestamp x\n", "", "is not YAML"),
        ("names: [car]\nx: !!bool x\n", "", "is not YAML"),
        ('names: ["a\\nb"]\ntrain: images\n', "", "different names in one line"),
    ],
)
def test_yolo(tmp_path: Path, text: str, label: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_annotations(write_small_yolo(tmp_path, text, label))


@pytest.mark.parametrize(
    ("names", "reason"), [(["a\nb"], "in one line"), ([f"c{n}" for n in range(300)], "300 classes")]
)
def test_a_class_file(tmp_path: Path, names: list[str], reason: str) -> None:
    path = tmp_path / "classes.toml"
    path.write_text(f"classes = {json.dumps(names)}\nthings = {json.dumps(names[:1])}\n")
    with pytest.raises(InputError, match=reason):
        read_class_set(str(path))


def test_masks_of_many_images_are_kept_as_run_lengths(tmp_path: Path) -> None:
    found = read_annotations(
        write_small_coco(tmp_path, segmentation={"size": [40, 60], "counts": [1200, 1200]})
    )
    region = found.images[0].regions[0]
    assert region.mask(40, 60)[:, 30:].all() and not region.mask(40, 60)[:, :30].any()
    shape = region.shape
    assert not isinstance(shape, tuple) and shape.lengths.nbytes == 2 * np.dtype(np.int64).itemsize
