"""Computes the mean IoU on CamVid's 11 classes, and counts its cars and people by size.

The IoU is computed twice: for the semantic head alone, and for the labels that the runtime returns.

    python -m mapt.bench.accuracy.camvid BUNDLE --root CAMVID [--split test] [--json FILE]

CamVid has no instances. Its objects are the components of cars and people that look like a single
one (`mapt.data.datasets.camvid`). What is found in the others is neither right nor wrong.

The 19 classes of the network are named in CamVid's (`CAMVID`); what has no label there does not
count. A bundle of CamVid's aspect (`mapt export --size 384x512`) loses no pixels to padding.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.machine import describe_machine
from mapt.data.datasets.camvid import (
    TRAIN_IDS,
    instances_from_components,
    open_camvid,
    read_label,
)
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import write_json
from mapt.io.image_files import read_rgb
from mapt.labels.class_sets import CITYSCAPES_VPS
from mapt.labels.step_png import pack
from mapt.metrics.histogram import joint_histogram
from mapt.metrics.recall import RecallByArea
from mapt.metrics.tables import show_sizes
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, on_host
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.perception.pipeline import Clock, perceive
from mapt.runtime.perception.preprocess import fit, to_image, to_input

NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
VOID = len(NAMES)
# road sidewalk building wall fence pole light sign vegetation terrain sky person rider car truck
# bus train motorcycle bicycle. As in the 11-class CamVid: walls are buildings, lights are signs,
# grass is tree, trucks and buses are cars.
CAMVID = np.array((3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10), np.uint8)


@dataclass(frozen=True)
class Agreement:
    """The confusion matrix of the classes, (11,11) int64; rows are the ground truth."""

    confusion: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of each class (11,) float64; NaN where it occurs nowhere."""
        hits = np.diag(self.confusion).astype(np.float64)
        union = self.confusion.sum(0) + self.confusion.sum(1) - hits
        return np.where(union > 0, hits / np.maximum(union, 1), np.nan)

    @property
    def mean(self) -> float:
        """The mean IoU over the classes that occur."""
        return float(np.nanmean(self.iou))

    def to_json(self) -> dict[str, float | None]:
        """IoU by class, and the mean; undefined is null."""
        values = zip(("mean", *NAMES), (self.mean, *self.iou.tolist()), strict=True)
        return {name: None if np.isnan(value) else value for name, value in values}


def count(truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The confusion (11,11) of one still: CamVid's labels (H,W) against train ids (H,W)."""
    known = truth < VOID
    return np.bincount(
        truth[known] * np.int64(VOID) + CAMVID[labels[known]], minlength=VOID * VOID
    ).reshape(VOID, VOID)


def semantic_labels(backend: Backend, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the best of all 19 classes at every pixel of an image (H,W,3).

    Only the semantic head decides.
    """
    info = backend.info
    place = fit(image.shape[0], image.shape[1], info.height, info.width)
    seen = perceive(backend, to_input(image, place, info.height, info.width), Clock())
    full = [
        cv2.resize(plane, (info.width, info.height), interpolation=cv2.INTER_LINEAR)
        for plane in on_host(seen.logits)[0]
    ]
    return to_image(np.argmax(full, 0), place).astype(np.uint8)


def measure(backend: Backend, root: Path, split: str) -> tuple[dict[str, Agreement], RecallByArea]:
    """Score a split, each image on its own.

    Returns:
        The IoU of both kinds of labels, and the cars and people that the runtime finds, by size.

    Raises:
        InputError: the folder is not CamVid's, or a file in it is bad.
    """
    tracker = PanopticTracker(backend)
    stamps = iter(range(0, 1 << 62, 1_000_000_000))

    sums = {name: np.zeros((VOID, VOID), np.int64) for name in ("semantic head", "runtime")}
    objects = RecallByArea.by_side(CITYSCAPES_VPS)
    for path, label in open_camvid(root, split).files:
        image = read_rgb(path)
        truth = read_label(label).astype(np.uint8)
        semantic = TRAIN_IDS[truth]
        if image.shape[:2] != semantic.shape:
            raise InputError(
                f"{label}: is {semantic.shape}, its image {image.shape[:2]}; replace one of them"
            )
        sums["semantic head"] += count(truth, semantic_labels(backend, image))
        tracker.reset()
        frame = tracker.step(image, next(stamps))
        sums["runtime"] += count(truth, frame.semantic)
        objects.add(
            joint_histogram(
                pack(semantic, instances_from_components(semantic)),
                pack(frame.semantic, frame.instance),
                CITYSCAPES_VPS.things,
            )
        )
    return {name: Agreement(confusion) for name, confusion in sums.items()}, objects


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.accuracy.camvid", description=text_of(__name__).splitlines()[0]
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, help="public key that must have signed the bundle")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    found, objects = measure(
        OrtBackend(read_bundle(given.bundle, given.trust), given.threads), given.root, given.split
    )
    table = Table(f"CamVid {given.split}, IoU", *NAMES, "mean")
    for name, agreement in found.items():
        table.add_row(name, *(f"{value:.3f}" for value in agreement.iou), f"{agreement.mean:.3f}")
    console = Console(width=160)
    console.print(table)
    show_sizes(console, objects.to_json())
    if given.json:
        scores = {name: agreement.to_json() for name, agreement in found.items()}
        machine = describe_machine(given.threads)
        write_json(
            given.json, {"machine": machine, "iou": scores, "objects_by_size": objects.to_json()}
        )


if __name__ == "__main__":
    main()
