from pathlib import Path

import pytest

from mapt.bench.latency.interleaved import run_backends
from mapt.evaluation.torch_backend import TorchBackend
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import read_bundle


@pytest.mark.parametrize(
    "lowering", ["bundle", "gridsample"]
)  # `custom` has the same in its own tests
def test_the_bundle_tracks_as_pytorch_does(
    lowering: str, street: Path, request: pytest.FixtureRequest
) -> None:
    bundle: Path = request.getfixturevalue(lowering)
    backends: list[Backend] = [
        TorchBackend.load(bundle / "weights.safetensors"),
        OrtBackend(read_bundle(bundle), threads=2),
    ]
    result = run_backends(backends, street, "val", 10.0)
    assert result.differences == []
    torch_scores, ort_scores = (result.scores[b.name] for b in backends)
    assert torch_scores.PAT is not None and ort_scores.PAT is not None
    assert torch_scores.num_gt_tracks > 0 and torch_scores.PQ_things, (
        "nothing was found: the comparison says nothing"
    )
    assert abs(torch_scores.PAT - ort_scores.PAT) < 1e-3
