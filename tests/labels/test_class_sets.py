"""Class sets go by name: nothing is guessed from a number of classes."""

import pytest

from mapt.config import preset
from mapt.errors import InputError
from mapt.labels.class_sets import (
    CITYSCAPES_VPS,
    KITTI_STEP,
    MOTCHALLENGE_STEP,
    ClassSet,
    find_class_set,
)


def test_a_dataset_is_found_by_names_and_things() -> None:
    for known in (KITTI_STEP, CITYSCAPES_VPS, MOTCHALLENGE_STEP):
        assert find_class_set(known.classes, known.things) is known


def test_other_things_keep_the_colours_of_the_names() -> None:
    found = find_class_set(KITTI_STEP.classes, (13,))
    assert found.name == "own" and found.things == (13,)
    assert found.palette == KITTI_STEP.palette and 11 in found.stuff


def test_names_of_no_dataset_get_colours_of_their_own() -> None:
    found = find_class_set(("floor", "pallet", "forklift"), (2,))
    assert found.classes == ("floor", "pallet", "forklift")
    assert len(set(found.palette)) == 3


@pytest.mark.parametrize("dataset", [KITTI_STEP, MOTCHALLENGE_STEP])
def test_configurations_without_names_get_their_dataset_s(dataset: ClassSet) -> None:
    things = list(dataset.things)
    config = preset("nano", classes=len(dataset.classes), things=things)
    assert config.class_names == dataset.classes and config.class_set is dataset


def test_a_number_without_names_is_refused() -> None:
    with pytest.raises(InputError, match=r"classes = 4: no dataset has so many.*class_names"):
        preset("nano", classes=4, things=[3])


def test_own_names_are_kept() -> None:
    names = ["floor", "pallet", "forklift"]
    config = preset("nano", classes=3, class_names=names, things=[2])
    assert config.class_set.classes == tuple(names) and config.class_set.name == "own"


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "b"], ["a", "", "c"]])
def test_names_that_do_not_fit_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="3 different names"):
        preset("nano", classes=3, class_names=names, things=[2])
