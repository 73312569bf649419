"""Tiny datasets on disk: a KITTI-STEP folder and a CamVid folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.layouts import write_camvid, write_step_dataset


@pytest.fixture
def step_root(tmp_path: Path) -> Path:
    """Two sequences of five frames with two cars that have ids.

    The red of an image encodes the frame's number.
    """
    return write_step_dataset(tmp_path / "step", sequences=2, frames=5)


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """Three stills: a car, two merged cars, a person, sky above road."""
    return write_camvid(tmp_path / "camvid")


@pytest.fixture
def make_step() -> Callable[..., Path]:
    """The dataset writer."""
    return write_step_dataset
