import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.data.targets import MAX_INSTANCES, MIN_AREA, frame_targets

THINGS = (11, 13)


def _blank() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((60, 100), np.uint8), np.zeros((60, 100), np.int32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_boxes_are_tight_around_the_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    semantic, instance = _blank()
    for _ in range(12):
        top = rng.integers(0, 50)
        left = rng.integers(0, 90)
        window = np.s_[top : top + rng.integers(2, 20), left : left + rng.integers(2, 30)]
        semantic[window] = rng.choice([11, 13, 2])
        instance[window] = rng.integers(0, 70_000)
    targets = frame_targets(semantic, instance, THINGS)
    assert (
        targets.index.dtype.is_floating_point is False
        and targets.semantic.numpy().tobytes() == semantic.tobytes()
    )
    masks = targets.masks().numpy()
    for mask, box, label in zip(
        masks, targets.boxes.tolist(), targets.labels.tolist(), strict=True
    ):
        y, x = np.nonzero(mask)
        assert box == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert (
            mask.sum() >= MIN_AREA
            and set(semantic[mask]) == {label}
            and len(set(instance[mask])) == 1
        )
    # Every thing pixel is in a row's mask or inside an ignore box.
    covered = np.logical_or.reduce(masks)
    for x1, y1, x2, y2 in targets.ignore_boxes.int().tolist():
        covered[y1:y2, x1:x2] = True
    assert covered[np.isin(semantic, THINGS)].all()


def test_one_id_in_two_classes_is_two_objects() -> None:
    semantic, instance = _blank()
    semantic[5:15, 5:15] = 11
    semantic[5:15, 40:50] = 13
    instance[5:15, 5:50] = 9
    targets = frame_targets(semantic, instance, THINGS)
    assert sorted(targets.labels.tolist()) == [11, 13]
    assert len(set(targets.track_ids.tolist())) == 2


def test_slivers_and_crowds_become_ignore_boxes() -> None:
    semantic, instance = _blank()
    semantic[10:13, 10:13] = 13  # 9 pixels
    instance[10:13, 10:13] = 4
    semantic[30:40, 50:60] = 11  # a crowd
    semantic[30:40, 70:75] = 11  # another one
    targets = frame_targets(semantic, instance, THINGS)
    assert len(targets.boxes) == 0 and not targets.index.any()
    assert sorted(targets.ignore_boxes.int().tolist()) == [
        [10, 10, 13, 13],
        [50, 30, 60, 40],
        [70, 30, 75, 40],
    ]
    assert targets.semantic[11, 11] == 13  # the semantic label stays


def test_an_object_seen_in_shreds_becomes_an_ignore_box() -> None:
    semantic, instance = _blank()
    semantic[10:40, 10:50:4] = 13  # a quarter of its box, through a railing
    semantic[10:40, 60:70] = 13
    semantic[50:58, 80:90] = 11
    instance[10:40, 10:50] = 1  # the largest of the three
    instance[10:40, 60:70] = 2
    instance[50:58, 80:90] = 3
    targets = frame_targets(semantic, instance, THINGS)
    assert targets.boxes.int().tolist() == [[60, 10, 70, 40], [80, 50, 90, 58]]
    assert targets.ignore_boxes.int().tolist() == [[10, 10, 47, 40]]
    assert targets.masks().sum((1, 2)).tolist() == [300, 80]
    assert targets.labels.tolist() == [13, 11]


def test_the_largest_are_kept_when_there_are_too_many() -> None:
    semantic = np.full((240, 400), 13, np.uint8)
    instance = (np.arange(240)[:, None] // 8 * 50 + np.arange(400)[None] // 8 + 1).astype(np.int32)
    instance[:40, :40] = 60_000
    targets = frame_targets(semantic, instance, THINGS)
    assert len(targets.boxes) == MAX_INSTANCES == int(targets.index.max())
    assert targets.boxes[0].tolist() == [0, 0, 40, 40]
    distinct = len(np.unique(instance))
    assert len(targets.ignore_boxes) == distinct - MAX_INSTANCES


@pytest.mark.parametrize("things", [(), (5,)])
def test_a_frame_without_things_is_valid(things: tuple[int, ...]) -> None:
    targets = frame_targets(*_blank(), things)
    assert (
        targets.boxes.shape == (0, 4)
        and targets.ignore_boxes.shape == (0, 4)
        and targets.masks().shape[0] == 0
    )
