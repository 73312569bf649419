"""A bundle for several images at a time, against the bundle of the same weights for one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.bundle.compare_outputs import TOLERANCE, compare
from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import shipped_weights
from mapt.runtime import PanopticFrame, PanopticTracker, TrackerGroup
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.batches.batch import one_camera
from mapt.runtime.bundle.manifest import MANIFEST, read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from mapt.runtime.perception.self_test import self_test
from mapt.synthetic import render_sequence
from tests.conftest import Ran

BATCH = 2
CAMERAS = 3
PERIOD = 100_000_000  # ns


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of `bundle`, for two images."""
    folder = tmp_path_factory.mktemp("batch") / "bundle"
    export_bundle(shipped_weights(), folder, Request(lowering=runnable_here(), batch=BATCH))
    return folder


def test_the_manifest_states_the_batch(batches: Path) -> None:
    values = json.loads((batches / MANIFEST).read_text())
    assert (values["format"], values["batch"]) == (10, BATCH)
    shapes = {
        (name, tensor["name"]): tensor["shape"]
        for name, graph in values["subgraphs"].items()
        for tensor in (*graph["inputs"], *graph["outputs"])
    }
    height = values["height"]
    width = values["width"]
    slots = values["sizes"]["D"]
    assert shapes["backbone", "image"] == [BATCH, height, width, 3]
    assert shapes["instance", "boxes"] == [BATCH, slots, 4]
    assert shapes["instance", "count"] == [BATCH]
    assert shapes["motion", "boxes"] == [slots, 4]


def test_the_python_core_runs_it(batches: Path) -> None:
    group = TrackerGroup.load(batches, 2, device="cpu", test=False)
    assert (group.batch, group["0"].core) == (BATCH, "python")
    with pytest.raises(InputError, match="core 'native': "):
        TrackerGroup.load(batches, 2, device="cpu", core="native")


def test_one_camera_refuses_it_in_a_line(batches: Path, mapt: Callable[..., Ran]) -> None:
    with pytest.raises(InputError, match="several images at a time, which only TrackerGroup"):
        PanopticTracker.load(batches)
    ran = mapt("bench", batches)
    assert ran.code == 2 and "which only TrackerGroup" in ran.err


def test_every_place_gives_what_pytorch_gives(batches: Path) -> None:
    opened = read_bundle(batches, batched=True)
    reference = TorchBackend.load(shipped_weights(), (opened.info.height, opened.info.width))
    found = compare(reference, OrtBackend(opened, device="cpu"), BATCH)
    assert len(found) == 5 and all(deviation.relative < TOLERANCE for deviation in found)


@pytest.mark.parametrize("bound", [False, True])
def test_cameras_get_what_their_own_trackers_give(bundle: Path, batches: Path, bound: bool) -> None:
    """With `bound`, memory of the host stands in for a device."""
    opened = read_bundle(batches, batched=True)
    backend = OrtBackend(opened, device="cpu", bound=bound)
    alone = one_camera(backend, BATCH)
    self_test(alone, opened)
    trackers = {str(camera): PanopticTracker(alone) for camera in range(CAMERAS)}
    group = TrackerGroup(trackers, backend, BATCH)
    wanted = [PanopticTracker(OrtBackend(read_bundle(bundle))) for _ in range(CAMERAS)]
    streets = [list(render_sequence(7, camera, 4, (192, 624))) for camera in range(CAMERAS)]
    seen = 0
    for number in range(4):
        images = [street[number].image for street in streets]
        given = [None if number == camera else image for camera, image in enumerate(images)]
        found = group.step(given, [number * PERIOD] * CAMERAS)
        for camera, frame in enumerate(found):
            if given[camera] is None:
                assert frame is None
                continue
            want = wanted[camera].step(images[camera], number * PERIOD)
            assert isinstance(frame, PanopticFrame)
            assert np.array_equal(frame.semantic, want.semantic)
            assert np.array_equal(frame.instance, want.instance)
            for own, other in zip(frame.tracks, want.tracks, strict=True):
                assert (own.id, own.label, own.box) == (other.id, other.label, other.box)
            seen += len(frame.tracks)
    assert seen


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request(batch=0), "--batch 0: give 1 to 64 images"),
        (Request(batch=65), "--batch 65: give 1 to 64 images"),
        (Request(batch=2, precision="int8"), "--precision int8: does not go with --batch"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(tmp_path: Path, request_: Request, says: str) -> None:
    with pytest.raises(InputError, match=says):
        export_bundle(shipped_weights(), tmp_path / "out", request_)


def test_a_batch_is_of_one_size(mapt: Callable[..., Ran], tmp_path: Path) -> None:
    sizes = ("--size", "64x96", "--size", "96x64")
    ran = mapt("export", "nano", "--out", tmp_path / "out", "--batch", 2, *sizes)
    assert ran.code == 2 and "--batch: is for a bundle of one size" in ran.err
