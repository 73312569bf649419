"""Ground truth and predictions on disk."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from mapt.labels.step_png import write_step
from tests.metrics.drawing import draw

GT = {"0000": ["AArr..", "AArr..", "rAArss"], "0001": ["BBssrr", "BBsscc"]}
PRED = {"0000": ["AArrrr", "AArrss", "rBBrss"], "0001": ["DDssrr", "DDssDD"]}


def write_folder(root: Path, sequences: dict[str, list[str]]) -> Path:
    """`<root>/<sequence>/<frame:06d>.png` of drawn frames."""
    for name, frames in sequences.items():
        for number, pixels in enumerate(frames):
            (root / name).mkdir(parents=True, exist_ok=True)
            write_step(root / name / f"{number:06d}.png", *draw(pixels))
    return root


@pytest.fixture
def gt(tmp_path: Path) -> Path:
    """Two sequences, of three and of two frames."""
    return write_folder(tmp_path / "gt", GT)


@pytest.fixture
def pred(tmp_path: Path) -> Path:
    """Predictions for every frame of `gt`."""
    return write_folder(tmp_path / "pred", PRED)


@pytest.fixture
def mots(tmp_path: Path) -> Path:
    """KITTI-MOTS text of frames 0 and 2, 1x6: car 1003 in pixels 0-1, an ignored region in 4-5."""
    lines = []
    for frame in (0, 2):
        for identity, label, pixels in ((1003, 1, (0, 1)), (10000, 10, (4, 5))):
            mask = np.zeros((1, 6), np.uint8, order="F")
            mask[0, list(pixels)] = 1
            lines.append(f"{frame} {identity} {label} 1 6 {coco.encode(mask)['counts'].decode()}")
    (tmp_path / "mots").mkdir()
    (tmp_path / "mots" / "0000.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "mots"
