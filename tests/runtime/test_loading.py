"""The input size that is chosen for a camera, and the warning where none fits."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.pretrained import shipped_bundle
from mapt.runtime import PanopticTracker
from mapt.runtime.loading import SizeChoice, Wish
from mapt.runtime.perception.input_use import warn_of_waste


@pytest.fixture(autouse=True)
def warned_of_nothing() -> Iterator[None]:
    warn_of_waste.cache_clear()
    yield
    warn_of_waste.cache_clear()


def input_of(tracker: PanopticTracker) -> tuple[int, int]:
    return tracker.backend.info.height, tracker.backend.info.width


def test_the_size_is_chosen_for_the_frames() -> None:
    tracker = PanopticTracker.load(shipped_bundle(), frame=(375, 1242), test=False)
    assert input_of(tracker) == (384, 1248)
    told = "input 384x1248 of 192x352, 192x640, 384x672, 384x1248 for frames of 375x1242"
    assert str(tracker.size_choice) == told


def test_a_budget_that_nothing_keeps_takes_the_quickest_and_says_so() -> None:
    tracker = PanopticTracker.load(
        shipped_bundle(), frame=(90, 160), budget_ms=1e-6, test=False, threads=1
    )
    assert input_of(tracker) == (192, 352)
    assert "the quickest, but not within the budget of 1e-06 ms" in str(tracker.size_choice)
    assert tracker.next_id == 1  # the timed steps were another tracker's


def test_a_budget_that_all_keep_takes_the_best() -> None:
    tracker = PanopticTracker.load(
        shipped_bundle(), frame=(90, 160), budget_ms=1e9, test=False, threads=1
    )
    assert input_of(tracker) == (384, 672)
    assert tracker.size_choice and tracker.size_choice.ms and tracker.size_choice.ms > 0
    assert "within the budget of 1e+09 ms" in str(tracker.size_choice)


def test_a_bundle_of_one_size_is_measured_too(bundle: Path) -> None:
    tracker = PanopticTracker.load(bundle, frame=(72, 128), budget_ms=1e9, test=False)
    choice = tracker.size_choice
    assert choice and choice.size == (192, 640) and choice.sizes == ((192, 640),) and choice.ms


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"budget_ms": 10}, "budget_ms: needs the frames' (height, width) too"),
        ({"frame": (0, 5)}, "frame is (0, 5); give (height, width)"),
        ({"frame": "720x1280"}, "frame is '720x1280'"),
        ({"frame": (720, 1280), "budget_ms": 0}, "budget_ms is 0; give milliseconds above 0"),
        ({"frame": (720, 1280), "budget_ms": float("nan")}, "budget_ms is nan"),
        ({"frame": (720, 1280), "budget_ms": True}, "budget_ms is True"),
    ],
)
def test_wishes_that_are_none_are_refused(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        Wish(**wish)
    assert says in str(error.value)


def test_a_choice_without_a_budget_says_no_time() -> None:
    choice = SizeChoice((64, 96), (1, 2), ((64, 96),))
    assert str(choice) == "input 64x96 of 64x96 for frames of 1x2"


def test_frames_of_another_shape_are_warned_of_once(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = PanopticTracker.load(bundle, test=False)
    frame = np.zeros((720, 1280, 3), np.uint8)
    with caplog.at_level(logging.WARNING, "mapt"):
        for number in range(3):
            frame[:, :, number] = 200
            tracker.step(frame, number)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "mapt: frames of 720x1280 fill 53 % of the network's input 192x640, and the rest costs time"
        " for nothing; a size of their shape: mapt export WEIGHTS --for VIDEO"
    ]


def test_frames_of_the_inputs_shape_are_not_warned_of(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = PanopticTracker.load(bundle, test=False)
    with caplog.at_level(logging.WARNING, "mapt"):
        tracker.step(np.zeros((375, 1242, 3), np.uint8), 0)
    assert not caplog.records
