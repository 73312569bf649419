"""Wrong images change nothing, and odd ones do no harm."""

from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import (
    PanopticTracker,
    Status,
)
from tests.runtime.faults.playing import PERIOD, Make, Playing, ids, told


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 96, 3), np.nan, np.float32),
        np.zeros((64, 96, 3), np.int8),
        np.zeros((96, 3), np.uint8),
        np.zeros((64, 96, 1), np.uint8),
        np.zeros((3, 64, 96), np.uint8),
        np.zeros((64, 0, 3), np.uint8),
        np.zeros((64, 96, 3), np.uint8).tolist(),
        None,
    ],
    ids=["nan", "int8", "2d", "grey", "planar", "empty", "list", "none"],
)
def test_a_wrong_image_changes_nothing(playing: Playing, image: Any) -> None:
    with pytest.raises(InputError, match=r"step\(\) needs"):
        playing.tracker.step(image, 2 * PERIOD)
    assert playing.tracker.health().status is Status.NO_INPUT
    playing.goes_on()


@pytest.mark.parametrize("layout", ["flipped", "strided", "fortran", "readonly"])
def test_any_memory_layout_gives_the_same_labels(playing: Playing, layout: str) -> None:
    image = playing.picture(2)
    if layout == "flipped":
        image = np.ascontiguousarray(image[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    elif layout == "strided":
        image = np.repeat(image, 2, axis=1)[:, ::2]
    elif layout == "fortran":
        image = np.asfortranarray(image)
    else:
        image.flags.writeable = False
    assert told(playing.tracker.step(image, 2 * PERIOD)) == playing.expected[2]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_leaves_identities_alone(playing: Playing, level: int) -> None:
    noise = np.random.default_rng(0).integers(0, 9, (64, 96, 3))
    for number in range(2):  # twice in a row, with a camera's noise
        image = np.clip(level - 4 + noise, 0, 255).astype(np.uint8)
        frame = playing.tracker.step(image, 2 * PERIOD - 5 + number)
        assert frame.alarms == ("blind",) and not frame.instance.any() and frame.decisions == ()
        assert [(t.id, t.lost) for t in frame.tracks] == [(1, 1), (2, 1), (3, 1)]
        assert playing.tracker.health().status is Status.INVALID
    playing.goes_on()


def test_a_frozen_camera_is_told_and_ends_propagation_when_it_lasts(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    backend = scene(*street, max_gap=0.35)
    tracker = PanopticTracker(backend)
    tracker.step(picture(0), 0)
    for number in range(1, 4):
        frame = tracker.step(picture(0), number * PERIOD)
        assert frame.alarms == ("frozen",) and ids(frame) == [1, 2, 3]
        assert tracker.health().status is Status.INVALID and "camera" in tracker.health().reason
    back = tracker.step(picture(5), 4 * PERIOD)  # the last new picture is 0.4 s old
    assert (
        back.alarms == ()
        and {d.stage for d in back.decisions} == {"appearance"}
        and ids(back) == [1, 2, 3]
    )
    assert backend.carried[-1] == (5, 5)  # the stale features were not used
    assert {d.stage for d in tracker.step(picture(6), 5 * PERIOD).decisions} == {"propagation"}


def test_another_image_size_ends_propagation(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    tracker = PanopticTracker(scene(*street))
    tracker.step(picture(0), 0)
    frame = tracker.step(picture(1, 64, 90), PERIOD)
    assert {d.stage for d in frame.decisions} == {"appearance"} and ids(frame) == [1, 2, 3]
