"""Ground truth and predictions on disk."""

from pathlib import Path

import pytest

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
