"""Outputs in the texts of other tools: MOTChallenge's, KITTI-MOTS' and YOLO's."""

from __future__ import annotations

from pathlib import Path

from mapt.app.outputs.output import Labelled, OutputSequence, TextOutput
from mapt.app.outputs.polygons import joined_polygon
from mapt.errors import InputError
from mapt.labels.class_sets import ClassSet
from mapt.labels.mots_text import MAX_ID
from mapt.labels.rle import encode_mask
from mapt.runtime import PanopticFrame

YOLO_CLASSES = "classes.txt"
# The classes of KITTI-MOTS by the names that class sets have for them.
MOTS_CLASSES = {"car": 1, "person": 2, "pedestrian": 2}
DIGITS = 9  # of a frame's number at most; longer ones are times


class MotOutput(TextOutput):
    """`mot.txt` in MOTChallenge's format."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        super().__init__(folder / "mot.txt")

    def write(self, labelled: Labelled) -> None:
        """Add a line for each visible track."""
        self.add(mot_lines(labelled.index, labelled.labels))


class MotsOutput(TextOutput):
    """`mots.txt` in KITTI-MOTS' format.

    A frame has the number that is its name, if the name is a number.
    """

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        super().__init__(folder / "mots.txt")

    def write(self, labelled: Labelled) -> None:
        """Add a line for each visible car and person."""
        stem = labelled.frame.stem
        numbered = stem.isdecimal() and len(stem) <= DIGITS
        number = int(stem) if numbered else labelled.index
        self.add(mots_lines(number, labelled.labels))


class YoloOutput:
    """`yolo/<frame>.txt`, a polygon for each visible object, in YOLO's segmentation format.

    `yolo/classes.txt` names the classes, one a line.
    """

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.folder = folder / "yolo"
        self.labels = sequence.labels
        self.folder.mkdir()

    def write(self, labelled: Labelled) -> None:
        """Write the frame's file; it is empty where no object is visible."""
        lines = yolo_lines(labelled.labels)
        path = self.folder / f"{labelled.frame.stem}.txt"
        if path.name == YOLO_CLASSES:
            raise InputError(
                f"frame {labelled.frame.stem}: yolo/{YOLO_CLASSES} names the classes; rename the"
                " frame"
            )
        path.write_text("".join(f"{line}\n" for line in lines))

    def finish(self) -> None:
        """Write the names of the classes."""
        text = "".join(f"{name}\n" for name in self.labels.classes)
        (self.folder / YOLO_CLASSES).write_text(text)

    def abort(self) -> None:
        """Leave everything: nothing is open."""


def mot_lines(index: int, frame: PanopticFrame) -> list[str]:
    """Return MOTChallenge's result lines of the visible tracks.

    A line is `frame,id,left,top,width,height,confidence,-1,-1,-1`.

    Args:
        index: of the frame, from 0; the format counts frames and pixels from 1.
        frame: the labels.
    """
    return [
        f"{index + 1},{t.id},{t.box[0] + 1:.2f},{t.box[1] + 1:.2f},{t.box[2] - t.box[0]:.2f},"
        f"{t.box[3] - t.box[1]:.2f},{t.score:.4f},-1,-1,-1"
        for t in frame.tracks
        if not t.lost
    ]


def check_mots_classes(labels: ClassSet) -> None:
    """Refuse a network that finds neither cars nor people, which are all that the format has.

    Raises:
        InputError: it does not.
    """
    names = [labels.classes[i] for i in labels.things]
    if not MOTS_CLASSES.keys() & names:
        raise InputError(
            f"--save mots: KITTI-MOTS has cars and people, this network finds"
            f" {', '.join(names) or 'no objects'}; leave out mots"
        )


def mots_lines(number: int, frame: PanopticFrame) -> list[str]:
    """Return KITTI-MOTS' lines of the visible cars and people, `frame id class height width rle`.

    Args:
        number: of the frame; KITTI's begin at 0.
        frame: the labels; ids are written as they are.

    Raises:
        InputError: an id that the format cannot have.
    """
    height, width = frame.instance.shape
    lines = []
    for track in frame.tracks:
        label = MOTS_CLASSES.get(track.label_name)
        mask = frame.instance == track.id
        if label is None or track.lost or not mask.any():
            continue
        if track.id > MAX_ID:
            raise InputError(
                f"frame {number}: track {track.id} is beyond KITTI-MOTS' {MAX_ID}; split the"
                " sequence"
            )
        text = encode_mask(mask).decode()
        lines.append(f"{number} {track.id} {label} {height} {width} {text}")
    return lines


def yolo_lines(frame: PanopticFrame) -> list[str]:
    """Return YOLO's segmentation lines of the visible tracks, `class x y x y ...`.

    Coordinates are shares of the width and height. A mask of several parts is one polygon, its
    parts joined by lines without width. The format has no holes, so they are filled.

    Args:
        frame: the labels; the class is the train id.
    """
    height, width = frame.instance.shape
    lines = []
    for track in frame.tracks:
        if track.lost:
            continue
        polygon = joined_polygon(frame.instance == track.id)
        if polygon is not None:
            shares = " ".join(f"{x / width:.6f} {y / height:.6f}" for x, y in polygon.tolist())
            lines.append(f"{track.label} {shares}")
    return lines


def is_yolo_file(folder: Path, name: str) -> bool:
    """Tell whether a file, by its path below a sequence's folder, is one of `YoloOutput`.

    Beside the classes these are texts of numbers alone, so that notes of a user are not taken for
    one.
    """
    place, _, file = name.rpartition("/")
    if place != "yolo" or not file.endswith(".txt"):
        return False
    return file == YOLO_CLASSES or _is_of_numbers(folder / name)


def _is_of_numbers(path: Path) -> bool:
    try:
        [float(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return False
    return True
