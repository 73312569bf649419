"""A class set is named by a dataset, a TOML file or an export."""

from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.labels.class_files import read_class_set
from mapt.labels.class_sets import CITYSCAPES_VPS

GOOD = 'classes = ["floor", "pallet", "forklift"]\nthings = ["forklift", "pallet"]\n'


def test_names_files_and_exports(tmp_path: Path, coco_file: Path) -> None:
    assert read_class_set("cityscapes-vps") is CITYSCAPES_VPS
    toml = tmp_path / "classes.toml"
    toml.write_text(GOOD)
    found = read_class_set(str(toml))
    assert found.classes == ("floor", "pallet", "forklift") and found.things == (1, 2)
    exported = ("background", "forklift", "pallet", "floor")
    assert read_class_set(str(coco_file)).classes == exported
    assert read_class_set(str(coco_file.parents[1])).classes == exported


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("things", "thing"), "unknown key 'thing'"),
        (GOOD.replace('"floor", ', '"pallet", '), "its classes .* must be different names"),
        (GOOD.replace('["forklift"', '["crane"'), "'crane' is a thing but no class"),
        ('classes = ["floor"]', "needs two lists of names"),
        ('classes = "floor"\nthings = [1]', "needs two lists of names"),
        ("classes = [", "is not valid TOML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"classes\.toml: {message}"):
        read_class_set(str(path))


def test_other_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"class set kitti: give kitti-step, .*TOML"):
        read_class_set("kitti")
