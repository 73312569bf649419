import numpy as np

from mapt.drawing.colours import track_colour
from mapt.drawing.trails import Trails
from mapt.runtime import Track
from tests.drawing.scenes import gray

SIZE = (360, 640)


def car(x: float, number: int = 1, height: float = 60) -> Track:
    return Track(number, 13, 0.9, (x, 200 - height, x + 80, 200), 1, 0, "car")


def drawn(trails: Trails, number: int = 1) -> list[int]:
    """The columns in which a trail's colour is."""
    image = gray()
    trails.put(image)
    near = np.abs(image.astype(int) - track_colour(number)).sum(2) < 60
    return sorted(np.flatnonzero(near.any(0)).tolist())


def test_a_trail_leads_to_an_objects_feet_and_ends_after_a_while() -> None:
    trails = Trails()
    for step in range(11):
        trails.add(step * 100_000_000, [car(100 + 20 * step)], SIZE)
    columns = drawn(trails)
    assert columns[0] in range(138, 146) and columns[-1] in range(336, 344)
    for step in range(11, 31):
        trails.add(step * 100_000_000, [car(300)], SIZE)
    assert drawn(trails)[0] > 330


def test_no_trail_after_a_jump_a_cut_or_an_absence_and_none_of_tiny_objects() -> None:
    trails = Trails()
    for step in range(5):
        trails.add(step, [car(100 + 10 * step)], SIZE)
    assert drawn(trails)
    trails.add(5, [car(400)], SIZE)
    assert not drawn(trails)
    for step in range(6, 9):
        trails.add(step, [car(400 + 5 * step)], SIZE)
    assert drawn(trails)
    trails.add(9, [], SIZE)
    trails.add(10, [car(450)], SIZE)
    assert not drawn(trails)
    for stamp in (11, 12, 3):  # the clock went back
        trails.add(stamp, [car(450 + stamp)], SIZE)
    assert not drawn(trails)
    for step in range(20, 30):
        trails.add(step, [car(100 + 10 * step, 2, height=8)], SIZE)
    assert not drawn(trails, 2)
