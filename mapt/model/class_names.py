"""A network's classes as a label map."""

from __future__ import annotations

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP, ClassSet, find_class_set


def network_labels(info: ModelInfo) -> ClassSet:
    """The network's classes, whatever dataset they are of."""
    return find_class_set(info.classes, info.things)


def check_streets(info: ModelInfo, option: str) -> None:
    """Before a network is scored on synthetic streets: are its classes theirs?

    Args:
        info: of the network.
        option: that takes other frames.

    Raises:
        InputError: the network has other classes.
    """
    if info.classes != KITTI_STEP.classes:
        raise InputError(
            f"{option}: the network has {len(info.classes)} classes, synthetic streets have"
            f" Cityscapes' {len(KITTI_STEP.classes)}; give data of its classes"
        )
