"""A mistake of a host, a file or another thread raises one documented error.

The tracker's state stays as it was.
"""

import copy
import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.runtime import PanopticTracker, StampError, StateError
from mapt.runtime.errors import BusyError, StepError
from mapt.runtime.frame_maker import FrameMaker
from mapt.runtime.persistence.packing import pack, unpack
from mapt.runtime.persistence.state import KIND, VERSION

Make = Callable[..., Any]
HUGE = 10**5000


class Silent:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def kind(value: object) -> str:
    """A test's name, which its value may have none of."""
    return type(value).__name__


@pytest.fixture
def tracker(scene: Make, actor: Make, picture: Make) -> PanopticTracker:
    """Three frames old, with two tracks."""
    tracker = PanopticTracker(scene(actor(0, 8, dx=2), actor(40, 40, label=3, look=1)))
    for number in range(3):
        tracker.step(picture(number), number * 100_000_000)
    return tracker


def one_line(error: BaseException) -> bool:
    text = str(error)
    return 20 < len(text) < 300 and text.isprintable() and "Error" not in text


@pytest.mark.parametrize(
    "stamp",
    [HUGE, -HUGE, 1.5, float("nan"), True, np.bool_(True), "1", None, Silent(), 2**63],
    ids=kind,
)
def test_a_stamp_that_is_none_is_refused(
    tracker: PanopticTracker, picture: Make, stamp: Any
) -> None:
    before = tracker.save_state()
    with pytest.raises(StampError) as caught:
        tracker.step(picture(3), stamp)
    assert one_line(caught.value) and tracker.save_state() == before
    tracker.step(picture(3), 300_000_000)


@pytest.mark.parametrize(
    "ms",
    [10**400, -(10**400), HUGE, True, "5", float("nan"), float("inf"), 0, Silent(), [1]],
    ids=kind,
)
def test_a_deadline_that_is_none_is_refused(
    tracker: PanopticTracker, picture: Make, ms: Any
) -> None:
    with pytest.raises(InputError, match=r"deadline_ms is .*; give milliseconds above 0") as caught:
        tracker.step(picture(3), 300_000_000, ms)
    assert one_line(caught.value)


@pytest.mark.parametrize(
    "limit",
    [1.5, float("nan"), float("inf"), True, "3", 0, -HUGE, Silent(), np.float32(2)],
    ids=kind,
)
def test_a_limit_of_objects_that_is_none_is_refused(scene: Make, limit: Any) -> None:
    with pytest.raises(InputError, match=r"max_objects is .*; give at least 1"):
        PanopticTracker(scene(), max_objects=limit)


def test_limits_of_objects_may_be_any_whole_number(scene: Make) -> None:
    limits: tuple[Any, ...] = (np.int64(2), HUGE, None)
    found = [PanopticTracker(scene(), max_objects=limit).max_objects for limit in limits]
    assert found == [2, 4, 4]


