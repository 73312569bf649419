"""A long run measures what it says, and recorded outputs are the networks' own."""

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.bench.latency.soak import Recorded, endure, resident
from mapt.io.image_files import read_rgb
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.persistence.recording import digest


@pytest.fixture(scope="module")
def backend(bundle: Path) -> OrtBackend:
    return OrtBackend(read_bundle(bundle), threads=1)


@pytest.fixture(scope="module")
def clips(street: Path) -> list[list[NDArray[np.uint8]]]:
    """Three and two pictures."""
    folders = sorted((street / "training" / "image_02").iterdir())
    return [
        [read_rgb(p) for p in sorted(folder.glob("*.png"))[:n]]
        for folder, n in zip(folders, (3, 2), strict=True)
    ]


class Leaking:
    """Keeps a megabyte of every frame."""

    name = "leaking"

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.info = backend.info
        self.kept = list[Any]()
        self.providers: dict[str, str] = {}

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        if subgraph == "backbone":
            self.kept.append(np.ones(20_000_000, np.uint8))
        outputs: Tensors = self.backend.run(subgraph, inputs)
        return outputs


def test_recorded_outputs_give_the_same_frames_again_and_again(
    backend: OrtBackend, clips: list[list[NDArray[np.uint8]]]
) -> None:
    recorded = Recorded(backend)
    digests = []
    tracker = PanopticTracker(recorded)
    for turn in range(3):
        recorded.again()
        for clip in clips:
            fresh = PanopticTracker(backend)
            before = tracker.next_id - 1
            tracker.reset()
            for number, image in enumerate(clip):
                stamp = (turn * 10 + number) * 100_000_000 + (clip is clips[1]) * 500_000_000
                frame = tracker.step(image, stamp)
                wanted = fresh.step(image, stamp)
                assert [t.id - before for t in frame.tracks] == [t.id for t in wanted.tracks]
                assert digest(frame)["semantic"] == digest(wanted)["semantic"]
                digests.append(digest(frame)["semantic"])
    assert digests[:5] == digests[5:10] == digests[10:]


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keep the garbage collector from looking at objects imported before this run.

    Otherwise it would look at all of them at every clip.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
def test_growth_is_seen(backend: OrtBackend, clips: list[list[NDArray[np.uint8]]]) -> None:
    recorded = Recorded(backend)
    flat = endure(PanopticTracker(recorded), clips, 60, recorded.again)
    assert abs(flat.blocks[1] - flat.blocks[0]) < 0.01 * flat.blocks[0] > 0
    assert (
        flat.frames == 54
        and 0 < flat.p50 <= flat.p99 <= flat.max
        and flat.resident[1] <= resident() * 1.5
    )
    recorded = Recorded(backend)
    leaking = endure(PanopticTracker(Leaking(recorded)), clips, 60, recorded.again)
    assert leaking.resident[1] - leaking.resident[0] > 500e6 and leaking.growth > 0.02
