import cv2
import numpy as np

from mapt.drawing.colours import CLASS_COLOURS, class_colours, ink_on, track_colour


def lab(colours: list[tuple[int, int, int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """CIELAB, in which distances are what an eye sees."""
    rgb = np.array(colours, np.float32)[None] / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[0], np.float32)


def test_ids_that_are_seen_together_look_different() -> None:
    colours = lab([track_colour(number) for number in range(1, 300)])
    for apart in range(1, 13):
        assert np.linalg.norm(colours[apart:] - colours[:-apart], axis=1).min() > 12, apart
    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 50


def test_a_track_keeps_its_colour_and_stands_out_from_a_dark_street() -> None:
    assert track_colour(12) == track_colour(12)
    assert all(lab([track_colour(number)])[0, 0] > 45 for number in range(1, 300))


def test_names_decide_a_classs_colour_and_others_get_one_each() -> None:
    assert class_colours(("car", "sky")) == (CLASS_COLOURS["car"], CLASS_COLOURS["sky"])
    own = class_colours(("floor", "pallet", "forklift"))
    assert len(set(own)) == 3 and own == class_colours(("floor", "pallet", "forklift"))


def test_ink_is_read_on_its_ground() -> None:
    assert ink_on((255, 255, 0)) == (0, 0, 0) and ink_on((0, 0, 142)) == (255, 255, 255)