CHANGES: dict[str, Any] = {
    "things outside": {"things": (2, 4)},
    "a negative thing": {"things": (-1,)},
    "things twice": {"things": (2, 2)},
    "a thing that is no number": {"things": ("2",)},
    "a true thing": {"things": (True,)},
    "half a thing": {"things": (2.0,)},
    "too many classes": {"classes": tuple(map(str, range(300)))},
    "classes that are no names": {"classes": (1, 2, 3, 4)},
    "an odd height": {"height": 65},
    "no height": {"height": 0},
    "another width": {"width": 64},
}
SIZES: dict[str, Any] = {
    "D": 0,
    "N": -1,
    "E": 2.5,
    "F": True,
    "S": HUGE,
    "M": None,
    "C": float("nan"),
    "H": 65,
    "K": 5,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_network_that_cannot_be_is_refused(info: ModelInfo, name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(info, **CHANGES[name])


@pytest.mark.parametrize("symbol", SIZES)
def test_sizes_that_cannot_be_are_refused(info: ModelInfo, symbol: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(info, sizes={**info.sizes, symbol: SIZES[symbol]})
    with pytest.raises(ValueError, match=f"the size {symbol} is None"):
        replace(info, sizes={key: value for key, value in info.sizes.items() if key != symbol})


def sealed(header: Any, body: bytes = b"", version: int = VERSION) -> bytes:
    """State with a right checksum and whatever header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    rest = struct.pack("<Q", len(text)) + text + body
    return struct.pack("<4s4sII", b"MAPT", KIND.encode(), version, zlib.crc32(rest)) + rest


HEADERS: dict[str, Any] = {
    "a deep one": b"[" * 100_000,
    "a list": [],
    "no meta": {"arrays": []},
    "meta that is a list": {"meta": [], "arrays": []},
    "arrays that are a number": {"meta": {}, "arrays": 5},
    "a huge shape": {"meta": {}, "arrays": [["id", "int32", [10**18] * 9]]},
    "an empty array of a huge shape": {"meta": {}, "arrays": [["id", "int32", [0, 2**63]]]},
    "many dimensions": {"meta": {}, "arrays": [["id", "int32", [0] * 70]]},
    "no dimension": {"meta": {}, "arrays": [["id", "uint8", [0, True]]]},
    "a text for a shape": {"meta": {}, "arrays": [["id", "uint8", "11"]]},
    "an object": {"meta": {}, "arrays": [["id", "object", [0]]]},
    "digits": b'{"meta": {"next_id": ' + b"9" * 6000 + b'}, "arrays": []}',
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("name", HEADERS)
def test_state_with_a_hostile_header_is_refused(tracker: PanopticTracker, name: str) -> None:
    refused(tracker, sealed(HEADERS[name]))


def refused(tracker: PanopticTracker, data: Any) -> None:
    before = tracker.save_state()
    with pytest.raises(StateError) as caught:
        tracker.restore_state(data)
    assert one_line(caught.value) and tracker.save_state() == before


@pytest.mark.parametrize("data", [10**12, HUGE, "state", None, [1, 2], 1.5, True, {}], ids=kind)
def test_state_that_is_no_bytes_is_refused(tracker: PanopticTracker, data: Any) -> None:
    refused(tracker, data)


META: dict[str, Any] = {
    "next_id": [0, -1, 2**31 + 1, 1.0, True, None, "1", 10**40],
    "stamp_ns": [-1, 2**63, 1.5, True, "0", []],
    "fresh_ns": [None, 10**30, -1],
    "pixels": [-1, 2**32, 0.5, None],
    "size": [[], [1], [1, 2, 3], [-1, 1], [1, 2**40], 5, None],
    "recent": [5, [[1]], [[1, 2, 3]], [[1, -1]], [[0, 0]] * 2000, None, {"ab": 1}],
    "association": ["iou", None, [], 5],
    "model": ["", None, 5],
}
ARRAYS: dict[str, Any] = {
    "id": [
        np.zeros(2, np.int32),
        np.array([2, 1], np.int32),
        np.array([1, 2], np.float32),
        np.array(5, np.int32),
    ],
    "label": [
        np.array([0, 2], np.int32),
        np.array([2, 2**31 - 1], np.int32),
        np.zeros((2, 1), np.int32),
    ],
    "score": [np.array([np.nan, 0.5]), np.array([2.0, 0]), np.array([-1.0, 0])],
    "age": [np.array([-1, 2]), np.array([2, 2], np.float64)],
    "lost": [np.array([5, 0]), np.array([-1, 0])],
    "seen_ns": [np.array([-1, 0]), np.array([2**62, 0])],
    "s": [np.zeros(3, np.float32), np.full((1, 1, 8, 12), np.inf, np.float32)],
    "box": [
        np.full((2, 4), 3e38, np.float32),
        np.full((2, 4), np.nan, np.float32),
        np.zeros((2, 4), np.float64),
    ],
    "velocity": [np.full((2, 2), 1e30, np.float32)],
    "embedding": [np.full((2, 8), 1e30, np.float32), np.zeros((2, 9), np.float32)],
    "mask8": [np.zeros((1, 1, 8, 12), np.float32), np.full((2, 1, 8, 12), np.nan, np.float32)],
}


@pytest.mark.parametrize("key", [*META, *ARRAYS])
def test_state_with_hostile_values_is_refused(tracker: PanopticTracker, key: str) -> None:
    meta, arrays = unpack(KIND, VERSION, tracker.save_state())
    for value in META.get(key, []):
        refused(tracker, pack(KIND, VERSION, {**meta, key: value}, arrays))
    for value in ARRAYS.get(key, []):
        refused(tracker, pack(KIND, VERSION, meta, {**arrays, key: value}))
    without = (
        {k: v for k, v in meta.items() if k != key},
        {k: v for k, v in arrays.items() if k != key},
    )
    refused(tracker, pack(KIND, VERSION, *without))


def test_a_tracker_is_not_copied_or_sent(tracker: PanopticTracker) -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(
            TypeError, match=r"cannot be copied or pickled; load another one and give it save_state"
        ):
            attempt(tracker)


def test_a_child_forked_during_a_step_is_told_so(tracker: PanopticTracker, picture: Make) -> None:
    inside = threading.Event()
    go = threading.Event()
    spoil = tracker.backend.spoil  # type: ignore[attr-defined]

    def wait(_: object) -> None:
        inside.set()
        go.wait()

    spoil["semantic"] = wait
    thread = threading.Thread(target=tracker.step, args=(picture(3), 300_000_000))
    thread.start()
    inside.wait()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            spoil.clear()
            tracker.step(picture(4), 400_000_000)
        except BusyError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    go.set()
    thread.join()
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert (
            pipe.read()
            == b"this process was forked while a step ran, which never ends here; load a tracker"
            b" in it"
        )
    assert tracker.save_state()


@pytest.mark.parametrize("subgraph", ["backbone", "semantic", "instance", "motion", "appearance"])
def test_a_step_that_fails_moves_neither_state_nor_stamp(
    tracker: PanopticTracker, picture: Make, subgraph: str
) -> None:
    before = tracker.save_state()
    tracker.backend.raises[subgraph] = ValueError("odd")  # type: ignore[attr-defined]
    with pytest.raises(StepError):
        tracker.step(picture(30), 300_000_000)
    del tracker.backend.raises[subgraph]  # type: ignore[attr-defined]
    assert tracker.save_state() == before
    assert (
        tracker.step(picture(30), 250_000_000).stamp_ns == 250_000_000
    )  # earlier than the one that failed


def test_interrupted_at_any_line_state_and_stamp_belong_together(
    tracker: PanopticTracker, picture: Make
) -> None:
    """Ctrl-C may come between any two lines of a step, also where a frame shows nothing."""
    number = 0
    codes = [f.__code__ for f in (PanopticTracker.begin_step, FrameMaker.make)]
    stamp = 300_000_000
    blind = np.zeros((64, 96, 3), np.uint8)
    with pytest.raises(StampError):
        tracker.step(blind, tracker.step(blind, 250_000_000).stamp_ns)
    while True:
        before = tracker.save_state()
        left = number

        def trace(frame: Any, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code in codes:
                left -= event == "line"
                if left < 0:
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            tracker.step(picture(number % 200), stamp)
            return
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        after = unpack(KIND, VERSION, tracker.save_state())[0]["stamp_ns"]
        if tracker.save_state() == before:
            tracker.step(picture(number % 200), stamp)  # the stamp was not taken either
        else:
            assert after == stamp
            with pytest.raises(StampError):
                tracker.step(picture(number % 200), stamp)
        number = number + 1
        stamp = stamp + 100_000_000


LEAVE = """
import sys, threading
import numpy as np
from mapt.runtime import PanopticTracker
tracker = PanopticTracker.load(sys.argv[1], threads=2, test=False)
image = np.random.default_rng(0).integers(0, 255, (192, 624, 3), np.uint8)
first = threading.Event()
def drive():
    for number in range(10**9):
        tracker.step(image, number * 1000)
        first.set()
threading.Thread(target=drive, daemon=True).start()
first.wait()
sys.exit(5)
"""


def test_leaving_the_interpreter_during_a_step_does_not_abort(bundle: Path) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", LEAVE, str(bundle)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (5, "")


def test_the_description_of_a_network_survives_json(info: ModelInfo) -> None:
    assert json.loads(json.dumps(asdict(info)))["things"] == [2, 3]
