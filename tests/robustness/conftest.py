"""Small inputs of the commands."""

from pathlib import Path

import numpy as np
import pytest

from mapt.io.image_files import write_image
from mapt.labels.step_png import write_step


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames."""
    folder = tmp_path_factory.mktemp("frames") / "drive"
    folder.mkdir()
    for number in range(2):
        write_image(folder / f"{number:06d}.png", np.full((32, 64, 3), 90 + number, np.uint8))
    return folder


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two label maps of a sequence."""
    root = tmp_path_factory.mktemp("labels")
    for number in range(2):
        semantic = np.zeros((32, 64), np.uint8)
        instance = np.zeros((32, 64), np.int32)
        write_step(root / "0000" / f"{number:06d}.png", semantic, instance)
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that would begin at once."""
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(
        'imagenet = false\n[model]\npreset = "nano"\nheight = 64\nwidth ='
        " 128\n[data.synthetic]\nsequences = 1\nframes = 3\nheight = 32\nwidth ="
        " 64\n[schedule]\niterations = 1\n"
    )
    return path
