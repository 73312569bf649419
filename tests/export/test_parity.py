from pathlib import Path

import pytest

from mapt.bench.run import run_backends
from mapt.runtime.backend import Backend
from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend
from mapt.training.backend import TorchBackend


@pytest.mark.parametrize("lowering", ["bundle", "gridsample"])  # `custom` has the same in its own tests
def test_the_bundle_tracks_as_pytorch_does(lowering: str, street: Path, request: pytest.FixtureRequest) -> None:
    bundle: Path = request.getfixturevalue(lowering)
    backends: list[Backend] = [
        TorchBackend.load(bundle / "weights.safetensors"),
        OrtBackend(read_bundle(bundle), threads=2),
    ]
    result = run_backends(backends, street, "val", 10.0)
    assert result.differences == []
    torch_scores, ort_scores = (result.scores[b.name] for b in backends)
    assert torch_scores.PAT is not None and ort_scores.PAT is not None
    assert torch_scores.num_gt_tracks > 0 and torch_scores.PQ_things, "nothing was found: the comparison says nothing"
    assert abs(torch_scores.PAT - ort_scores.PAT) < 1e-3
