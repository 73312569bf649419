"""Test-time scale augmentation keeps the contract and agrees with itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mapt.config import preset
from mapt.data.datasets.kitti_step import list_sequences
from mapt.evaluation.test_time_scales import ScaledBackend
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.image_files import read_rgb
from mapt.io.pretrained import shipped_weights
from mapt.model.network import Network
from mapt.runtime import PanopticTracker
from tests.conftest import Ran


def test_one_scale_is_no_augmentation() -> None:
    torch.manual_seed(0)
    network = Network(preset("nano", height=64, width=128, detections=8)).eval()
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    plain, scaled = (
        PanopticTracker(b).step(image, 0)
        for b in (TorchBackend(network), ScaledBackend(network, (1.0,)))
    )
    assert np.array_equal(plain.semantic, scaled.semantic) and np.array_equal(
        plain.instance, scaled.instance
    )


def test_cars_are_found_at_several_scales(street: Path) -> None:
    backend = ScaledBackend.load(shipped_weights())
    assert isinstance(backend, ScaledBackend) and backend.sizes == [(160, 480), (288, 960)]
    frames = [read_rgb(path) for path in list_sequences(street, "val")[0].images[:2]]
    tracker = PanopticTracker(backend)
    plain = PanopticTracker(TorchBackend.load(shipped_weights()))
    for stamp, image in enumerate(frames):
        labelled, alone = (t.step(image, stamp * 100_000_000) for t in (tracker, plain))
    assert len(labelled.tracks) >= len(alone.tracks) > 0
    assert 0.5 < (labelled.semantic == alone.semantic).mean() < 1


def test_the_command(mapt: Callable[..., Ran], street: Path, bundle: Path, tmp_path: Path) -> None:
    ran = mapt(
        "track",
        street,
        "--model",
        shipped_weights(),
        "--tta",
        "--out",
        tmp_path / "out",
        "--save",
        "step",
        "--sequences",
        "0000",
    )
    assert ran.code == 0 and len(list((tmp_path / "out" / "step" / "0000").glob("*.png"))) == 6
    ran = mapt("track", street, "--model", bundle, "--tta", "--out", tmp_path / "no")
    assert ran.code == 2 and "--tta: needs weights" in ran.err
