"""What a native core records is what the Python one records, and replays without the network."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.image_files import write_image
from mapt.runtime import PanopticTracker, StampError
from mapt.runtime.native.recorder import NativeRecorder
from mapt.runtime.native.tracker import NativeTracker
from mapt.runtime.persistence.recording import Recorder
from mapt.synthetic import render_sequence
from tests.conftest import Ran

Image = NDArray[np.uint8]
PERIOD = 100_000_000  # ns
FRAMES = 4

pytestmark = pytest.mark.usefixtures("native_core")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Frames of a street, of another size than the network's input."""
    frames = render_sequence(5, 0, FRAMES, (240, 480))
    return [np.ascontiguousarray(frame.image) for frame in frames]


def load(bundle: Path, core: str, **options: object) -> PanopticTracker:
    return PanopticTracker.load(bundle, threads=1, device="cpu", core=core, **options)  # type: ignore[arg-type]


def native(bundle: Path, **options: object) -> NativeTracker:
    tracker = load(bundle, "native", **options)
    assert isinstance(tracker, NativeTracker)
    return tracker


@pytest.mark.parametrize("limit", [None, 3])
def test_both_cores_write_the_same_bytes(
    small_bundle: Path, images: list[Image], limit: int | None
) -> None:
    network = load(small_bundle, "python").backend
    theirs = io.BytesIO()
    mine = io.BytesIO()
    python = Recorder(network, theirs, "full", limit)
    tracker = PanopticTracker(python, "full", limit)
    one = native(small_bundle, max_objects=limit)
    recorder = one.record(mine)
    pairs: tuple[tuple[Recorder | NativeRecorder, PanopticTracker], ...] = (
        (python, tracker),
        (recorder, one),
    )
    for number, image in enumerate(images):
        for backend, core in pairs:
            backend.begin('a "street"', f"{number:06d}", number * PERIOD)
            backend.end(core.step(image, number * PERIOD))
    assert mine.getvalue() == theirs.getvalue()
    assert len(mine.getvalue()) > FRAMES * 100_000


def test_only_the_last_labelled_frame_is_recorded(small_bundle: Path, images: list[Image]) -> None:
    tracker = native(small_bundle)
    frame = tracker.step(images[0], 0)
    recorder = tracker.record(io.BytesIO())
    with pytest.raises(InputError, match="is not the one that was labelled last"):
        recorder.end(frame)  # its networks ran before the record began
    frame = tracker.step(images[1], PERIOD)
    recorder.end(frame)
    with pytest.raises(StampError):
        tracker.step(images[2], PERIOD)
    with pytest.raises(InputError, match="is not the one that was labelled last"):
        recorder.end(frame)


def test_a_recorded_run_of_the_command_is_replayed(
    small_bundle: Path, images: list[Image], mapt: Callable[..., Ran], tmp_path: Path
) -> None:
    folder = tmp_path / "street"
    folder.mkdir()
    for number, image in enumerate(images):
        write_image(folder / f"{number:06d}.png", image)
    run = tmp_path / "run"
    shared = ("track", folder, "--fps", 10, "--save", "step")
    told = (*shared, "--model", small_bundle, "--core", "native", "--threads", 1)
    ran = mapt(*told, "--out", tmp_path / "a", "--record", run)
    assert ran.code == 0, ran.err
    ran = mapt(*shared, "--replay", run, "--out", tmp_path / "b")
    assert ran.code == 0 and "every frame as recorded" in ran.out, ran.err
    pictures = sorted((tmp_path / "a" / "step" / "street").glob("*.png"))
    assert len(pictures) == FRAMES
    for path in pictures:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
