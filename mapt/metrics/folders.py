"""Finds ground truth and prediction on disk, and pairs the files.

The pairs are checked before anything is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_folders import check_complete
from mapt.io.listing import by_frame, list_files, list_folders, visible
from mapt.labels.mots_text import mots_texts
from mapt.labels.step_png import read_packed
from mapt.metrics.frame_pair import THINGS_ONLY, FramePair
from mapt.metrics.mots_pairs import pair_predicted_text, pair_truth_text

Pairing = Callable[[str, Path, Path, bool], Iterator[FramePair]]


def pair_frames(
    gt: Path,
    pred: Path,
    dataset: str,
    sequences: list[str] | None = None,
    labelled_only: bool = False,
) -> list[FramePair]:
    """Every frame of both sides, matched by sequence and number.

    Args:
        gt: ground truth: `<seq>/<frame>.png` in the folder or under its panoptic_maps/<split>; for
            kitti-mots also `<seq>.txt` files or one such file.
        pred: `<seq>/<frame>.png` in the folder or under its `step`; for kitti-mots, where there are
            none, also `<seq>.txt` files or one such file.
        dataset: name.
        sequences: restrict to these.
        labelled_only: leave predictions of frames without ground truth out; for KITTI-MOTS, of
            frames without objects.

    Raises:
        InputError: nothing there, a frame twice, or a sequence or frame that only one side has.
    """
    texts = mots_texts(gt) if dataset == THINGS_ONLY else {}
    predicted_texts = _predicted_texts(pred) if dataset == THINGS_ONLY else {}
    predicted = predicted_texts or _folders(_inner(pred, "step"))
    truth = texts or _folders(_inner(gt, "panoptic_maps"))
    pair: Pairing = pair_truth_text if texts else _pair_folders
    if predicted_texts:
        pair = pair_predicted_text
    return [
        frame
        for name in _chosen(sequences, truth, predicted, gt, pred)
        for frame in pair(name, truth[name], predicted[name], labelled_only)
    ]


def truth_folders(gt: Path) -> dict[str, Path]:
    """Find the folders of ground truth by sequence.

    Args:
        gt: `<seq>/<frame>.png` in the folder or under its panoptic_maps/<split>.

    Raises:
        InputError: nothing there.
    """
    return _folders(_inner(gt, "panoptic_maps"))


def _predicted_texts(pred: Path) -> dict[str, Path]:
    """The MOTS texts of a prediction by sequence; none where it has PNGs.

    `mapt track --save mots` writes `<seq>/mots.txt`.
    """
    if pred.is_dir() and png_folders(_inner(pred, "step")):
        return {}
    return mots_texts(pred) or {p.parent.name: p for p in visible(pred.glob("*/mots.txt"))}


def _inner(root: Path, name: str) -> Path:
    """`root`, or the labels below it: root/<name>, and below panoptic_maps its only split."""
    if not root.exists():
        raise InputError(f"{root}: no such file or folder; check the path")
    folder = root / name
    if not folder.is_dir():
        return root
    if name != "panoptic_maps":
        return folder
    splits = list_folders(folder)
    if len(splits) != 1:
        found = ", ".join(p.name for p in splits) or "none"
        raise InputError(f"{folder}: has the splits {found}; name one, e.g. {folder}/val")
    return splits[0]


def _folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder of <sequence>/<frame>.png; check the path")
    found = png_folders(root)
    if not found:
        raise InputError(f"{root}: holds no <sequence>/<frame>.png; check the path")
    return found


def png_folders(root: Path, pattern: str = "*") -> dict[str, Path]:
    """Find the folders `root/<pattern>` that hold PNGs, by their path below `root`.

    If there are none, the result is `root` itself, by its name.
    """
    found = [p for p in visible(root.glob(pattern)) if list_files(p, ".png")]
    if not found and list_files(root, ".png"):
        return {root.name: root}
    return {p.relative_to(root).as_posix(): p for p in found}


def _chosen(
    wanted: list[str] | None,
    gt: dict[str, Path],
    pred: dict[str, Path],
    gt_root: Path,
    pred_root: Path,
) -> list[str]:
    names = (
        list(dict.fromkeys(wanted)) if wanted is not None else sorted(gt)
    )  # twice would count its frames twice
    if not names:
        raise InputError(f"{gt_root}: no sequence is chosen; name some, or leave --sequences out")
    for name in names:
        if name not in gt:
            raise InputError(f"{gt_root}: has no sequence {name}; it has {', '.join(gt)}")
        if name not in pred:
            raise InputError(
                f"{pred_root}: has no prediction of sequence {name}; predict it, or restrict"
                " --sequences"
            )
    extra = sorted(set(pred) - set(gt)) if wanted is None else []
    if extra:
        raise InputError(
            f"{pred_root}: sequence {extra[0]} has no ground truth; restrict --sequences"
        )
    return names


def _pair_folders(name: str, gt: Path, pred: Path, labelled_only: bool) -> Iterator[FramePair]:
    """Frames of two folders by their number."""
    check_complete(pred)
    truth = by_frame(list_files(gt, ".png"))
    found = by_frame(list_files(pred, ".png"))
    missing = next((path for frame, path in truth.items() if frame not in found), None)
    if missing is not None:
        raise InputError(
            f"{pred / missing.name}: is missing, the ground truth has this frame; predict every"
            " frame"
        )
    extra = next((path for frame, path in found.items() if frame not in truth), None)
    if extra is not None and not labelled_only:
        raise InputError(
            f"{extra}: has no ground truth; remove it, check the sequence, or score the labelled"
            " frames alone with --labelled-only"
        )
    for frame, path in truth.items():
        reads = (partial(read_packed, path), partial(read_packed, found[frame]))
        yield FramePair(name, str(path), str(found[frame]), *reads)
