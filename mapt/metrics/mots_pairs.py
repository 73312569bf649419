"""Pairs the frames of KITTI-MOTS texts, on either side or on both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_folders import check_complete
from mapt.io.listing import by_frame, list_files
from mapt.labels.mots_text import MotsObject, frame_size, pack_objects, read_mots_text
from mapt.labels.step_png import Packed, read_packed
from mapt.metrics.frame_pair import FramePair


def pair_truth_text(name: str, text: Path, pred: Path, labelled_only: bool) -> Iterator[FramePair]:
    """Yield the frames of a MOTS text with their predictions.

    Frames without objects are empty. Every frame from the first to the last one must be predicted.
    """
    check_complete(pred)
    objects = read_mots_text(text)
    found = _numbered(pred)
    if labelled_only:
        lacking = sorted(objects.keys() - found.keys())
        found = {number: path for number, path in found.items() if number in objects}
        if lacking:
            raise InputError(
                f"{pred / f'{lacking[0]:06d}.png'}: is missing, {text} has objects in this frame;"
                " predict every frame"
            )
    known = objects.keys() | found.keys()
    for number in range(min(known), max(known) + 1) if known and not labelled_only else ():
        if number not in found:
            why = (
                f"{text} has objects in this frame"
                if number in objects
                else "frames before and after it are there"
            )
            raise InputError(
                f"{pred / f'{number:06d}.png'}: is missing, {why}; predict every frame"
            )
    size = frame_size(objects)
    for number, path in sorted(found.items()):
        where = f"{text} frame {number}"
        read = partial(_read_text, objects.get(number, []), size, path, where)
        yield FramePair(name, where, str(path), read, partial(read_packed, path))


def _numbered(folder: Path) -> dict[int, Path]:
    """The PNGs of a folder by their frame's number."""
    found: dict[int, Path] = {}
    for (number, _), path in by_frame(list_files(folder, ".png")).items():
        if number < 0:
            raise InputError(
                f"{path}: is not named by its frame's number; KITTI-MOTS counts frames from 0"
            )
        found[number] = path
    return found


def _read_text(
    objects: list[MotsObject], size: tuple[int, int] | None, other: Path, where: str
) -> Packed:
    """Read a frame of a text.

    A text without objects does not state its size. The size of the other side's PNG is used then.
    """
    return pack_objects(objects, size or read_packed(other).shape, where)


def pair_predicted_text(
    name: str, truth: Path, pred: Path, labelled_only: bool
) -> Iterator[FramePair]:
    """Yield the frames of a ground truth with the objects that a MOTS text predicts in them.

    Args:
        name: of the sequence.
        truth: its ground truth, a MOTS text or a folder of PNGs. Of two texts, the frames are those
            in which either has an object.
        pred: the predicted MOTS text. It is empty in the frames that it does not list.
        labelled_only: of two texts, only the frames in which the ground truth has an object.

    Raises:
        InputError: a bad text, or a predicted object in a frame without a label.
    """
    check_complete(pred.parent)
    found = read_mots_text(pred)
    size = frame_size(found)
    if truth.is_dir():
        labels = _numbered(truth)
        extra = sorted(found.keys() - labels.keys())
        if extra and not labelled_only:
            raise InputError(
                f"{pred}: has objects in frame {extra[0]}, {truth} has no such label; check the"
                " sequence, or score the labelled frames alone with --labelled-only"
            )
        for number, path in labels.items():
            where = f"{pred} frame {number}"
            read = partial(_read_text, found.get(number, []), size, path, where)
            yield FramePair(name, str(path), where, partial(read_packed, path), read)
        return
    objects = read_mots_text(truth)
    gt_size = frame_size(objects) or size
    pred_size = size or gt_size
    if gt_size is None or pred_size is None:  # neither has an object
        return
    for number in sorted(objects if labelled_only else objects.keys() | found.keys()):
        gt_name = f"{truth} frame {number}"
        pred_name = f"{pred} frame {number}"
        read_gt = partial(pack_objects, objects.get(number, []), gt_size, gt_name)
        read_pred = partial(pack_objects, found.get(number, []), pred_size, pred_name)
        yield FramePair(name, gt_name, pred_name, read_gt, read_pred)
