"""Defines class sets: named lists of classes with colours, some of which have instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapt.drawing.colours import class_colours
from mapt.errors import InputError, shown

MAX_CLASSES = 254  # label maps tell them and void apart
LONGEST_NAME = 100  # characters
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

_MOTCHALLENGE = ("sidewalk", "building", "vegetation", "sky", "person", "rider", "bicycle")

KITTI_STEP = ClassSet("kitti-step", _CITYSCAPES, (11, 13), class_colours(_CITYSCAPES))
CITYSCAPES_VPS = ClassSet(
    "cityscapes-vps", _CITYSCAPES, tuple(range(11, 19)), class_colours(_CITYSCAPES)
)
MOTCHALLENGE_STEP = ClassSet("motchallenge-step", _MOTCHALLENGE, (4,), class_colours(_MOTCHALLENGE))
CLASS_SETS = {s.name: s for s in (KITTI_STEP, MOTCHALLENGE_STEP, CITYSCAPES_VPS)}


def find_class_set(classes: tuple[str, ...], things: tuple[int, ...]) -> ClassSet:
    """Find or make the class set with these names and things.

    Args:
        classes: class names by train id.
        things: train ids of the classes with instances, ascending.

    Returns:
        A dataset's class set if one has both. Otherwise a new set of the name "own".
    """
    for known in CLASS_SETS.values():
        if (known.classes, known.things) == (classes, things):
            return known
    return ClassSet(OWN, classes, things, class_colours(classes))


def check_class_names(names: Sequence[str], where: str) -> None:
    """Refuse names that outputs cannot tell apart or would not hold in a line.

    Args:
        names: of classes.
        where: names their file in messages.

    Raises:
        InputError: one is empty, too long, twice, or has a control character; or there are too
            many.
    """
    if len(names) > MAX_CLASSES:
        raise InputError(f"{where}: has {len(names)} classes, {MAX_CLASSES} at most can be told")
    good = [name for name in names if 0 < len(name) <= LONGEST_NAME and name.isprintable()]
    if len(set(good)) != len(names):
        raise InputError(
            f"{where}: its classes {shown(list(names), 200)} must be different names in one line;"
            " rename them"
        )


def default_names(count: int) -> tuple[str, ...] | None:
    """Return the class names of the dataset with `count` classes, or None if there is none."""
    return next((s.classes for s in CLASS_SETS.values() if len(s.classes) == count), None)
