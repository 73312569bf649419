"""Bundles whose network sees the middle of the frame enlarged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.data.datasets.kitti_step import list_sequences
from mapt.evaluation.reference import load_reference
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.image_files import read_rgb
from mapt.io.pretrained import shipped_weights
from mapt.runtime import PanopticTracker
from mapt.runtime.bundle.format import Lowering
from mapt.runtime.bundle.manifest import read_bundle
from tests.conftest import Ran
from tests.tools.once import exported

SIZE = (192, 640)


@pytest.mark.parametrize("lowering", ["custom", "standard"])
def test_its_ids_and_labels_are_those_of_pytorch(
    lowering: Lowering, street: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = exported(tmp_path_factory, lowering, SIZE, zoom=True)
    zoomed, plain = (
        PanopticTracker(TorchBackend.load(shipped_weights(), SIZE, zoom=zoom))
        for zoom in (True, False)
    )
    bundle = PanopticTracker.load(folder, threads=1, device="cpu", core="python")
    differs = False
    for stamp, path in enumerate(list_sequences(street, "val")[0].images):
        image = read_rgb(path)
        want, got, alone = (
            tracker.step(image, stamp * 100_000_000) for tracker in (zoomed, bundle, plain)
        )
        # A pixel on an edge may fall to either side, by the last bits of sums.
        assert (want.semantic != got.semantic).mean() < 0.002
        assert (want.instance != got.instance).mean() < 0.002
        assert [t.id for t in want.tracks] == [t.id for t in got.tracks]
        differs |= not np.array_equal(got.instance, alone.instance)
    assert differs, "the middle shows other objects"


def test_its_reference_sees_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = read_bundle(exported(tmp_path_factory, "custom", SIZE, zoom=True))
    network = load_reference(bundle)
    assert network.config.zoom and bundle.info.sizes["F"] == 2 * network.config.fpn_channels


def test_the_commands(
    mapt: Callable[..., Ran], street: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path / "bundle"
    ran = mapt("export", "nano", "--size", "64x96", "--size", "96x160", "--zoom", "--out", out)
    assert ran.code == 0, ran.err
    for size in ("64x96", "96x160"):
        assert load_reference(read_bundle(out / size)).config.zoom
    frames = street / "training" / "image_02" / "0000"
    for options, says in (
        (("--model", out), "make a bundle that does so with `mapt export --zoom`"),
        (("--model", "nano", "--tta"), "--tta, --zoom: both add views"),
    ):
        ran = mapt("track", frames, "--zoom", *options, "--out", tmp_path / "no")
        assert ran.code == 2 and says in ran.err
    asked = ("--model", "nano", "--zoom", "--size", "96x320", "--max-frames", "2")
    ran = mapt("track", frames, *asked, "--out", tmp_path / "out", "--save", "step")
    assert ran.code == 0 and len(list((tmp_path / "out").rglob("*.png"))) == 2
