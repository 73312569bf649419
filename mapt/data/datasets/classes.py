"""Matches a dataset's classes with a network's by their names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID


def translation(source: ClassSet, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Build the table from a dataset's classes to a network's.

    Classes that the network does not have become void.

    Args:
        source: the dataset's classes.
        classes: the network's class names by train id.

    Returns:
        The network's class (256,) uint8 of each class of the dataset.

    Raises:
        InputError: they share no class.
    """
    table = np.full(256, VOID, np.uint8)
    for own, name in enumerate(source.classes):
        if name in classes:
            table[own] = classes.index(name)
    if (table == VOID).all():
        raise InputError(
            f"{source.name}: none of its classes is one of the network's {len(classes)}; check"
            " model.classes"
        )
    return table
