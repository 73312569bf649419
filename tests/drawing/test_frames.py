from dataclasses import replace

import numpy as np
import pytest

from mapt.drawing.colours import class_colours, track_colour
from mapt.drawing.frames import TINT, FrameDrawing, draw_frame
from mapt.drawing.objects import FILL
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import VOID
from tests.drawing.scenes import frame_with, gray


def test_a_track_has_its_colour_the_rest_its_classs_tint_and_void_none() -> None:
    image = gray()
    frame = frame_with({3: (100, 100, 300, 250)})
    frame.semantic[:20] = VOID
    out = draw_frame(image, frame, labels=False, legend=False)
    inside = (1 - FILL) * 100 + FILL * np.array(track_colour(3))
    np.testing.assert_allclose(out[180, 200], inside, atol=1)
    np.testing.assert_array_equal(out[10, 10], [100, 100, 100])
    road = (1 - TINT) * 100 + TINT * np.array(class_colours(KITTI_STEP.classes)[0])
    np.testing.assert_allclose(out[300, 600], road, atol=1)
    np.testing.assert_allclose(out[100, 200], track_colour(3), atol=20)  # its contour
    np.testing.assert_array_equal(image, 100)


def test_lost_tracks_are_not_drawn() -> None:
    frame = frame_with({3: (100, 100, 300, 250)}, lost=2)
    frame.semantic[:] = 0
    out = draw_frame(gray(), frame, legend=False)
    assert len(np.unique(out.reshape(-1, 3), axis=0)) == 1


def test_a_mask_in_pieces_is_labelled_at_its_largest() -> None:
    whole = frame_with({3: (200, 200, 400, 300)})
    pieces = frame_with({3: (200, 200, 400, 300)})
    pieces.instance[100:104, 20:24] = 3
    (track,) = pieces.tracks
    pieces = replace(pieces, tracks=(replace(track, box=(20.0, 100.0, 400.0, 300.0)),))
    above = np.s_[170:198, 190:420]
    drawn = [draw_frame(gray(), frame, legend=False)[above] for frame in (whole, pieces)]
    assert (drawn[0] == track_colour(3)).all(2).sum() > 100
    np.testing.assert_array_equal(drawn[0], drawn[1])


def near_its_colour(
    drawn: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], row: int, x: int
) -> bool:
    return bool(np.abs(drawn[row, x].astype(int) - track_colour(1)).max() < 60)


def test_the_steps_of_a_mask_are_smoothed_in_a_large_picture_and_kept_in_a_small_one() -> None:
    frames = [frame_with({1: (100, 100, 300, 300)}, size) for size in ((360, 640), (2160, 3840))]
    small, large = (
        draw_frame(gray(f.semantic.shape), f, labels=False, legend=False) for f in frames
    )
    assert near_its_colour(small, 100, 200) and near_its_colour(small, 100, 100)
    assert near_its_colour(large, 99, 200) and not near_its_colour(large, 99, 99)


def test_every_size_of_picture_is_drawn() -> None:
    for size in ((1, 1), (2, 7), (40, 60), (375, 1242)):
        frame = frame_with({1: (0, 0, size[1], size[0])}, size)
        out = FrameDrawing().draw(gray(size), frame, "frame 0")
        assert out.shape == (*size, 3)


def test_the_legend_of_a_sequence_keeps_every_class_that_was_seen() -> None:
    first = frame_with({})
    first.semantic[:100] = 10
    second = frame_with({}, stamp_ns=10**8)
    drawing = FrameDrawing()
    drawing.draw(gray(), first)
    with_sky = drawing.draw(gray(), second)
    without = FrameDrawing().draw(gray(), second)
    assert (with_sky[:300] == without[:300]).all()
    assert (with_sky[-20:] != without[-20:]).any()


@pytest.mark.parametrize("names", [(), ("road",)])
def test_classes_without_a_name_are_drawn_without_one(names: tuple[str, ...]) -> None:
    frame = replace(frame_with({1: (100, 100, 300, 250)}), classes=names)
    tracks = tuple(replace(t, label_name="") for t in frame.tracks)
    out = draw_frame(gray(), replace(frame, tracks=tracks))
    assert (out[180, 200] != 100).any()
