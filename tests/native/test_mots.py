"""Real masks, dropped and jittered: the native tracker gives what the Python tracker gives."""

import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.bench.accuracy.crowd import HEIGHT, PERIOD, WIDTH
from mapt.bench.accuracy.mots_tracking import detect
from mapt.bench.native.scripts import say
from mapt.contract import ModelInfo, Thresholds
from mapt.labels.mots_text import CLASSES, MotsObject, frame_size, mots_texts, read_mots_text
from mapt.runtime.association.associator import Association
from tests.native.scenario import Event, Scenario
from tests.native.twins import Twins, playing

TEXTS = os.environ.get("MAPT_MOTS", "")  # a folder of KITTI-MOTS texts
LENGTH = 20  # frames of a sequence
SEQUENCES = 500
BATCH = 10
SIZES = {
    "H": HEIGHT, "W": WIDTH, "K": 3, "T": 2, "D": 40, "N": 16, "F": 1, "S": 1, "C": 1, "M": 1,
    "E": 64,
}  # fmt: skip
ASSOCIATIONS: tuple[Association, ...] = ("full", "motion", "iou")
THINGS = {label: i + 1 for i, label in enumerate(sorted(set(CLASSES.values())))}
INFO = ModelInfo("nano", HEIGHT, WIDTH, ("road", "one", "other"), (1, 2), SIZES, Thresholds())


@functools.cache
def videos() -> list[dict[int, list[MotsObject]]]:
    """The texts' frames."""
    return [read_mots_text(path) for path in mots_texts(Path(TEXTS)).values()]


def events(seed: int) -> Iterator[Event]:
    """A part of a video, with a tenth of its masks dropped and the others moved and grown."""
    rng = np.random.default_rng(seed)
    frames = videos()[seed % len(videos())]
    size = frame_size(frames)
    assert size is not None
    start = int(rng.integers(0, max(1, max(frames) - LENGTH)))
    known: dict[int, NDArray[np.float32]] = {}
    for number in range(start, start + LENGTH):
        objects = frames.get(number, [])
        index, labels = detect(objects, size, rng)
        tracked = [o for o in objects if o.label in CLASSES]
        looks = np.zeros((len(tracked), SIZES["E"]), np.float32)
        for i, thing in enumerate(tracked):
            look = known.setdefault(thing.id, rng.normal(size=SIZES["E"]).astype(np.float32))
            looks[i] = look + rng.normal(0, 0.1, SIZES["E"])
        image = np.full((*size, 3), 90, np.uint8)
        image[: size[0] // 2] = number % 256
        image[0, 0] = 255
        yield Event(
            "step",
            say(INFO, index, np.array([THINGS[int(v)] for v in labels], np.int32), looks),
            image,
            number * PERIOD,
        )


@pytest.mark.slow
@pytest.mark.skipif(not TEXTS, reason="MAPT_MOTS names no folder of KITTI-MOTS texts")
@pytest.mark.parametrize("batch", range(SEQUENCES // BATCH))
def test_real_masks_are_tracked_alike(batch: int) -> None:
    logging.disable(logging.WARNING)
    association = ASSOCIATIONS[batch % len(ASSOCIATIONS)]
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        twins = Twins(Scenario(INFO, association, None, ()))
        with playing(twins):
            for number, event in enumerate(events(seed)):
                assert twins.run(event) == "", f"sequence {seed}, frame {number}"
