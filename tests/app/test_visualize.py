import numpy as np

from mapt.app.visualize import contact_sheet, draw, track_colour
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import VOID
from mapt.runtime import PanopticFrame
from mapt.runtime.frame import Track


def _frame(semantic: np.ndarray, instance: np.ndarray, lost: int = 0) -> PanopticFrame:
    track = Track(3, 13, 0.9, (10.0, 10.0, 30.0, 30.0), 1, lost)
    return PanopticFrame(semantic, instance, (track,), (), {}, 0, 0)


def test_a_track_has_its_colour_and_the_rest_its_classs_tint() -> None:
    image = np.full((80, 120, 3), 100, np.uint8)
    semantic = np.zeros((80, 120), np.uint8)
    instance = np.zeros((80, 120), np.int32)
    semantic[40:70, 20:60] = 13
    instance[40:70, 20:60] = 3
    semantic[:5] = VOID
    out = draw(image, _frame(semantic, instance), KITTI_STEP)
    inside = (0.45 * 100 + 0.55 * np.array(track_colour(3))).astype(np.uint8)
    np.testing.assert_array_equal(out[55, 40], inside)
    np.testing.assert_array_equal(out[2, 5], [100, 100, 100])
    road = 0.72 * 100 + 0.28 * np.array(KITTI_STEP.palette[0])
    np.testing.assert_allclose(out[75, 100], road, atol=1)
    np.testing.assert_array_equal(image, 100)


def test_lost_tracks_are_not_drawn() -> None:
    image = np.full((80, 120, 3), 100, np.uint8)
    empty = np.zeros((80, 120), np.int32)
    shown = draw(image, _frame(np.zeros((80, 120), np.uint8), empty, lost=2), KITTI_STEP)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_neighbouring_ids_look_different() -> None:
    colours = np.array([track_colour(i) for i in range(1, 40)], float)
    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 60


def test_a_contact_sheet_holds_every_picture() -> None:
    pictures = [np.full((50, 100, 3), 40 * i, np.uint8) for i in range(3)]
    sheet = contact_sheet(pictures, ["a", "b", "c"], columns=2, width=100)
    assert sheet.shape == (2 * 54, 2 * 104, 3)
    assert (
        sheet[20, 50].tolist() == [0, 0, 0]
        and sheet[20, 154].tolist() == [40] * 3
        and sheet[74, 50].tolist() == [80] * 3
    )
