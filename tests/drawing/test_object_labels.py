import numpy as np

from mapt.drawing.colours import track_colour
from mapt.drawing.object_labels import put_object_labels
from mapt.runtime import Track
from tests.drawing.scenes import gray

Box = tuple[float, float, float, float]


def plates(boxes: dict[int, Box], size: tuple[int, int] = (360, 640)) -> dict[int, int]:
    """How many pixels have exactly the colour of each track's plate."""
    image = gray(size)
    put_object_labels(image, [Track(i, 13, 0.9, box, 1, 0, "car") for i, box in boxes.items()])
    return {i: int((image == track_colour(i)).all(2).sum()) for i in boxes}


def test_large_objects_have_name_and_score_small_ones_their_id_tiny_ones_nothing() -> None:
    large, medium, small, tiny = plates(
        {
            1: (50, 200, 250, 300),
            2: (300, 200, 330, 250),
            3: (400, 200, 418, 220),
            4: (500, 200, 510, 210),
        }
    ).values()
    assert large > medium > small > tiny == 0


def test_letters_grow_with_the_picture() -> None:
    box = (0.25, 0.5, 0.75, 0.9)
    areas = []
    for height, width in ((360, 640), (2160, 3840)):
        place = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        areas.append(plates({1: place}, (height, width))[1])
    assert areas[1] > 8 * areas[0]


def test_no_label_covers_another_and_the_nearest_object_has_the_longest() -> None:
    near = (200.0, 150.0, 400.0, 300.0)
    alone = plates({1: near})[1]
    together = plates({1: near, 2: (190.0, 148.0, 380.0, 240.0), 3: (200.0, 149.0, 390.0, 230.0)})
    assert together[1] == alone and min(together.values()) > 0


def test_a_label_stays_in_the_picture() -> None:
    for box in ((600.0, 100.0, 640.0, 200.0), (0.0, 0.0, 640.0, 360.0)):
        image = gray()
        put_object_labels(image, [Track(1, 13, 0.9, box, 1, 0, "car")])
        plate = np.argwhere((image == track_colour(1)).all(2))
        width = plate[:, 1].max() - plate[:, 1].min()
        assert width > 40  # whole
