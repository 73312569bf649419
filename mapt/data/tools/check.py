"""Checks that a labelled dataset is sound.

Every file is read. Problems are counted, and the first files of each kind are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mapt.data.datasets.kitti_step import image_folder
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, FrameKey, by_frame, frame_key, list_files
from mapt.io.prefetch import map_ahead
from mapt.labels.class_sets import ClassSet
from mapt.labels.mots_text import CLASSES, PER_CLASS, mots_texts, pack_objects, read_mots_text
from mapt.labels.step_png import VOID, Packed, read_packed
from mapt.metrics.folders import LABELS, THINGS_ONLY, png_folders, unknown_class
from mapt.metrics.histogram import joint_histogram

FIRST = 3  # files named per kind
# Missing frame numbers are listed one by one up to this many. A longer gap is one line, because
# names may be times in nanoseconds.
LONGEST_GAP = 10_000


@dataclass
class Findings:
    """The findings of a check.

    Attributes:
        labels: the dataset's classes.
        frames: the number of frames by sequence.
        problems: lines "file: detail" by kind of problem. One problem makes the dataset unsound.
        notes: the same, of peculiarities that do no harm.
        pixels: the number of pixels by class, over all frames.
        tracks: distinct pairs (sequence, id) by thing class.
    """

    labels: ClassSet
    frames: dict[str, int] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    pixels: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    tracks: dict[int, set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))

    def to_json(self) -> dict[str, Any]:
        """Return the findings as values that JSON can hold."""
        total = max(1, sum(self.pixels.values()))
        names = self.labels.classes
        classes: dict[str, dict[str, Any]] = {
            names[c] if c < len(names) else str(c): {"pixels": n / total}
            for c, n in sorted(self.pixels.items())
        }
        for c, tracks in self.tracks.items():
            classes[names[c]]["tracks"] = len(tracks)
        return {
            "sequences": self.frames,
            "problems": {
                kind: {"count": len(files), "first": files[:FIRST]}
                for kind, files in self.problems.items()
                if files
            },
            "notes": {
                kind: {"count": len(files), "first": files[:FIRST]}
                for kind, files in self.notes.items()
                if files
            },
            "classes": classes,
        }


@dataclass(frozen=True)
class _Frame:
    """A label to read, and its image if there is one."""

    name: str
    read: Callable[[], Packed]
    image: Path | None


def check_dataset(
    root: Path, dataset: str, workers: int = 1, done: Callable[[], None] | None = None
) -> Findings:
    """Read every label and image of a dataset.

    Args:
        root: contains panoptic_maps/<split>/<seq>/<frame>.png or <seq>/<frame>.png, or for
            kitti-mots <seq>.txt. Images are sought where training seeks them, see
            `mapt.data.datasets.kitti_step.list_sequences`.
        dataset: its name, as in `mapt eval`.
        workers: threads that read files.
        done: called after each frame.

    Returns:
        All findings. A bad file does not end the check.

    Raises:
        InputError: there is no label to check.
    """
    findings = Findings(LABELS[dataset])
    texts = mots_texts(root) if dataset == THINGS_ONLY else {}
    sequences = {name: partial(_text_frames, name, text, root) for name, text in texts.items()} or {
        name: partial(_png_frames, folder, root) for name, folder in label_folders(root).items()
    }
    for name, list_frames in sequences.items():
        frames = list_frames(findings)
        findings.frames[name] = len(frames)
        check = _SequenceCheck(name, dataset, findings)
        for frame, (packed, problems) in map_ahead(_read, frames, workers):
            for kind, detail in problems:
                findings.problems[kind].append(detail)
            check.add(frame, packed)
            if done:
                done()
    return findings


def label_folders(root: Path) -> dict[str, Path]:
    """Find the folders of STEP PNGs by sequence.

    Args:
        root: contains <sequence>/<frame>.png, itself or in panoptic_maps/<split>. In the second
            case a sequence is named <split>/<sequence>.

    Raises:
        InputError: there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; check the path")
    maps = root / "panoptic_maps"
    base, pattern = (maps, "*/*") if maps.is_dir() else (root, "*")
    folders = png_folders(base, pattern)
    if not folders:
        raise InputError(f"{base}: holds no <sequence>/<frame>.png; check the path and --dataset")
    return folders


def _png_frames(folder: Path, root: Path, findings: Findings) -> list[_Frame]:
    """Return the frames of a folder and note its problems.

    Problems are gaps in the frames' numbers, and frames with only a label or only an image.
    """
    labels = list_files(folder, ".png")
    odd = [p for p in labels if frame_key(p)[0] < 0]
    findings.problems["not named by a frame number"] += map(str, odd)
    labels = _once([p for p in labels if p not in odd], findings)
    for before, after in pairwise(labels):
        missing = range(int(before.stem) + 1, int(after.stem))
        count = missing.stop - missing.start
        if count > LONGEST_GAP:
            findings.problems["frame missing"].append(
                f"{after}: {count} numbers are missing before it"
            )
            continue
        findings.problems["frame missing"] += [
            str(folder / f"{n:0{len(before.stem)}d}.png") for n in missing
        ]
    pictures = image_folder(root, folder.parent.name, folder.name)
    images = _images(pictures, folder.name, findings)
    if pictures is not None and images is not None:
        keys = {frame_key(p): p for p in labels}
        findings.problems["label without image"] += [
            str(pictures / p.stem) for k, p in keys.items() if k not in images
        ]
        findings.problems["image without label"] += [
            str(p) for key, p in images.items() if key not in keys
        ]
    return [
        _Frame(str(p), partial(read_packed, p), (images or {}).get(frame_key(p))) for p in labels
    ]


