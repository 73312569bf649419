"""Divides CamVid's crowds of cars and people into the objects that a network finds in them.

    python -m mapt.bench.divide_crowds WEIGHTS --root CAMVID --out FOLDER

CamVid labels classes, but no objects. Components that do not look like one object are crowds, from
which training learns nothing, and they hold three quarters of the pixels of cars. This command runs
a network on the stills of a split, and keeps what it finds where the labels agree. The folder that
it writes is CamVid with a third folder, `instances`, and is trained on as CamVid is.

The labels bound what the network may teach itself: no object has pixels of another class, and what
it does not find stays a crowd (Lee, "Pseudo-Label", 2013, trains on a network's own labels).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mapt.bench.cli_errors import told_in_one_line
from mapt.data.datasets.camvid import (
    INSTANCES,
    MIN_PIXELS,
    TRAIN_IDS,
    instances_from_components,
    open_camvid,
    read_label,
)
from mapt.docstrings import text_of
from mapt.io.atomic_folders import published
from mapt.io.image_files import read_rgb
from mapt.labels.class_sets import CITYSCAPES_VPS
from mapt.labels.step_png import Instance, Semantic

AGREE = 0.75  # the least share of a found object whose pixels the labels give its class
# A rim of an object that the network misses is at most this wide, times the root of its area.
RIM = 0.15


def divide(truth: Semantic, known: Instance, labels: Semantic, ids: Instance) -> Instance:
    """Number the objects of a still: the known ones, and those found in crowds.

    Args:
        truth: (H,W) uint8 train ids of the labels.
        known: (H,W) int32 ids of the objects that are certain, 0 elsewhere.
        labels: (H,W) uint8 train ids that the network gives.
        ids: (H,W) int32 ids that it gives.

    Returns:
        (H,W) int32. Crowds of things have 0.
    """
    out = known.copy()
    free = known == 0
    next_id = int(known.max()) + 1
    for train_id in CITYSCAPES_VPS.things:
        crowd = free & (truth == train_id)
        seeds = np.zeros(truth.shape, np.int32)
        sizes = {}
        for found in np.unique(ids[(labels == train_id) & (ids > 0)]).tolist():
            mask = (labels == train_id) & (ids == found)
            inside = mask & crowd
            if inside.sum() >= max(MIN_PIXELS, AGREE * mask.sum()):
                seeds[inside] = next_id
                sizes[next_id] = float(inside.sum())
                next_id += 1
        out += _with_rims(seeds, crowd, sizes)
    return out


def _with_rims(seeds: Instance, crowd: NDArray[np.bool_], sizes: dict[int, float]) -> Instance:
    """Give pixels of a crowd (H,W) to the nearest object (H,W) whose rim reaches them."""
    if not sizes:
        return seeds
    distance, nearest = cv2.distanceTransformWithLabels(
        (seeds == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    own = np.zeros(int(nearest.max()) + 1, np.int32)
    own[nearest[seeds > 0]] = seeds[seeds > 0]
    owner = own[nearest]
    reach = np.zeros(max(sizes) + 1)
    for number, area in sizes.items():
        reach[number] = RIM * area**0.5
    return np.where(crowd & (distance <= reach[owner]), owner, 0).astype(np.int32)


def divide_split(weights: Path, root: Path, split: str, out: Path, size: tuple[int, int]) -> str:
    """Write a split of CamVid with the objects that a network finds.

    Args:
        weights: the network's.
        root: CamVid's folder.
        split: the folder of a split.
        out: the folder that is written.
        size: height and width of the network's input, pixels.

    Returns:
        What was found, in a sentence.

    Raises:
        InputError: the weights or the folder are bad.
    """
    from mapt.evaluation.torch_backend import TorchBackend
    from mapt.runtime import PanopticTracker

    files = open_camvid(root, split).files
    tracker = PanopticTracker(TorchBackend.load(weights, size))
    certain = found = 0
    with published(out) as work:
        for name in ("images", "labels", INSTANCES):
            (work / split / name).mkdir(parents=True)
        for number, (image, label) in enumerate(track(files, console=Console(stderr=True))):
            truth = TRAIN_IDS[read_label(label)]
            known = instances_from_components(truth)
            tracker.reset()
            frame = tracker.step(read_rgb(image), number * 1_000_000_000)
            ids = divide(truth, known, frame.semantic, frame.instance)
            certain += len(np.unique(known)) - 1
            found += len(np.unique(ids)) - len(np.unique(known))
            data = cv2.imencode(".png", ids.astype(np.uint16))[1].tobytes()
            (work / split / INSTANCES / label.name).write_bytes(data)
            for source, name in ((image, "images"), (label, "labels")):
                shutil.copyfile(source, work / split / name / source.name)
    return f"{len(files)} stills: {certain} single objects, and {found} found in crowds"


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.divide_crowds", description=text_of(__name__).splitlines()[0]
    )
    parser.add_argument("weights", type=Path, help="a network, .safetensors")
    parser.add_argument("--root", type=Path, required=True, help="CamVid's folder")
    parser.add_argument("--out", type=Path, required=True, help="folder that is written")
    parser.add_argument("--split", default="train")
    parser.add_argument("--height", type=int, default=576, help="of the input, a multiple of 32")
    parser.add_argument("--width", type=int, default=768, help="of the input, a multiple of 32")
    given = parser.parse_args(arguments)
    size = given.height, given.width
    print(divide_split(given.weights, given.root, given.split, given.out, size))


if __name__ == "__main__":
    main()
