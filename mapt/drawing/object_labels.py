"""Writes class, id and score beside objects, as much as fits and nothing over another label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mapt.drawing.colours import ink_on, track_colour
from mapt.drawing.objects import Box, DrawnTrack
from mapt.drawing.text import Image, put_plate, put_text, text_size, text_width

Plate = tuple[int, int, int, int]  # xyxy pixels
TINY = 1.5  # of the letters' size: a smaller object gets no label
SPREAD = 1.8  # how much wider than its object a label may be


def put_object_labels(
    image: Image, tracks: Sequence[DrawnTrack], parts: Mapping[int, Box] | None = None
) -> None:
    """Label the visible tracks, the largest first.

    A label says class, id and score. A small object has its id alone, a tiny one nothing. A label
    goes above its object, else into its upper edge, else below it. One that would cover another
    gets shorter, and is left out at last.

    Args:
        image: (H,W,3) uint8 RGB, changed in place.
        tracks: the visible ones.
        parts: by track id, the box that its label belongs to, where it is not the track's: a mask
            in pieces is labelled at its largest one.
    """
    size = text_size(*image.shape[:2])
    taken = list[Plate]()
    boxes = {track.id: track.box for track in tracks} | dict(parts or {})
    for track in sorted(tracks, key=lambda t: -_area(boxes[t.id])):
        box = boxes[track.id]
        found = next(
            (
                (text, plate)
                for text in _texts(track, box, size)
                for plate in _places(box, text_width(text, size), size, image.shape)
                if not any(_overlap(plate, other) for other in taken)
            ),
            None,
        )
        if found is None:
            continue
        text, plate = found
        taken.append(plate)
        colour = track_colour(track.id)
        put_plate(image, plate, colour)
        start = (plate[0] + _pad(size), plate[3] - round(0.36 * size))
        put_text(image, text, start, ink_on(colour), size)


def _texts(track: DrawnTrack, box: Box, size: int) -> Iterator[str]:
    """The label's texts that suit the object's size, the longest first."""
    x1, y1, x2, y2 = box
    if min(y2 - y1, x2 - x1) < TINY * size:
        return
    name = track.label_name or f"class {track.label}"
    for text in (f"{name} {track.id}  {track.score:.2f}", f"{name} {track.id}"):
        if text_width(text, size) <= SPREAD * (x2 - x1):
            yield text
    yield str(track.id)


def _places(box: Box, width: int, size: int, shape: tuple[int, ...]) -> Iterator[Plate]:
    """Where a label may go: the plates above, in and below its object that lie in the image."""
    plate_width = width + 2 * _pad(size)
    plate_height = round(1.4 * size)
    for top in (round(box[1]) - plate_height, round(box[1]), round(box[3])):
        for start in (round(box[0]), round(box[2]) - plate_width):
            left = max(min(start, shape[1] - plate_width), 0)
            if 0 <= top and top + plate_height <= shape[0]:
                yield left, top, left + plate_width, top + plate_height


def _pad(size: int) -> int:
    return round(0.35 * size)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(a: Plate, b: Plate) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
