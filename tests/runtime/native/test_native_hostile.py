"""What a host may give by mistake: both cores take it, or refuse it with the same words."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.synthetic import render_sequence

PERIOD = 100_000_000  # ns
IMAGE = np.ascontiguousarray(next(iter(render_sequence(5, 0, 1, (192, 352)))).image)
WIDER = np.zeros((400, 800, 4), np.uint8)
DOT = np.zeros((1, 1, 3), np.uint8)
IMAGES: dict[str, Any] = {
    "rows backwards": IMAGE[::-1],
    "mirrored": IMAGE[:, ::-1],
    "channels backwards": IMAGE[..., ::-1],
    "three of four channels": WIDER[..., :3],
    "every second pixel": IMAGE[::2, ::3],
    "columns first": np.asfortranarray(IMAGE),
    "one row for all": np.broadcast_to(IMAGE[:1], (192, 352, 3)),
    "one pixel for all": np.broadcast_to(DOT, (192, 352, 3)),
    "rows that overlap": np.lib.stride_tricks.as_strided(IMAGE, (190, 352, 3), (352, 3, 1)),
    "one pixel": IMAGE[:1, :1],
    "one row": IMAGE[:1],
    "one column": IMAGE[:, :1],
    "no rows": IMAGE[:0],
    "grey": IMAGE[..., 0],
    "four channels": WIDER,
    "floats": IMAGE.astype(np.float32),
    "signed": IMAGE.view(np.int8),
    "bools": IMAGE > 3,
    "16 bits": IMAGE.astype(np.uint16),
    "objects": IMAGE[:2, :2].astype(object),
    "lists": IMAGE[:2, :2].tolist(),
    "a buffer": IMAGE.data,
    "bytes": IMAGE.tobytes(),
    "masked": np.ma.masked_array(IMAGE, IMAGE > 3),
    "a number": 3,
    "nothing": None,
    "too many rows": np.broadcast_to(DOT, (70_000, 2, 3)),
    "too many pixels": np.broadcast_to(DOT, (2**15 + 1, 2**15, 3)),
    "two planes": (IMAGE[..., 0], np.ascontiguousarray(IMAGE[:96, :176, :2])),
}
STAMPS: list[Any] = [
    *(0, -1, 2**63 - 1, 2**63, 10**30, True, 1.0, 1.5, math.nan, "1", None, Fraction(3)),
    *(np.int64(5), np.uint64(7), np.float64(3)),
]
DEADLINES: list[Any] = [
    *(1e6, 0, -1, math.nan, math.inf, 10**400, True, "x", np.float32(1e6), Fraction(10**6)),
]
STATES: list[Any] = [b"", b"x", "x", None, 3, np.zeros(4, np.uint8)]
Call = Callable[[PanopticTracker], object]


@pytest.fixture(scope="module")
def python(small_bundle: Path) -> PanopticTracker:
    return PanopticTracker.load(small_bundle, threads=1, device="cpu", test=False, core="python")


@pytest.fixture
def pair(
    native_core: None, small_bundle: Path, python: PanopticTracker
) -> tuple[PanopticTracker, PanopticTracker]:
    """A tracker on each core, at the same place."""
    native = PanopticTracker.load(small_bundle, threads=1, device="cpu", test=False, core="native")
    empty = native.save_state()
    python.restore_state(empty)
    for tracker in (native, python):
        tracker.step(IMAGE, PERIOD)
    return native, python


def told(tracker: PanopticTracker, call: Call) -> object:
    """What a call comes to: everything that a frame says, a value, or an error."""
    try:
        value = call(tracker)
    except Exception as error:  # of any class, which is compared
        return type(error), str(error)
    if not isinstance(value, PanopticFrame):
        return value
    labels = (value.semantic.tobytes(), value.instance.tobytes())
    return labels, value.tracks, value.decisions, value.stamp_ns, value.overflow, value.alarms


def agree(pair: tuple[PanopticTracker, PanopticTracker], call: Call) -> None:
    native, python = (told(tracker, call) for tracker in pair)
    assert native == python
    assert pair[0].save_state() == pair[1].save_state()


@pytest.mark.parametrize("pixel_format", ["rgb", "bgr", "nv12"])
@pytest.mark.parametrize("image", IMAGES)
def test_images(
    pair: tuple[PanopticTracker, PanopticTracker], image: str, pixel_format: Any
) -> None:
    given = IMAGES[image]
    agree(pair, lambda tracker: tracker.step(given, 2 * PERIOD, pixel_format=pixel_format))


@pytest.mark.parametrize("stamp", STAMPS, ids=repr)
def test_stamps(pair: tuple[PanopticTracker, PanopticTracker], stamp: Any) -> None:
    agree(pair, lambda tracker: tracker.step(IMAGE, stamp))
    agree(pair, lambda tracker: tracker.reset())
    agree(pair, lambda tracker: tracker.step(IMAGE, stamp))


@pytest.mark.parametrize("deadline", DEADLINES, ids=lambda value: repr(value)[:20])
def test_deadlines(pair: tuple[PanopticTracker, PanopticTracker], deadline: Any) -> None:
    agree(pair, lambda tracker: tracker.step(IMAGE, 2 * PERIOD, deadline))


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_states(pair: tuple[PanopticTracker, PanopticTracker], state: Any) -> None:
    agree(pair, lambda tracker: tracker.restore_state(state))


@pytest.mark.parametrize("named", [{"pixel_format": "x"}, {"pixel_format": None}, {"labels": "x"}])
def test_names(pair: tuple[PanopticTracker, PanopticTracker], named: dict[str, Any]) -> None:
    agree(pair, lambda tracker: tracker.step(IMAGE, 2 * PERIOD, **named))
