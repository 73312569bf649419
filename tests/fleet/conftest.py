"""Small recordings that fleets track."""

from pathlib import Path

import pytest

from mapt.synthetic import write_dataset


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four sequences of four frames 64x96, with labels."""
    folder = tmp_path_factory.mktemp("clips") / "data"
    write_dataset(folder, 4, 4, (64, 96), seed=21, workers=1)
    return folder
