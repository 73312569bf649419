"""A recorded run replays without its network, bit for bit.

A difference is found where it begins.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import BackendError, PanopticTracker
from mapt.runtime.monitoring.deadline import Estimates
from mapt.runtime.persistence.recording import Recorder, Replayer, ReplayMismatch, digest

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns


@pytest.fixture
def street(actor: Make) -> tuple[Any, ...]:
    """A car that is hidden for a while, another, and a person."""
    return (
        actor(0, 8, dx=4, look=0, score=0.95, hidden=(2, 3)),
        actor(80, 24, dx=-4, look=1, score=0.9),
        actor(40, 44, label=3, look=2, score=0.7),
    )


def record(
    backend: Any, picture: Make, frames: range, mode: Any = "full"
) -> tuple[bytes, list[dict[str, int]]]:
    file = io.BytesIO()
    recorder = Recorder(backend, file, mode)
    tracker = PanopticTracker(recorder, mode)
    digests = []
    for number in frames:
        recorder.begin("street", f"{number:06d}", number * PERIOD)
        frame = tracker.step(picture(number), number * PERIOD)
        recorder.end(frame)
        digests.append(digest(frame))
    return file.getvalue(), digests


def replay(path: Path, picture: Make, frames: range, **limits: Any) -> list[dict[str, int]]:
    backend = Replayer(path)
    tracker = PanopticTracker(backend, backend.association, **limits)  # type: ignore[arg-type]
    digests = []
    for number in frames:
        backend.begin("street", f"{number:06d}", number * PERIOD)
        frame = tracker.step(picture(number), number * PERIOD)
        backend.end(frame)
        digests.append(digest(frame))
    backend.close()
    return digests


@pytest.mark.parametrize("mode", ["full", "motion", "appearance", "iou"])
def test_a_record_gives_the_same_frames_without_the_network(
    scene: Make, street: tuple[Any, ...], picture: Make, tmp_path: Path, mode: Any
) -> None:
    data, digests = record(scene(*street), picture, range(6), mode)
    (tmp_path / "run").write_bytes(data)
    assert replay(tmp_path / "run", picture, range(6)) == digests
    assert record(scene(*street), picture, range(6), mode)[0] == data  # and recording is repeatable


def test_recording_changes_nothing(scene: Make, street: tuple[Any, ...], picture: Make) -> None:
    tracker = PanopticTracker(scene(*street))
    alone = [digest(tracker.step(picture(n), n * PERIOD)) for n in range(6)]
    assert record(scene(*street), picture, range(6))[1] == alone


@pytest.fixture
def run(scene: Make, street: tuple[Any, ...], picture: Make, tmp_path: Path) -> Path:
    (tmp_path / "run").write_bytes(record(scene(*street), picture, range(4))[0])
    return tmp_path / "run"


def test_another_image_is_found_at_the_first_call(run: Path, picture: Make) -> None:
    def spoilt(number: int) -> np.ndarray:
        image = picture(number)
        if number == 2:
            image[5, 7, 1] += 1
        return np.asarray(image)

    with pytest.raises(BackendError, match="street frame 000002: backbone is given other image"):
        replay(run, spoilt, range(4))


def test_another_fusion_is_found_where_its_result_goes(
    run: Path, picture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mapt.runtime.perception import fusion

    collect = fusion._collect

    def spoilt(*arguments: Any) -> Any:
        fused = collect(*arguments)
        fused.masks8[:] *= np.float32(0.999)
        return fused

    monkeypatch.setattr(fusion, "_collect", spoilt)
    with pytest.raises(BackendError, match="street frame 000001: motion is given other masks_prev"):
        replay(run, picture, range(4))


def test_another_association_is_found_in_the_frame(
    run: Path, picture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapt.runtime.association.associator.assign", lambda *_: [])
    with pytest.raises(
        ReplayMismatch, match="street frame 000001: other instance, tracks, decisions"
    ):
        replay(run, picture, range(4))


def test_fewer_and_more_frames_are_differences(run: Path, picture: Make) -> None:
    with pytest.raises(ReplayMismatch, match="goes on after the last frame"):
        replay(run, picture, range(3))
    with pytest.raises(ReplayMismatch, match="ends before the last frame"):
        replay(run, picture, range(5))
    with pytest.raises(
        ReplayMismatch, match="street frame 000001: name is 000001, recorded was 000000"
    ):
        replay(run, picture, range(1, 4))


def test_a_run_with_heads_left_out_for_a_deadline_is_replayed(
    scene: Make, street: tuple[Any, ...], picture: Make, tmp_path: Path
) -> None:
    class Pressed(Estimates):
        heads: tuple[Any, ...] = ()

        def left_out(self, calls: Any, left_ms: float | None) -> tuple[Any, ...]:
            return tuple(h for h in self.heads if calls[h])

    file = io.BytesIO()
    backend = scene(*street)
    recorder = Recorder(backend, file, "full")
    wanted = []
    tracker = PanopticTracker(recorder)
    tracker._maker.estimates = pressed = Pressed()
    for number in range(8):
        pressed.heads = {2: ("appearance",), 4: ("appearance", "motion"), 5: ("appearance",)}.get(
            number, ()
        )
        recorder.begin("street", f"{number:06d}", number * PERIOD)
        frame = tracker.step(picture(number), number * PERIOD)
        recorder.end(frame)
        wanted.append((frame.degraded, digest(frame)))
    assert [d for d, _ in wanted].count(("appearance", "motion")) == 1
    (tmp_path / "run").write_bytes(file.getvalue())
    assert replay(tmp_path / "run", picture, range(8)) == [d for _, d in wanted]


def test_files_that_are_no_records(run: Path, picture: Make, tmp_path: Path) -> None:
    data = run.read_bytes()
    cases = {
        "missing": None,
        "empty": b"",
        "other": b"hello, world " * 9,
        "short": data[:4],
        "cut": data[: len(data) // 2],
        "flipped": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        "long": b"\xff" * 8 + data[8:],
    }
    for name, content in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError) as error:
            replay(path, picture, range(4))
        message = str(error.value)
        assert message.startswith(f"{path}: ") and "\n" not in message and ";" in message
