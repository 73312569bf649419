"""A network's classes as a label map."""

from __future__ import annotations

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.labels.step_png import KITTI_STEP, ClassSet


def network_labels(info: ModelInfo) -> ClassSet:
    """The network's classes, whatever dataset they are of; without colours."""
    return ClassSet("the network", info.classes, info.things, ())


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
