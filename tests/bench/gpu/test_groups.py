"""A group in batches beside single trackers, as the check of eight cameras measures them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from mapt.bench.gpu import prepare
from mapt.bench.gpu.adapter import open_resident
from mapt.bench.gpu.checks import bundles
from mapt.bench.gpu.checks.ort import INTERVAL
from mapt.bench.gpu.context import Context, Result
from mapt.bench.gpu.frames import cameras, groups
from mapt.runtime import PanopticFrame, StepError, TrackerGroup
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import CopyCounts
from mapt.runtime.bundle.manifest import read_bundle
from tests.bench.gpu.rehearsal import AtItsSize

BATCHED = bundles.Kind("nano", "gridsample", batch=2)
SINGLE = replace(BATCHED, batch=1)
CAMERAS = 3  # more than a batch, and no multiple of it


@pytest.fixture(scope="module")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A rehearsal with a bundle for one image at a time, and the same weights' for two."""
    context = AtItsSize("cpu", True, tmp_path_factory.mktemp("gpu"))
    shutil.copytree(bundle, bundles.folder(context, SINGLE))
    lowering = read_bundle(bundle).lowering
    prepare.main(["nano", lowering, "192", "640", "2", str(bundles.folder(context, BATCHED))])
    return context


@pytest.fixture
def context(exported: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(bundles, "KINDS", (SINGLE,))
    monkeypatch.setattr(bundles, "BATCHED", (BATCHED,))
    return exported


def test_a_group_has_the_tracks_of_single_trackers(context: Context) -> None:
    found = groups.measured(context, CAMERAS)
    assert not found.faults and json.loads(json.dumps(dict(found.values)))
    turn = found.values["nano-gridsample, in turn"]
    group = found.values["nano-gridsample-batch2, group"]
    assert group["frames"] == group["same_tracks"] == 2 * CAMERAS  # type: ignore[index]
    assert group["tracks"] and turn["ms"] > 0 and group["ms"] > 0  # type: ignore[index]
    assert [row.split(",")[0] for row in found.rows] == [SINGLE.name, BATCHED.name]


def test_the_group_calls_its_frame_graphs_with_batches(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, int]] = []
    run = OrtBackend.run

    def watched(backend: OrtBackend, subgraph: str, inputs: dict[str, object]) -> object:
        if subgraph == "backbone":
            called.append((subgraph, len(inputs["image"])))  # type: ignore[arg-type]
        return run(backend, subgraph, inputs)

    monkeypatch.setattr(OrtBackend, "run", watched)
    backend = open_resident(bundles.ready(context, [BATCHED])[0][BATCHED.name], "cpu")
    images = list(bundles.street(context, 4))
    step = groups.in_batches(backend, CAMERAS, 2)
    (taken,) = islice(groups.rounds(step, backend, CAMERAS, images), 1)
    assert called == [("backbone", 2)] * 2  # for three cameras
    assert len(taken.frames) == CAMERAS and taken.moved.up > 0 and taken.moved.waits > 0


def test_cameras_that_are_mixed_up_are_found(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = groups.in_batches

    def mixed(backend: OrtBackend, cameras: int, batch: int) -> groups.Step:
        step = genuine(backend, cameras, batch)
        return lambda images, stamp: step([images[1], images[0], *images[2:]], stamp)

    monkeypatch.setattr(groups, "in_batches", mixed)
    faults = groups.measured(context, CAMERAS).faults
    assert faults and all(fault.startswith(f"{BATCHED.name}: ") for fault in faults)


def test_what_fails_for_one_camera_is_a_fault(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> list[object]:
        return [StepError("no reason")] * CAMERAS

    monkeypatch.setattr(TrackerGroup, "step", step)
    found = groups.measured(context, CAMERAS)
    assert found.faults == (f"{BATCHED.name}: no reason",)
    assert not found.values and found.line == "on one network nothing"


def test_every_camera_sees_the_street_at_another_time() -> None:
    shown: list[tuple[Sequence[object], int]] = []

    class Backend:
        traffic = CopyCounts()

    def step(images: Sequence[object], stamp: int) -> list[PanopticFrame]:
        shown.append((images, stamp))
        return []

    taken = groups.rounds(step, Backend(), 2, "abc")  # type: ignore[arg-type]
    assert len(list(islice(taken, 3))) == 3
    assert [images for images, _ in shown] == [["a", "b"], ["b", "c"], ["c", "a"]]
    assert [stamp for _, stamp in shown] == [0, INTERVAL, 2 * INTERVAL]


def test_eight_cameras_are_measured_apart_and_in_a_group(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def measured(name: str) -> object:
        def measure(_: Context, cameras: int) -> Result:
            asked.append((name, cameras))
            return Result(name, {name: 1}, ("missing", name), (f"row of {name}",))

        return measure

    monkeypatch.setattr(cameras, "measured", measured("apart"))
    monkeypatch.setattr(groups, "measured", measured("group"))
    found = cameras.eight(context)
    assert asked == [("apart", 8), ("group", 8)]
    assert found.line == "apart; group" and found.values == {"apart": 1, "group": 1}
    assert found.faults == ("missing", "apart", "group")
    assert found.rows == ("row of apart", "row of group", cameras.HINT)
