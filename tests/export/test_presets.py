"""Every preset at KITTI's size: slow, because of their networks."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mapt.config import preset
from mapt.data.synthetic import render_sequence
from mapt.export.bundle import TARGETS, Request, export_bundle
from mapt.export.check import compare
from mapt.export.lowering import Lowering
from mapt.model.network import Network
from mapt.model.weights import save_weights
from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend
from mapt.training.backend import TorchBackend
from tests.export.test_tensorrt import needs_tensorrt
from tests.runtime.test_operators import needs_library


def spread_scores(network: Network) -> None:
    """Untrained, all scores are alike to the last bit, and the order of equals is rounding: normalise by a picture."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    picture = torch.from_numpy(next(render_sequence(5, 0, 1, (384, 1248))).image[None])
    with torch.no_grad():
        network.rpn(network.features(picture)[0])
        network.instance.box.classify.weight.mul_(100)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_tensorrt
@pytest.mark.parametrize("lowering", ["standard", "gridsample", pytest.param("custom", marks=needs_library)])
@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_equal_to_pytorch_and_built_for_every_target(name: str, lowering: Lowering, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = Network(preset(name, height=384, width=1248))
    spread_scores(network)
    save_weights(tmp_path / "w.safetensors", network)
    targets = () if lowering == "gridsample" else None
    export_bundle(tmp_path / "w.safetensors", tmp_path / "b", Request(lowering=lowering, targets=targets))
    bundle = read_bundle(tmp_path / "b")
    found = compare(TorchBackend.load(tmp_path / "w.safetensors"), OrtBackend(bundle))
    assert {f"{d.subgraph}.{d.tensor}": d.relative for d in found if d.relative > 2e-4} == {}
    assert {t: len(own) for t, own in bundle.engines.items()} == ({} if targets is None else dict.fromkeys(TARGETS, 5))
