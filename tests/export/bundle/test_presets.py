"""Tracks with PyTorch and with each lowering, for every preset at KITTI's size.

These tests are slow, because the networks are large.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import pytest
from rich.console import Console

from mapt.bench.parity.clips import FrameSequence, open_clips
from mapt.bench.parity.margins import STAGES, Margins, Tally
from mapt.bench.parity.measure import run_parity
from mapt.bench.parity.report import print_parity
from mapt.contract import SUBGRAPHS
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.bundle.compare_outputs import TOLERANCE
from mapt.export.bundle.writer import Request, export_bundle
from mapt.export.lowering.lowering import Lowering
from mapt.model.class_names import network_labels
from mapt.model.weights import save_weights
from mapt.ops.nms import watched
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.tensorrt_library import RTX_TARGETS
from mapt.runtime.bundle.manifest import read_bundle
from tests.export.tensorrt.test_engines import needs_tensorrt
from tests.export.untrained import Remembered, street, untrained
from tests.runtime.backends.test_operators import needs_library

FRAMES = 4


@dataclass(frozen=True)
class Reference:
    """PyTorch on the street: its answers, and what it decided.

    Attributes:
        weights: of the network.
        clips: the frames.
        backend: gives the answers again.
        margins: of rankings and suppressions, by kind.
    """

    weights: Path
    clips: list[FrameSequence]
    backend: Remembered
    margins: dict[str, Tally]


@pytest.fixture(scope="module", params=["nano", "micro", "small", "base"])
def reference(request: pytest.FixtureRequest) -> Iterator[Reference]:
    """PyTorch runs once for all lowerings of a preset."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        network = untrained(request.param)
        save_weights(folder / "w.safetensors", network)
        (folder / request.param).mkdir()
        for i, picture in enumerate(street(FRAMES)):
            cv2.imwrite(str(folder / request.param / f"{i:06d}.png"), picture[:, :, ::-1])
        clips = open_clips(folder / request.param, 10.0)
        backend = Remembered(TorchBackend(network))
        margins = Margins()
        tracker = PanopticTracker(backend)
        stages = Counter[str]()
        for frame in clips[0].frames(network_labels(backend.info)):
            with watched(margins):
                seen = tracker.step(frame.image, frame.stamp_ns)
            assert len({t.id for t in seen.tracks if t.lost == 0}) >= 5, (
                "too few objects: this says nothing"
            )
            stages.update(decision.stage for decision in seen.decisions)
        assert min(stages[stage] for stage in STAGES) >= 2, (
            f"{stages}: not every stage of the association is met"
        )
        print(f"{request.param}, PyTorch: {dict(stages)}")
        yield Reference(folder / "w.safetensors", clips, backend, margins.tallies)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@needs_tensorrt
@pytest.mark.parametrize(
    "lowering", ["standard", "gridsample", pytest.param("custom", marks=needs_library)]
)
def test_tracks_as_pytorch_does_and_is_built_for_every_target(
    reference: Reference, lowering: Lowering, tmp_path: Path
) -> None:
    """Every tensor is within 2e-4, and detections and ids are the same.

    This is checked for every call. What differs is printed with its margin.
    """
    targets = () if lowering == "gridsample" else None
    export_bundle(reference.weights, tmp_path / "b", Request(lowering=lowering, targets=targets))
    bundle = read_bundle(tmp_path / "b")
    asked = reference.backend.asked
    parity = run_parity(reference.backend, OrtBackend(bundle), bundle.precisions, reference.clips)
    assert reference.backend.asked == asked, "PyTorch was asked what it had not been asked before"
    for kind in ("top-k", "suppression", "suppression order"):
        parity.margins[kind] = reference.margins[kind]
    print(f"{bundle.info.preset}, {lowering}:")
    print_parity(Console(width=120), parity)
    assert parity.faults() == []
    assert {name for name, head in parity.heads.items() if head.beyond or not head.calls} == set()
    assert [gap for gap in parity.frames if gap.ids] == []
    assert (
        max(s.pixels for s in parity.sequences) <= TOLERANCE
    )  # a pixel on an edge may fall to either side
    if targets is not None:
        assert {target: len(own) for target, own in bundle.engines.items()} == dict.fromkeys(
            RTX_TARGETS, len(SUBGRAPHS)
        )
