"""Exports of labelling tools as training data: COCO, CVAT and YOLO segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import Dataset
from mapt.data.labelled_video import Clip, LabelledFrame, Video
from mapt.data.static_images import Stills
from mapt.data.triplet import TripletSource
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.labels.annotations.formats import read_annotations
from mapt.labels.annotations.regions import Annotations, LabelledImage
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import Instance, Semantic


@dataclass(frozen=True)
class RegionReader:
    """Reads the label maps of a labelled image, by the path of the image."""

    images: dict[Path, LabelledImage]
    labels: ClassSet
    tracked: bool

    def __call__(self, path: Path) -> tuple[Semantic, Instance]:
        """Class (H,W) uint8 and id (H,W) int32 of every pixel."""
        height, width, _ = read_rgb(path).shape
        return self.images[path].label_maps(height, width, self.labels, self.tracked)


def open_annotated(
    root: Path, split: str, intervals: tuple[int, ...], bad: BadFiles | None = None
) -> TripletSource:
    """Open the samples of an export, see `mapt.labels.annotations.formats: read_annotations`.

    With tracks, and where neighbouring frames are labelled, they are triplets of video: each run of
    frames without a gap is a clip. Otherwise every image is a still that is moved.

    Args:
        root: the export's file, or a folder that holds one.
        split: of YOLO; of a folder with several files, the one that has it in its name is read.
        intervals: tau, in frames.
        bad: what to do with images that are missing.

    Raises:
        InputError: no export, no image, or an image is missing and not skipped.
    """
    bad = bad or BadFiles()
    found = read_annotations(root, split)
    for message in found.missing:
        bad.report(message)
    if not found.images:
        raise InputError(f"{root}: has no labelled image; check the export")
    clips = _clips(found) if found.tracked else []
    reader = RegionReader({i.path: i for i in found.images}, found.labels, bool(clips))
    if clips:
        return Video(
            root,
            [Clip(name, [_frame(image, reader) for image in run]) for name, run in clips],
            found.labels,
            intervals,
            bad,
        )
    return Stills([(i.path, i.path) for i in found.images], reader, bad, found.labels)


def _clips(found: Annotations) -> list[tuple[str, list[LabelledImage]]]:
    """The runs of at least two frames whose numbers follow each other, by folder and number."""
    numbered = sorted(
        ((i.path.parent, i.number, i) for i in found.images if i.number is not None),
        key=lambda entry: entry[:2],
    )
    runs: list[list[tuple[Path, int, LabelledImage]]] = []
    for entry in numbered:
        last = runs[-1][-1] if runs else None
        if last and last[0] == entry[0] and entry[1] == last[1] + 1:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return [
        (f"{run[0][0].name} from {run[0][1]}", [image for _, _, image in run])
        for run in runs
        if len(run) > 1
    ]


def _frame(image: LabelledImage, reader: RegionReader) -> LabelledFrame:
    number = image.number
    assert number is not None
    return LabelledFrame(number, image.path, f"label of {image.path}", partial(reader, image.path))


DATASETS = (Dataset("annotated", "an export of a labelling tool", open_annotated, place=5),)
