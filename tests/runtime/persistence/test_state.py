"""A tracker that is stopped and started again tells the same story; damaged bytes are one error."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.errors import InputError
from mapt.runtime import PanopticTracker, StateError
from mapt.runtime.persistence.state import VERSION
from tests.runtime.faults.playing import PERIOD, Make, told


@pytest.fixture
def street(actor: Make) -> tuple[Any, ...]:
    """Cars that come and go, so that live, lost and removed tracks exist at any time."""
    rng = np.random.default_rng(3)
    return tuple(
        actor(
            int(rng.integers(0, 70)),
            4 + 15 * row,
            dx=int(rng.integers(-1, 2)),
            look=row,
            size=12,
            score=0.9 - 0.1 * row,
            label=2 + row % 2,
            hidden=tuple(int(f) for f in np.flatnonzero(rng.random(60) < 0.4)),
        )
        for row in range(4)
    )


def play(tracker: PanopticTracker, frames: range, picture: Make) -> list[tuple[Any, ...]]:
    return [told(tracker.step(picture(n), n * PERIOD)) for n in frames]


@pytest.mark.parametrize("mode", ["full", "motion", "appearance", "iou"])
def test_saved_and_restored_at_every_tenth_frame(
    scene: Make, street: tuple[Any, ...], picture: Make, mode: Any
) -> None:
    backend = scene(*street, max_lost=0.25)
    expected = play(PanopticTracker(backend, mode), range(60), picture)
    assert max(t.id for frame in expected for t in frame[0]) > 8  # something happens
    got = []
    state = PanopticTracker(backend, mode).save_state()
    for start in range(0, 60, 10):
        tracker = PanopticTracker(backend, mode)
        tracker.restore_state(state)
        assert tracker.save_state() == state
        got += play(tracker, range(start, start + 10), picture)
        state = tracker.save_state()
    assert got == expected


def test_a_tracks_motion_is_remembered(scene: Make, actor: Make, picture: Make) -> None:
    """A restored track is found where its motion leads.

    The car is hidden for two frames. Without its velocity it would be too far away.
    """
    backend = scene(actor(0, 8, dx=8, hidden=(4, 5)), reach=0.75, velocity_momentum=0.0)
    tracker = PanopticTracker(backend)
    play(tracker, range(6), picture)
    state = tracker.save_state()
    other = PanopticTracker(backend)
    other.restore_state(state)
    for one in (tracker, other):
        back = one.step(picture(6), 6 * PERIOD)
        assert [(d.stage, d.track) for d in back.decisions] == [("appearance", 1)]


def test_restoring_goes_back_in_time_as_well(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    tracker = PanopticTracker(scene(*street))
    play(tracker, range(5), picture)
    state = tracker.save_state()
    after = play(tracker, range(5, 20), picture)
    tracker.restore_state(state)
    assert play(tracker, range(5, 20), picture) == after


def test_a_frozen_camera_is_remembered(scene: Make, street: tuple[Any, ...], picture: Make) -> None:
    """Which picture it was, and since when."""
    backend = scene(*street, max_gap=0.25)
    tracker = PanopticTracker(backend)
    for number in range(3):
        tracker.step(picture(1), number * PERIOD)
        other = PanopticTracker(backend)
        other.restore_state(tracker.save_state())
        tracker = other
    assert "frozen" in tracker.step(picture(1), 3 * PERIOD).alarms
    assert {d.stage for d in tracker.step(picture(5), 4 * PERIOD).decisions} <= {
        "appearance",
        "birth",
        "lost",
    }


RESUME = """
import sys
from pathlib import Path
import numpy as np
from mapt.runtime import PanopticTracker
bundle, folder = Path(sys.argv[1]), Path(sys.argv[2])
tracker = PanopticTracker.load(bundle, threads=1)
tracker.restore_state((folder / "state").read_bytes())
images = np.load(folder / "images.npy")
found = [tracker.step(image, (3 + n) * 100_000_000) for n, image in enumerate(images)]
print([(t.id, t.age, t.score) for f in found for t in f.tracks])
print([int(f.instance.astype(np.int64).sum()) for f in found])
"""


def test_another_process_goes_on_with_the_shipped_network(
    bundle: Path, street_images: Any, tmp_path: Path
) -> None:
    images = street_images
    tracker = PanopticTracker.load(bundle, threads=1)
    for number in range(3):
        tracker.step(images[number], number * PERIOD)
    (tmp_path / "state").write_bytes(tracker.save_state())
    np.save(tmp_path / "images.npy", images[3:])
    found = [tracker.step(image, (3 + n) * PERIOD) for n, image in enumerate(images[3:])]
    ids = [(t.id, t.age, t.score) for f in found for t in f.tracks]
    assert any(age > 2 for _, age, _ in ids)
    on_progress = subprocess.run(
        [sys.executable, "-c", RESUME, str(bundle), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        on_progress.stdout.strip()
        == f"{ids}\n{[int(f.instance.astype(np.int64).sum()) for f in found]}"
    )


@pytest.fixture
def street_images(request: pytest.FixtureRequest) -> Any:
    """(6,192,624,3) uint8 synthetic frames."""
    import cv2

    from mapt.synthetic import write_dataset

    folder = request.getfixturevalue("tmp_path") / "data"
    write_dataset(folder, 1, 6, (192, 624), seed=33)
    paths = sorted((folder / "training" / "image_02" / "0000").glob("*.png"))
    return np.stack([np.asarray(cv2.imread(str(p)))[..., ::-1] for p in paths])


@pytest.fixture
def saved(scene: Make, street: tuple[Any, ...], picture: Make) -> tuple[PanopticTracker, bytes]:
    """A tracker and its state, with live and lost tracks."""
    tracker = PanopticTracker(scene(*street))
    play(tracker, range(12), picture)
    lost = {t.lost > 0 for t in tracker.step(picture(12), 12 * PERIOD).tracks}
    assert lost == {True, False}
    return tracker, tracker.save_state()


def refuse(tracker: PanopticTracker, data: bytes) -> str:
    before = tracker.save_state()
    with pytest.raises(StateError) as error:
        tracker.restore_state(data)
    message = str(error.value)
    assert (
        message.startswith("saved state: ")
        and "\n" not in message
        and ";" in message
        and len(message) < 200
    )
    assert isinstance(error.value, InputError) and tracker.save_state() == before
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: b"", "something else"),
        (lambda d: b"PK\x03\x04" + d[4:], "something else"),
        (lambda d: d[:4] + b"RECD" + d[8:], "something else"),
        (lambda d: d[:8] + struct.pack("<I", 99) + d[12:], "version 99"),
        (lambda d: d[:-1], "truncated or damaged"),
        (lambda d: d + b"\0", "truncated or damaged"),
        (lambda d: d[:500] + bytes([d[500] ^ 1]) + d[501:], "truncated or damaged"),
    ],
)
def test_foreign_and_damaged_bytes(
    saved: Any, change: Callable[[bytes], bytes], words: str
) -> None:
    assert words in refuse(saved[0], change(saved[1]))


def test_a_state_of_another_network_or_association(
    scene: Make, street: tuple[Any, ...], saved: Any
) -> None:
    tracker, data = saved
    assert "another network" in refuse(PanopticTracker(scene(*street, score=0.41)), data)
    assert "another network" in refuse(PanopticTracker(tracker.backend, model="b"), data)
    assert "association 'full'" in refuse(PanopticTracker(tracker.backend, "motion"), data)
    assert "too many tracks" in refuse(
        PanopticTracker(tracker.backend, max_objects=1).__class__(tracker.backend, max_objects=1),
        _with(data, lambda m, a: _repeat(m, a, 5)),
    )


def _sealed(body: bytes) -> bytes:
    return b"MAPTSTAT" + struct.pack("<II", VERSION, zlib.crc32(body)) + body


def _with(data: bytes, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> bytes:
    """The same bytes with other content and a right checksum."""
    from mapt.runtime.persistence.packing import pack, unpack

    meta, arrays = unpack("STAT", VERSION, data)
    arrays = {name: a.copy() for name, a in arrays.items()}
    change(meta, arrays)
    return pack("STAT", VERSION, meta, arrays)


def _repeat(meta: dict[str, Any], arrays: dict[str, np.ndarray], times: int) -> None:
    active = arrays["lost"] == 0
    for name in ("label", "score", "age", "lost", "seen_ns", "box", "embedding", "velocity"):
        arrays[name] = np.concatenate([arrays[name]] * times)
    arrays["mask8"] = np.concatenate([arrays["mask8"]] * times)
    arrays["id"] = np.arange(1, 1 + len(active) * times, dtype=np.int32)
    meta["next_id"] = 1 + len(active) * times


def _put(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, np.ndarray]], object]:
    def change(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        if name in meta:
            meta[name] = value
        else:
            arrays[name].flat[-1] = value

    return change


def _drop(name: str) -> Callable[[dict[str, Any], dict[str, np.ndarray]], object]:
    return lambda meta, arrays: (meta if name in meta else arrays).pop(name)


@pytest.mark.parametrize(
    "change",
    [
        *(_drop(n) for n in ("s", "id", "box", "mask8", "embedding", "velocity")),
        *(_drop(n) for n in ("next_id", "stamp_ns", "pixels", "size")),
        *(_put(n, np.nan) for n in ("s", "box", "embedding", "velocity", "mask8", "score")),
        *(_put("next_id", v) for v in (0, 1, -3, 1.5, None, "7", 2**40, True)),
        *(_put("stamp_ns", v) for v in (None, -1, 0, 2**70, 1.5)),
        *(_put("fresh_ns", v) for v in (None, 2**62)),
        *(_put("size", v) for v in (None, [1], [1, 2, 3], [-1, 2], ["a", "b"], 7)),
        *(_put("recent", v) for v in (None, [[1]], [[1, -1]], [[1, 2]] * 11, [[1.5, 2]])),
        *(_put(n, -1) for n in ("id", "label", "age", "lost", "seen_ns", "score")),
        *(_put(n, 10**9) for n in ("id", "label", "lost", "score")),
        lambda m, a: a.update(id=a["id"][::-1].copy()),
        lambda m, a: a.update(id=a["id"][:-1].copy()),
        lambda m, a: a.update(age=a["age"].astype(np.float64)),
        lambda m, a: a.update(s=a["s"].astype(np.float64)),
        lambda m, a: a.update(s=a["s"][:, :, :-1].copy()),
        lambda m, a: a.update(mask8=a["mask8"][:-1].copy()),
    ],
)
def test_values_that_cannot_be_are_refused_even_with_a_right_checksum(
    saved: Any, change: Any
) -> None:
    tracker, data = saved
    refuse(tracker, _with(data, change))


HEADERS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b"[" * 100_000,
    b'{"meta": 1, "arrays": []}',
    b'{"meta": {}, "arrays": 3}',
    b'{"meta": {}, "arrays": [["a", "object", [1]]]}',
    b'{"meta": {}, "arrays": [["a", "float32", [99999999999999]]]}',
    b'{"meta": {}, "arrays": [["a", "float32", [-1]]]}',
    b'{"meta": {}, "arrays": [["a", "float32", [4294967296, 4294967296]]]}',
    b'{"meta": {}, "arrays": [["a", "uint8", [0]], ["a", "uint8", [0]]]}',
    b'{"meta": {}, "arrays": [["a", "uint8"]]}',
    b'{"meta": {"n": ' + b"9" * 5000 + b'}, "arrays": []}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("length", [None, 0, 2**63])
def test_headers_of_any_kind_are_refused(saved: Any, header: bytes, length: int | None) -> None:
    refuse(
        saved[0],
        _sealed(struct.pack("<Q", len(header) if length is None else length) + header + b"\0" * 64),
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_fuzzed_bytes_are_one_error_or_a_whole_state(data: st.DataObject) -> None:
    """Fuzzed bytes are refused with one error, or they are a whole state.

    Bytes change at random. The checksum is corrected, so that the inner checks are reached.
    """
    tracker, state = _fuzzed()
    body = bytearray(state[16:])
    header = struct.unpack_from("<Q", body)[0]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(body), header + 400) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(body), len(body), len(body) // 2, 9]))
    fresh = PanopticTracker(tracker.backend)
    try:
        fresh.restore_state(_sealed(bytes(body[:cut])))
    except StateError:
        assert fresh.next_id == 1
    else:  # the change was harmless: the tracker works
        last = json.loads(fresh.save_state()[24:].split(b'"stamp_ns": ')[1].split(b",")[0]) or 0
        fresh.step(_picture(), last + PERIOD)


def _picture() -> np.ndarray:
    out = np.zeros((64, 96, 3), np.uint8)
    out[:, 48:] = 100
    return out


_KEPT: list[tuple[PanopticTracker, bytes]] = []


def _fuzzed() -> tuple[PanopticTracker, bytes]:
    assert _KEPT, "filled by the fixture"
    return _KEPT[0]


@pytest.fixture(autouse=True)
def _keep(saved: Any) -> None:
    """Hypothesis wants no fixtures that belong to one test."""
    _KEPT[:] = [saved]
