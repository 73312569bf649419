"""The native core runs bundles whose network sees the middle of the frame enlarged."""

from pathlib import Path

import numpy as np
import pytest

from mapt.data.datasets.kitti_step import list_sequences
from mapt.io.image_files import read_rgb
from mapt.runtime import PanopticTracker
from tests.tools.once import exported


@pytest.mark.usefixtures("native_core")
def test_it_gives_the_ids_and_labels_of_the_python_core(
    street: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle = exported(tmp_path_factory, "custom", (192, 640), zoom=True)
    native = PanopticTracker.load(bundle, threads=1, device="cpu", core="native")
    python = PanopticTracker.load(bundle, threads=1, device="cpu", core="python")
    seen = 0
    for stamp, path in enumerate(list_sequences(street, "val")[0].images):
        one, other = (t.step(read_rgb(path), stamp * 100_000_000) for t in (native, python))
        assert np.array_equal(one.semantic, other.semantic)
        assert np.array_equal(one.instance, other.instance)
        seen += len(one.tracks)
    assert seen > 0
