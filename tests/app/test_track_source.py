"""What is written of a sequence."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapt.app.outputs.kinds import Outputs
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.app.track_source import renumbered
from mapt.drawing.frames import FrameDrawing
from mapt.errors import InputError
from mapt.io.sources.frame import Frame
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import read_step
from mapt.runtime import Decision, PanopticFrame, Track


def frame_of(*ids: int) -> PanopticFrame:
    """A row of pixels, one per track."""
    instance = np.array([[0, *ids]], np.int32)
    tracks = tuple(Track(i, 13, 0.9, (0.0, 0.0, 1.0, 1.0), 0, 0) for i in ids)
    decisions = tuple(Decision("birth", i, n, 0.9, None, 0.4, 0.5) for n, i in enumerate(ids))
    return PanopticFrame(np.zeros_like(instance, np.uint8), instance, tracks, decisions, {}, 0, 0)


def test_ids_of_a_sequence_do_not_depend_on_those_before_it() -> None:
    later = renumbered(frame_of(101, 107, 70_000), 100)
    assert later.instance.tolist() == [[0, 1, 7, 69_900]] and later.instance.dtype == np.int32
    assert [t.id for t in later.tracks] == [d.track for d in later.decisions] == [1, 7, 69_900]
    assert renumbered(later, 0) is later


def test_the_step_writer_takes_65535_tracks_and_no_more(tmp_path: Path) -> None:
    sequence = OutputSequence("drive", 10.0, KITTI_STEP, {})
    outputs = Outputs(tmp_path / "step", tmp_path / "run", ("step",), sequence)
    image = np.zeros((1, 2, 3), np.uint8)
    drawing = FrameDrawing()
    outputs.write(Labelled(0, Frame("000000", 0, image), frame_of(65_535), drawing))
    assert read_step(tmp_path / "step" / "000000.png")[1].tolist() == [[0, 65_535]]
    with pytest.raises(
        InputError, match="frame 000001: track 65536 is beyond STEP's 65535; split the sequence"
    ):
        outputs.write(Labelled(1, Frame("000001", 1, image), frame_of(65_536), drawing))
    assert not (tmp_path / "step" / "000001.png").exists()


def test_tracking_never_needs_torch() -> None:
    code = (
        "import sys, mapt.app.track_source; print({'torch', 'scipy', 'pycocotools', 'av', 'mcap',"
        " 'pyarrow', 'pandas', 'tkinter', 'supervision'} & set(sys.modules))"
    )
    on_progress = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert on_progress.stdout.strip() == "set()"
