"""The larger presets at KITTI's size: slow, because of their networks."""

from pathlib import Path

import pytest
import torch

from mapt.config import preset
from mapt.export.bundle import TARGETS, Request, export_bundle
from mapt.export.check import compare
from mapt.export.lowering import Lowering
from mapt.model.network import Network
from mapt.model.weights import save_weights
from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend
from mapt.training.backend import TorchBackend
from tests.export.test_tensorrt import needs_tensorrt


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_tensorrt
@pytest.mark.parametrize("lowering", ["standard", "gridsample"])
@pytest.mark.parametrize("name", ["small", "base"])
def test_equal_to_pytorch_and_built_for_every_target(name: str, lowering: Lowering, tmp_path: Path) -> None:
    torch.manual_seed(3)
    save_weights(tmp_path / "w.safetensors", Network(preset(name, height=384, width=1248)))
    targets = () if lowering == "gridsample" else None
    export_bundle(tmp_path / "w.safetensors", tmp_path / "b", Request(lowering=lowering, targets=targets))
    bundle = read_bundle(tmp_path / "b")
    found = compare(TorchBackend.load(tmp_path / "w.safetensors"), OrtBackend(bundle))
    assert {f"{d.subgraph}.{d.tensor}": d.relative for d in found if d.relative > 2e-4} == {}
    assert {t: len(own) for t, own in bundle.engines.items()} == ({} if targets is None else dict.fromkeys(TARGETS, 5))
