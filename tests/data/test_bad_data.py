"""Bad data are an error with the file's name, or skipped with a count; never silent."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.kitti_step import open_step
from mapt.data.loader import load_batches
from mapt.data.samples import DatasetMix, SampleRule
from mapt.data.transforms import Augmentation, View
from mapt.data.triplet import TripletSource
from mapt.errors import InputError
from mapt.labels.step_png import read_step, write_step

Breaker = Callable[[Path], None]
FRAME = "000002.png"


def other_size(root: Path) -> None:
    write_step(
        root / "panoptic_maps" / "train" / "0000" / FRAME,
        np.zeros((50, 60), np.uint8),
        np.zeros((50, 60), int),
    )


def unknown_class(root: Path) -> None:
    path = root / "panoptic_maps" / "train" / "0000" / FRAME
    semantic, instance = read_step(path)
    semantic[0, 0] = 77
    write_step(path, semantic, instance)


def corrupt_image(root: Path) -> None:
    path = root / "training" / "image_02" / "0000" / FRAME
    path.write_bytes(path.read_bytes()[:-200])


def missing_label(root: Path) -> None:
    (root / "panoptic_maps" / "train" / "0000" / FRAME).unlink()


def missing_image(root: Path) -> None:
    (root / "training" / "image_02" / "0000" / FRAME).unlink()


def rule_of(source: TripletSource, skip: bool) -> SampleRule:
    share = DatasetMix(source, 1.0, (View(64, 192, (64, 120)),))
    return SampleRule((share,), (11, 13), Augmentation(), 0.2, 5, skip)


@pytest.mark.parametrize(
    "damage", [other_size, unknown_class, corrupt_image, missing_label, missing_image]
)
def test_the_first_bad_file_stops_with_its_name(step_root: Path, damage: Breaker) -> None:
    damage(step_root)
    with pytest.raises(InputError, match=r"00000[23]") as caught:
        list(load_batches(rule_of(open_step(step_root, "train", (1, 2)), False), 2, 0, 10, 0))
    assert "0000" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [other_size, unknown_class, corrupt_image])
def test_bad_samples_are_drawn_again_and_counted(step_root: Path, damage: Breaker) -> None:
    good = list(load_batches(rule_of(open_step(step_root, "train", (1, 2)), True), 2, 0, 10, 0))
    damage(step_root)
    batches = list(load_batches(rule_of(open_step(step_root, "train", (1, 2)), True), 2, 0, 10, 0))
    skipped = [message for batch in batches for message in batch.skipped]
    assert skipped and all(FRAME in message or "000003.png" in message for message in skipped)
    assert not any(batch.skipped for batch in good)
    # Whatever meets no bad file is the same sample as without any.
    same = [a.names == b.names for a, b in zip(good, batches, strict=True) if not b.skipped]
    assert same and all(same)
    assert len({seed for batch in batches for seed in batch.seeds}) == 20


@pytest.mark.parametrize("damage", [missing_label, missing_image])
def test_a_gap_is_skipped_and_pairs_reach_over_it(step_root: Path, damage: Breaker) -> None:
    damage(step_root)
    bad = BadFiles(skip=True)
    near = open_step(step_root, "train", (1,), bad=bad)
    assert len(bad.messages) >= 1 and "00000" in bad.messages[0]
    assert [(c, near.numbers[c][i]) for c, i in near.frames if c == 0] == [(0, 1), (0, 4)]
    far = open_step(step_root, "train", (2,), bad=BadFiles(skip=True))
    index = next(k for k, (c, i) in enumerate(far.frames) if c == 0 and far.numbers[0][i] == 3)
    left = [
        int(np.nonzero(ids == 300)[1].min())
        for ids in far.read(index, np.random.default_rng(0)).instance
    ]
    assert left == [40 + 12, 40 + 12 * 3]


def test_a_bad_label_is_never_drawn_where_classes_are_counted(step_root: Path) -> None:
    unknown_class(step_root)
    source = open_step(step_root, "train", (1,), bad=BadFiles(skip=True))
    factors = source.repeat_factors(0.5)
    assert factors[1] == 0 and (np.delete(factors, 1) >= 1).all() and len(source.bad.messages) == 1
    with pytest.raises(InputError, match="class 77"):
        open_step(step_root, "train", (1,)).repeat_factors(0.5)


def test_a_dataset_that_is_all_bad_stops(step_root: Path) -> None:
    for path in (step_root / "training").rglob("*.png"):
        assert cv2.imwrite(str(path), np.zeros((5, 5, 3), np.uint8))
    rule = replace(rule_of(open_step(step_root, "train", (1,)), True))
    with pytest.raises(InputError, match="20 samples in a row are bad"):
        list(load_batches(rule, 1, 0, 1, 0))
