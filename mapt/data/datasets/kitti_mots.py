"""Reads KITTI-MOTS as training data. It labels cars and people, so all other pixels are void."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.kitti_step import frame_number
from mapt.data.datasets.registry import Dataset
from mapt.data.labelled_video import Clip, LabelledFrame, Video
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, by_frame, list_files, list_folders
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.gray_png import read_grey
from mapt.labels.mots_text import (
    CLASSES,
    IGNORE,
    PER_CLASS,
    MotsObject,
    frame_size,
    mots_texts,
    read_mots_text,
    to_panoptic,
)
from mapt.labels.step_png import BACKGROUND, VOID, Instance, Semantic

VALIDATION = (  # of the 21 sequences with labels
    "0002",
    "0006",
    "0007",
    "0008",
    "0010",
    "0013",
    "0014",
    "0016",
    "0018",
)
IGNORED = -1  # id of an ignored region, see `Triplet`


def open_kitti_mots(
    root: Path, split: str, intervals: tuple[int, ...], bad: BadFiles | None = None
) -> Video:
    """Open the triplets of KITTI-MOTS.

    The labels are `instances/<seq>/<frame>.png` or `instances_txt/<seq>.txt`. The images are in
    `training/image_02/<seq>`.

    Args:
        root: the dataset's folder. Images may also be in `image_02/<seq>`.
        split: "train" or "val" as published, or "all".
        intervals: the choices for the interval tau, in frames.
        bad: decides what happens to bad files; by default they raise.

    Raises:
        InputError: there are no labels or no images, or an image is missing and not skipped.
    """
    bad = bad or BadFiles()
    images = next(
        (p for p in (root / "training" / "image_02", root / "image_02") if p.is_dir()), None
    )
    if images is None:
        raise InputError(
            f"{root / 'training' / 'image_02'}: no such folder; copy KITTI tracking's images there"
        )
    folders = {p.name: p for p in list_folders(root / "instances")}
    texts = {} if folders else mots_texts(root)
    clips = [
        (
            _text_clip(name, texts[name], images / name, bad)
            if texts
            else _png_clip(folders[name], images / name, bad)
        )
        for name in sorted(folders or texts)
        if split == "all" or (name in VALIDATION) == (split == "val")
    ]
    clips = [clip for clip in clips if clip.frames]
    if not clips:
        raise InputError(
            f"{root}: no instances/<seq>/<frame>.png and no instances_txt/<seq>.txt of split"
            f" {split}"
        )
    return Video(root, clips, KITTI_STEP, intervals, bad)


def _png_clip(folder: Path, images: Path, bad: BadFiles) -> Clip:
    frames = []
    pictures = by_frame(list_files(images, *IMAGES))
    for key, path in by_frame(list_files(folder, ".png")).items():
        number = frame_number(path)
        image = pictures.get(key)
        if image is None:
            bad.report(
                f"{images / path.name}: image of a labelled frame is missing; copy it or remove its"
                " label"
            )
        else:
            frames.append(LabelledFrame(number, image, str(path), partial(read_instances, path)))
    return Clip(folder.name, frames)


def _text_clip(name: str, text: Path, images: Path, bad: BadFiles) -> Clip:
    """List the frames that have an image, because a text does not list frames without objects."""
    objects = read_mots_text(text)
    size = frame_size(objects)
    found = {
        number: p for (number, _), p in by_frame(list_files(images, *IMAGES)).items() if number >= 0
    }
    for number in sorted(set(objects) - set(found)):
        bad.report(
            f"{images / f'{number:06d}.png'}: is missing, {text} has objects in this frame; copy it"
        )
    frames = [
        LabelledFrame(
            number,
            path,
            f"{text} frame {number}",
            partial(_read_objects, objects.get(number, []), size, path, f"{text} frame {number}"),
        )
        for number, path in sorted(found.items())
    ]
    return Clip(name, frames)


def _read_objects(
    objects: list[MotsObject], size: tuple[int, int] | None, image: Path, where: str
) -> tuple[Semantic, Instance]:
    """Draw the label of a frame. Its size is that of the image if the text has no object."""
    height, width = size or read_rgb(image).shape[:2]
    semantic, instance = to_panoptic(objects, (height, width), where)
    return _unlabelled(semantic, instance, semantic == VOID)


def read_instances(path: Path) -> tuple[Semantic, Instance]:
    """Read a PNG of 16-bit values class * 1000 + number.

    Returns:
        Train ids (H,W) uint8, which are void except for cars and people, and ids (H,W) int32.

    Raises:
        InputError: the file is not a grey 16-bit PNG, or has a class that KITTI-MOTS does not have.
    """
    ids = read_grey(path, 16)
    label = ids // PER_CLASS
    unknown = (ids != 0) & ~np.isin(label, [*CLASSES, IGNORE])
    if unknown.any():
        raise InputError(
            f"{path}: has id {int(ids[unknown][0])}, which is no class * 1000 + number of"
            " KITTI-MOTS"
        )
    semantic = np.full(ids.shape, BACKGROUND, np.uint8)
    for own, train_id in CLASSES.items():
        semantic[label == own] = train_id
    thing = semantic != BACKGROUND
    return _unlabelled(
        semantic, np.where(thing, ids % PER_CLASS + 1, 0).astype(np.int32), label == IGNORE
    )


def _unlabelled(
    semantic: Semantic, instance: Instance, ignored: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> tuple[Semantic, Instance]:
    """Turn the background into void, and give ignored regions the id `IGNORED`.

    The semantic loss then counts only cars and people, and ignored regions give no samples.
    """
    instance[ignored] = IGNORED
    return np.where(semantic == BACKGROUND, VOID, semantic).astype(np.uint8), instance


DATASETS = (Dataset("kitti_mots", "KITTI-MOTS (research use only)", open_kitti_mots, place=2),)