def _once(files: list[Path], findings: Findings) -> list[Path]:
    """Keep one file of each frame, and note the others."""
    kept: dict[FrameKey, Path] = {}
    for path in files:
        if kept.setdefault(frame_key(path), path) is not path:
            findings.problems["frame twice"].append(
                f"{path}: is the frame of {kept[frame_key(path)].name} again"
            )
    return list(kept.values())


def _images(folder: Path | None, sequence: str, findings: Findings) -> dict[FrameKey, Path] | None:
    """Return a sequence's images by frame, or None if there is no folder of them."""
    if folder is None:
        findings.notes["no images beside the labels"].append(sequence)
        return None
    return by_frame(_once(list_files(folder, *IMAGES), findings))


def _text_frames(name: str, text: Path, root: Path, findings: Findings) -> list[_Frame]:
    """Return the frames of a KITTI-MOTS text that have objects.

    Ids that do not have the form of their class are noted.
    """
    try:
        objects = read_mots_text(text)
    except InputError as error:
        findings.problems["unreadable"].append(str(error))
        return []
    images = _images(image_folder(root, "", name), name, findings)
    frames = []
    for number, things in sorted(objects.items()):
        where = f"{text} frame {number}"
        for thing in things:
            if thing.label in CLASSES and thing.id // PER_CLASS != thing.label:
                findings.notes["id is not class * 1000 + number"].append(
                    f"{where}: class {thing.label} id {thing.id}"
                )
        image = (images or {}).get((number, ""))
        if images is not None and image is None:
            findings.problems["label without image"].append(where)
        frames.append(
            _Frame(
                where,
                partial(pack_objects, things, (things[0].height, things[0].width), where),
                image,
            )
        )
    return frames


def _read(frame: _Frame) -> tuple[Packed | None, list[tuple[str, str]]]:
    """Read a frame's label and image.

    The result is the label, or None if it cannot be read, and the problems (kind, detail).
    """
    problems = []
    packed = None
    shape = None
    try:
        packed = frame.read()
    except InputError as error:
        problems.append(("unreadable", str(error)))
    if frame.image:
        try:
            shape = read_rgb(frame.image).shape[:2]
        except InputError as error:
            problems.append(("unreadable", str(error)))
    if packed is not None and shape not in (None, packed.shape):
        problems.append(("size differs", f"{frame.name}: {packed.shape}, its image {shape}"))
    return packed, problems


class _SequenceCheck:
    """Checks that need the frames of a sequence in their order."""

    def __init__(self, name: str, dataset: str, findings: Findings) -> None:
        self.name = name
        self.dataset = dataset
        self.findings = findings
        self.first: tuple[int, ...] | None = None
        self.before: Packed | None = None

    def add(self, frame: _Frame, packed: Packed | None) -> None:
        """Check the next frame. `packed` is None if its label could not be read."""
        before = self.before
        self.before = packed
        if packed is None:
            return
        self.first = self.first or packed.shape
        problems = self.findings.problems
        things = self.findings.labels.things
        if packed.shape != self.first:
            detail = f"{frame.name}: {packed.shape}, the sequence's first {self.first}"
            problems["size differs"].append(detail)
        # Counts the ids of every class, although only those of things matter.
        all_ids = joint_histogram(packed, packed, range(256))
        unknown = unknown_class(all_ids.gt_class, self.dataset)
        if unknown is not None:
            problems["unknown class"].append(f"{frame.name}: class {unknown}")
        if bool((all_ids.gt_id[~np.isin(all_ids.gt_class, [*things])] > 0).any()):
            self.findings.notes["ids on stuff or void, which do not count"].append(frame.name)
        for c, i, n in zip(all_ids.gt_class, all_ids.gt_id, all_ids.count, strict=True):
            if c != VOID:
                self.findings.pixels[int(c)] += int(n)
            if c in things and i:
                self.findings.tracks[int(c)].add((self.name, int(i)))
        if before is not None and before.shape == packed.shape:
            self._changes(frame, before, packed)

    def _changes(self, frame: _Frame, before: Packed, now: Packed) -> None:
        """Note every id that changes its class from one frame to the next.

        A change is noted if more than half of the smaller mask keeps its pixels.
        """
        things = self.findings.labels.things
        h = joint_histogram(before, now, things)
        suspects = (h.gt_id == h.pred_id) & (h.gt_id > 0) & (h.gt_class != h.pred_class)
        for k in np.flatnonzero(
            suspects & np.isin(h.gt_class, things) & np.isin(h.pred_class, things)
        ):
            sizes = (
                int(h.count[(h.gt_class == h.gt_class[k]) & (h.gt_id == h.gt_id[k])].sum()),
                int(h.count[(h.pred_class == h.pred_class[k]) & (h.pred_id == h.pred_id[k])].sum()),
            )
            if 2 * int(h.count[k]) > min(sizes):
                old, new = (
                    self.findings.labels.classes[c] for c in (h.gt_class[k], h.pred_class[k])
                )
                self.findings.problems["id changes class"].append(
                    f"{frame.name}: {old} {h.gt_id[k]} becomes {new}"
                )
