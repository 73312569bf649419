"""Exports of labelling tools become a folder that everything here reads."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import find_datasets
from mapt.data.tools.convert_annotations import annotations_to_step
from mapt.errors import InputError
from mapt.labels.class_files import read_class_set
from mapt.labels.step_png import read_step
from tests.conftest import Ran
from tests.labels.annotations.conftest import write_coco, write_cvat, write_image, write_yolo

Mapt = Callable[..., Ran]


def test_a_video_keeps_its_tracks(mapt: Mapt, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = mapt("data", "convert", write_cvat(tmp_path / "cvat", "video"), out)
    assert ran.code == 0 and ran.out.strip() == f"{out}: 3 images"
    assert read_class_set(str(out / "classes.toml")).classes == ("background", "pallet", "forklift")
    labels = [read_step(out / f"panoptic_maps/train/images/{n:06d}.png") for n in range(3)]
    assert [set(np.unique(i)) for _, i in labels] == [{0, 1}, {0, 1, 2}, {0, 2}]
    assert len(list((out / "training" / "image_02" / "images").glob("*.png"))) == 3


def test_what_was_converted_is_checked_trained_and_scored(mapt: Mapt, tmp_path: Path) -> None:
    out = tmp_path / "out"
    annotations_to_step(write_cvat(tmp_path / "cvat", "video"), out)
    classes = out / "classes.toml"
    assert mapt("data", "check", out, "--dataset", classes).code == 0
    scores = tmp_path / "scores.json"
    maps = out / "panoptic_maps" / "train"
    ran = mapt("eval", out, maps, "--dataset", classes, "--json", scores)
    assert ran.code == 0, ran.err
    found = json.loads(scores.read_text())
    assert set(found["classes"]) == {"background", "pallet", "forklift"}
    assert found["dataset"]["PAT"] == found["classes"]["forklift"]["HOTA"] == 1
    step = next(dataset for dataset in find_datasets() if dataset.name == "step")
    source = step.open(out, "train", (1,), BadFiles())
    assert source.labels.classes == ("background", "pallet", "forklift") and len(source) == 2


def test_stills_without_numbers_are_counted(tmp_path: Path) -> None:
    assert annotations_to_step(write_yolo(tmp_path / "yolo"), tmp_path / "out", "train") == 2
    names = sorted(p.name for p in (tmp_path / "out").rglob("*.*") if p.is_file())
    assert names == [
        "000000.jpg",
        "000000.png",
        "000001.jpg",
        "000001.png",
        "classes.toml",
    ]


def test_nothing_is_left_of_a_conversion_that_fails(mapt: Mapt, tmp_path: Path) -> None:
    export = write_coco(tmp_path / "coco")  # one region has no track
    out = tmp_path / "out"
    ran = mapt("data", "convert", export, out)
    assert ran.code == 2 and "export tracks for all objects or for none" in ran.err
    assert not out.exists()
    (tmp_path / "coco" / "images" / "default" / "frame_000002.png").unlink()
    with pytest.raises(InputError, match=r"frame_000002\.png: is missing"):
        annotations_to_step(export, out)
    out.mkdir()
    with pytest.raises(InputError, match=r"out: is already there"):
        annotations_to_step(export, out)


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    export = write_cvat(tmp_path, "images")
    text = export.read_text().replace('name="aisle/b.png"', 'name="second/aisle/b.png"')
    export.write_text(text)
    write_image(tmp_path / "images" / "second" / "aisle" / "b.png")
    with pytest.raises(InputError, match=r"aisle: has the name of .*aisle; rename"):
        annotations_to_step(export, tmp_path / "out")
