"""A labelled frame, and what outputs of it are called with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.drawing.frames import FrameDrawing
from mapt.io.sources.frame import Frame
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import PanopticFrame, Track


@pytest.fixture
def frame() -> PanopticFrame:
    """A car with a hole, a person in two parts, a hidden car, a lost car."""
    instance = np.zeros((40, 60), np.int32)
    instance[5:15, 10:30] = 3
    instance[20:35, 40:45] = 70
    instance[20:22, 50:52] = 70
    instance[7, 12] = 0
    tracks = (
        Track(3, 13, 0.9, (10.0, 5.0, 30.0, 15.0), 4, 0, "car"),
        Track(70, 11, 0.5, (40.0, 20.0, 52.0, 35.0), 0, 0, "person"),
        Track(80, 13, 0.5, (1.0, 2.0, 3.0, 4.0), 9, 0, "car"),
        Track(1, 13, 0.8, (0.0, 0.0, 9.0, 9.0), 7, 2, "car"),
    )
    semantic = np.zeros((40, 60), np.uint8)
    stamp = 1_500_000_000
    return PanopticFrame(
        semantic, instance, tracks, (), {"frame": 2.0}, stamp, 0, classes=KITTI_STEP.classes
    )


@pytest.fixture
def sequence() -> OutputSequence:
    return OutputSequence("drive", 10.0, KITTI_STEP, {"backbone": "cpu"})


@pytest.fixture
def labelled(frame: PanopticFrame) -> Callable[[int], Labelled]:
    """Gives the frame as number `index` of the sequence."""

    def make(index: int) -> Labelled:
        image = np.full((40, 60, 3), 90, np.uint8)
        stem = f"{index + 100:06d}"
        return Labelled(index, Frame(stem, frame.stamp_ns, image), frame, FrameDrawing())

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where outputs are written."""
    made = tmp_path / "run"
    made.mkdir()
    return made
