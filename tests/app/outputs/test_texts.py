"""Other tools' texts, read back as those tools do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.app.outputs.kinds import Outputs
from mapt.app.outputs.output import Labelled, OutputSequence
from mapt.app.outputs.texts import check_mots_classes, mot_lines, mots_lines, yolo_lines
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP, ClassSet
from mapt.labels.mots_text import read_mots_text
from mapt.runtime import PanopticFrame

Make = Callable[[int], Labelled]


def write(folder: Path, kind: str, sequence: OutputSequence, frames: list[Labelled]) -> None:
    outputs = Outputs(folder, folder, (kind,), sequence)
    for frame in frames:
        outputs.write(frame)
    outputs.finish()
    outputs.close()


def test_mot_lines_count_from_one_and_leave_out_lost_tracks(frame: PanopticFrame) -> None:
    assert mot_lines(0, frame) == [
        "1,3,11.00,6.00,20.00,10.00,0.9000,-1,-1,-1",
        "1,70,41.00,21.00,12.00,15.00,0.5000,-1,-1,-1",
        "1,80,2.00,3.00,2.00,2.00,0.5000,-1,-1,-1",
    ]


def test_mots_text_is_read_as_kitti_mots_masks(
    folder: Path, sequence: OutputSequence, labelled: Make, frame: PanopticFrame
) -> None:
    write(folder, "mots", sequence, [labelled(0), labelled(1)])
    found = read_mots_text(folder / "mots.txt")
    assert list(found) == [100, 101]  # as the frames are called
    for objects in found.values():
        assert [(o.id, o.label) for o in objects] == [(3, 1), (70, 2)]
        for thing in objects:
            np.testing.assert_array_equal(thing.mask(), frame.instance == thing.id)


def test_mots_text_of_frames_without_numbers_counts_them(
    folder: Path, sequence: OutputSequence, labelled: Make
) -> None:
    named = [
        replace(it, frame=replace(it.frame, stem=f"a{it.index}")) for it in map(labelled, (0, 1))
    ]
    write(folder, "mots", sequence, named)
    assert list(read_mots_text(folder / "mots.txt")) == [0, 1]


def test_mots_text_refuses_what_it_cannot_hold(frame: PanopticFrame) -> None:
    check_mots_classes(KITTI_STEP)
    with pytest.raises(InputError, match="has cars and people, this network finds pallet"):
        check_mots_classes(ClassSet("own", ("floor", "pallet"), (1,), ((0, 0, 0), (1, 1, 1))))
    far = replace(
        frame,
        instance=np.where(frame.instance == 3, 65_535, 0).astype(np.int32),
        tracks=(replace(frame.tracks[0], id=65_535),),
    )
    with pytest.raises(InputError, match="track 65535 is beyond KITTI-MOTS' 65534"):
        mots_lines(0, far)


def test_yolo_polygons_fill_to_the_masks_without_holes(frame: PanopticFrame) -> None:
    height, width = frame.instance.shape
    lines = [line.split() for line in yolo_lines(frame)]
    assert [line[0] for line in lines] == ["13", "11"]
    for line, number in zip(lines, (3, 70), strict=True):
        shares = np.array(line[1:], float).reshape(-1, 2)
        assert shares.min() >= 0 and shares.max() < 1 and len(shares) >= 3
        points = np.round(shares * (width, height)).astype(np.int32)
        drawn = np.zeros((height, width), np.uint8)
        cv2.fillPoly(drawn, [points], 1)
        wanted = frame.instance == number
        if number == 3:
            wanted[7, 12] = True
            np.testing.assert_array_equal(drawn == 1, wanted)
        else:  # its two parts, and the line between them
            assert (drawn == 1)[wanted].all() and (drawn == 1).sum() - wanted.sum() <= 6


def test_yolo_writes_a_file_a_frame_and_the_names_of_the_classes(
    folder: Path, sequence: OutputSequence, labelled: Make
) -> None:
    empty = labelled(1)
    empty = replace(empty, labels=replace(empty.labels, tracks=()))
    write(folder, "yolo", sequence, [labelled(0), empty])
    assert len((folder / "yolo" / "000100.txt").read_text().splitlines()) == 2
    assert (folder / "yolo" / "000101.txt").read_text() == ""
    assert (folder / "yolo" / "classes.txt").read_text().splitlines() == [*KITTI_STEP.classes]


@pytest.mark.parametrize("size", [1, 2])
def test_the_smallest_object_is_a_polygon(frame: PanopticFrame, size: int) -> None:
    instance = np.zeros_like(frame.instance)
    instance[10 : 10 + size, 20] = 3
    (line,) = yolo_lines(replace(frame, instance=instance))
    assert len(line.split()) == 1 + 2 * 3
