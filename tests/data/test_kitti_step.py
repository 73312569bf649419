from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.data.datasets.kitti_step import list_sequences, open_step
from mapt.errors import InputError
from mapt.labels.step_png import read_step, write_step


def test_sequences_carry_images_and_labels_frame_by_frame(step_root: Path) -> None:
    sequences = list_sequences(step_root, "train")
    assert [s.name for s in sequences] == ["0000", "0001"]
    assert all(len(s.images) == len(s.labels) == 5 for s in sequences)
    assert all(
        i.stem == label.stem for s in sequences for i, label in zip(s.images, s.labels, strict=True)
    )


@pytest.mark.parametrize("interval", [1, 2])
def test_a_triplet_steps_by_tau_and_keeps_ids(step_root: Path, interval: int) -> None:
    source = open_step(step_root, "train", (interval,))
    found = {}
    for index in range(len(source)):
        triplet = source.read(index, np.random.default_rng(0))
        found[Path(triplet.name).parent.name + Path(triplet.name).stem] = triplet
    triplet = found["0001000004"]
    left = [int(np.nonzero(ids == 300)[1].min()) for ids in triplet.instance]
    assert left == [40 + 12 * (4 - interval), 40 + 12 * 4]
    assert [int((i[55] == (30, 41, 40)).all(1).argmax()) for i in triplet.images] == [
        40 + 12 * (4 - 2 * interval),
        *left,
    ]
    assert set(np.unique(triplet.instance[1])) == {0, 7, 300}


def test_frames_with_rare_classes_repeat(step_root: Path) -> None:
    """A frame with a rare class is drawn more often.

    A bus in one of eight frames has f = 1/8. A frame with only common classes has factor 1.
    """
    path = step_root / "panoptic_maps" / "train" / "0001" / "000003.png"
    semantic, instance = read_step(path)
    semantic[:10, :20] = 15
    write_step(path, semantic, instance)
    source = open_step(step_root, "train", (1,))
    factors = source.repeat_factors(0.5)
    rare = [source.clips[c].frames[now].label == str(path) for c, now in source.frames]
    assert factors[rare] == pytest.approx([2.0]) and np.delete(factors, rare) == pytest.approx(
        np.ones(7)
    )


def test_missing_folder_image_and_short_sequences_are_named(
    step_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"panoptic_maps/val: no such folder"):
        list_sequences(step_root, "val")
    (step_root / "training" / "image_02" / "0001" / "000003.png").unlink()
    with pytest.raises(InputError, match=r"0001/000003\.png: image of a labelled frame is missing"):
        list_sequences(step_root, "train")


def test_frames_without_leading_zeros_follow_their_numbers(step_root: Path, tmp_path: Path) -> None:
    for place in ("training/image_02", "panoptic_maps/train"):
        (tmp_path / "plain" / place / "0000").mkdir(parents=True)
        for path in (step_root / place / "0000").glob("*.png"):  # 0 to 4 become 8 to 12
            (tmp_path / "plain" / place / "0000" / f"{int(path.stem) + 8}.png").write_bytes(
                path.read_bytes()
            )
    [sequence] = list_sequences(tmp_path / "plain", "train")
    numbers = [int(p.stem) for p in sequence.images]
    assert numbers == [8, 9, 10, 11, 12]
    video = open_step(tmp_path / "plain", "train", (1,))
    assert [n for clip in video.numbers for n in clip] == numbers
    twin = tmp_path / "plain" / "panoptic_maps" / "train" / "0000" / "009.png"
    twin.write_bytes((twin.parent / "9.png").read_bytes())
    (tmp_path / "plain" / "training" / "image_02" / "0000" / "009.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"0*9\.png: is the frame of 0*9\.png again"):
        open_step(tmp_path / "plain", "train", (1,))


def test_a_single_frame_gives_no_pair(  # type: ignore[no-untyped-def]
    make_step, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no frame has a predecessor"):
        open_step(make_step(tmp_path / "one", 1, 1), "train", (1,))


def test_label_of_another_size_is_refused(step_root: Path) -> None:
    path = step_root / "training" / "image_02" / "0000" / "000001.png"
    assert cv2.imwrite(str(path), np.zeros((50, 60, 3), np.uint8))
    source = open_step(step_root, "train", (1,))
    with pytest.raises(InputError, match=r"000001\.png.*\(50, 60\)"):
        for index in range(len(source)):
            source.read(index, np.random.default_rng(0))
