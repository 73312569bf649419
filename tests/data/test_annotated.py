"""Exports of labelling tools as samples: stills, or video where neighbouring frames have tracks."""

from pathlib import Path

import numpy as np
import pytest

from mapt.data.datasets.annotated import open_annotated
from mapt.data.datasets.bad_files import BadFiles
from mapt.data.labelled_video import Video
from mapt.data.static_images import Stills
from mapt.errors import InputError
from tests.labels.annotations.conftest import SIZE, write_coco, write_cvat, write_image, write_yolo


def test_images_without_tracks_are_moved_stills(tmp_path: Path) -> None:
    source = open_annotated(write_yolo(tmp_path), "train", (1, 2))
    assert isinstance(source, Stills) and len(source) == 2
    assert source.labels.classes == ("background", "pallet", "forklift")
    triplet = source.read(0, np.random.default_rng(0))
    assert triplet.images[0].shape == (*SIZE, 3)
    assert {1, 2} <= set(np.unique(triplet.semantic[1]))
    assert set(np.unique(triplet.instance[0])) == set(np.unique(triplet.instance[1])) == {0, 1, 2}


def test_tracks_of_neighbouring_frames_are_video(tmp_path: Path) -> None:
    source = open_annotated(write_cvat(tmp_path, "video").parent, "train", (1,))
    assert isinstance(source, Video) and len(source) == 2
    triplet = source.read(0, np.random.default_rng(0))
    previous, now = (set(np.unique(ids)) for ids in triplet.instance)
    assert previous == {0, 1} and now == {0, 1, 2}  # the forklift goes on, the pallet is new


def test_a_gap_splits_a_video_and_single_frames_are_stills(tmp_path: Path) -> None:
    path = write_cvat(tmp_path, "video")
    later = path.read_text().replace('frame="2"', 'frame="9"').replace('frame="1"', 'frame="4"')
    path.write_text(later)
    for number in range(3, 10):
        write_image(tmp_path / "images" / f"frame_{number:06d}.PNG")
    for number in range(1, 9):
        if number != 4:
            (tmp_path / "images" / f"frame_{number:06d}.PNG").unlink()
    source = open_annotated(path, "train", (1,), BadFiles(skip=True))
    assert isinstance(source, Stills) and len(source) == 3
    assert len(source.bad.messages) == 2  # frames 1 to 3, and 5 to 8
    with pytest.raises(InputError, match=r"no image of frames 1 to 3"):
        open_annotated(path, "train", (1,))


def test_no_image_at_all_is_named(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    for image in (tmp_path / "images" / "default").iterdir():
        image.unlink()
    with pytest.raises(InputError, match=r"instances_default\.json: has no labelled image"):
        open_annotated(path, "train", (1,), BadFiles(skip=True))
