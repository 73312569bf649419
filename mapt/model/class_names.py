"""Finds the class set of a network."""

from __future__ import annotations

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP, ClassSet, find_class_set


def network_labels(info: ModelInfo) -> ClassSet:
    """Return the network's class set."""
    return find_class_set(info.classes, info.things)


def check_streets(info: ModelInfo, option: str) -> None:
    """Check that a network has the classes of synthetic streets, before it is scored on them.

    Args:
        info: describes the network.
        option: the option that takes other frames, for the message.

    Raises:
        InputError: the network has other classes.
    """
    if info.classes != KITTI_STEP.classes:
        raise InputError(
            f"{option}: the network has {len(info.classes)} classes, synthetic streets have"
            f" Cityscapes' {len(KITTI_STEP.classes)}; give data of its classes"
        )
