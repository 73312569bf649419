import numpy as np

from mapt.drawing.colours import class_colours
from mapt.drawing.legend import put_legend, seen_classes
from mapt.labels.class_sets import KITTI_STEP
from tests.drawing.scenes import frame_with, gray


def shown(size: tuple[int, int], train_ids: set[int]) -> set[int]:
    """The classes whose colour is in the legend."""
    image = gray(size)
    put_legend(image, train_ids, KITTI_STEP.classes)
    colours = class_colours(KITTI_STEP.classes)
    lower = image[-size[0] // 5 :]
    return {i for i in range(19) if (lower == colours[i]).all(2).sum() > 20}


def test_the_legend_shows_the_colours_of_its_classes_in_every_size() -> None:
    for size in ((360, 640), (375, 1242), (1080, 1920)):
        assert shown(size, {0, 8, 10}) == {0, 8, 10}
        assert shown(size, set(range(19))) == set(range(19))
    assert shown((360, 640), set()) == set() and shown((360, 640), {30}) == set()


def test_the_legend_leaves_most_of_the_picture_free() -> None:
    image = gray((360, 640))
    put_legend(image, range(19), KITTI_STEP.classes)
    assert (image[: int(360 * 0.8)] == 100).all()


def test_objects_and_specks_are_no_part_of_it() -> None:
    frame = frame_with({1: (100, 100, 300, 250)})
    frame.semantic[:3, :3] = 10
    assert seen_classes(frame.semantic, frame.instance) == {0}
    frame.semantic[-36:, :24] = 18  # 0.4 % of the picture
    assert seen_classes(frame.semantic, frame.instance) == {0}
    assert seen_classes(frame.semantic, np.zeros_like(frame.instance)) == {0, 13}
