"""Defines class sets: named lists of classes with colours, some of which have instances."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

OWN = "own"  # the name of a class set that no dataset has


@dataclass(frozen=True)
class ClassSet:
    """The classes of a dataset or a network.

    Attributes:
        name: the dataset's name on the command line, or "own" if no dataset has these classes.
        classes: class names by train id.
        things: train ids of the classes with instances, ascending.
        palette: the RGB colour of each class, 0 to 255.
    """

    name: str
    classes: tuple[str, ...]
    things: tuple[int, ...]
    palette: tuple[tuple[int, int, int], ...]

    @property
    def stuff(self) -> tuple[int, ...]:
        """Train ids of the classes without instances."""
        return tuple(c for c in range(len(self.classes)) if c not in self.things)


_CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

KITTI_STEP = ClassSet("kitti-step", _CITYSCAPES, (11, 13), _PALETTE)
CITYSCAPES_VPS = ClassSet("cityscapes-vps", _CITYSCAPES, tuple(range(11, 19)), _PALETTE)
MOTCHALLENGE_STEP = ClassSet(
    "motchallenge-step",
    ("sidewalk", "building", "vegetation", "sky", "person", "rider", "bicycle"),
    (4,),
    tuple(_PALETTE[c] for c in (1, 2, 8, 10, 11, 12, 18)),
)
CLASS_SETS = {s.name: s for s in (KITTI_STEP, MOTCHALLENGE_STEP, CITYSCAPES_VPS)}


def find_class_set(classes: tuple[str, ...], things: tuple[int, ...]) -> ClassSet:
    """Find or make the class set with these names and things.

    Args:
        classes: class names by train id.
        things: train ids of the classes with instances, ascending.

    Returns:
        A dataset's class set if one has both. Otherwise a new set of the name "own", with the
        colours of a dataset that has these names, or with new colours.
    """
    named = [s for s in CLASS_SETS.values() if s.classes == classes]
    same = next((s for s in named if s.things == things), None)
    if same:
        return same
    palette = named[0].palette if named else tuple(map(_colour, range(len(classes))))
    return ClassSet(OWN, classes, things, palette)


def default_names(count: int) -> tuple[str, ...] | None:
    """Return the class names of the dataset with `count` classes, or None if there is none."""
    return next((s.classes for s in CLASS_SETS.values() if len(s.classes) == count), None)


def _colour(train_id: int) -> tuple[int, int, int]:
    """Choose an RGB colour for a class, with hues of successive classes far apart."""
    red, green, blue = colorsys.hsv_to_rgb(train_id * 0.618034 % 1, 0.7, 0.8)
    return round(red * 255), round(green * 255), round(blue * 255)
